import FoundationEssentials
import Testing

@testable import APIServer

@Suite("the name server's manifest", .timeLimit(.minutes(5))) struct NameServerManifestTests {
    @Test(
        "kubectl applies it without a word of warning, and a second time it changes nothing",
        .tags(.kubectl), .enabled(if: Kubectl.isThere, "no kubectl from 1.27 on is installed"))
    func applied() async throws {
        let path = "\(#filePath)".split(separator: "/").dropLast(3).map { "/\($0)" }.joined() + "/deploy/tulle-dns.yaml"
        let text = String(decoding: try Data(contentsOf: URL(filePath: path)), as: UTF8.self)
        // Every token may do everything in a lab: rights are refused there, and said to be superfluous.
        let objects = text.split(separator: "\n---\n").filter { !$0.contains("kind: ClusterRole") }.joined(separator: "\n---\n")
            // The service's address is the cluster's to say.
            .replacing("10.96.0.10", with: "192.0.2.10")
        try await Kubectl.with { kubectl in
            _ = try await kubectl("create", "namespace", "kube-system")
            for word in ["created", "unchanged"] {
                let outcome = try await kubectl("apply", "--validate=strict", "-f", "-", input: objects)
                #expect(outcome.status == 0 && outcome.error.isEmpty, "\(outcome.error)")
                let lines = outcome.output.split(separator: "\n")
                #expect(lines.count == 4 && lines.allSatisfy { $0.hasSuffix(word) }, "\(outcome.output)")
            }
        }
    }
}
