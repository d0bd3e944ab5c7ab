import FoundationEssentials
import Testing

@testable import APIServer

@Suite("the manifests in deploy/", .timeLimit(.minutes(5))) struct ManifestTests {
    private static let directory = "\(#filePath)".split(separator: "/").dropLast(3).map { "/\($0)" }.joined() + "/deploy"

    static let objects = ["tulle-dns.yaml": 6, "tulle.yaml": 6, "clusternetworkpolicies.yaml": 1]

    @Test("each of them is looked at")
    func complete() throws {
        #expect(try FileManager.default.contentsOfDirectory(atPath: Self.directory).sorted() == Self.objects.keys.sorted())
    }

    @Test(
        "kubectl applies them without a word of warning, and a second time they change nothing",
        .tags(.kubectl), .enabled(if: Kubectl.isThere, "no kubectl from 1.27 on is installed"),
        arguments: objects.keys.sorted())
    func applied(_ file: String) async throws {
        let text = String(decoding: try Data(contentsOf: URL(filePath: "\(Self.directory)/\(file)")), as: UTF8.self)
        // The service's address is the cluster's to say.
        let objects = text.replacing("10.96.0.10", with: "192.0.2.10")
        try await Kubectl.with { kubectl in
            _ = try await kubectl("create", "namespace", "kube-system")
            for word in ["created", "unchanged"] {
                let outcome = try await kubectl("apply", "--validate=strict", "-f", "-", input: objects)
                #expect(outcome.status == 0 && outcome.error.isEmpty, "\(outcome.error)")
                let lines = outcome.output.split(separator: "\n")
                #expect(lines.count == Self.objects[file] && lines.allSatisfy { $0.hasSuffix(word) }, "\(outcome.output)")
            }
        }
    }
}
