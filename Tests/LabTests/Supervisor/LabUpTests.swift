import Addressing
import Glibc
import KubeAPI
import Testing

@testable import Lab

@Suite("a lab that is up", .tags(.kernel), .enabled(if: kernelIsThere), .serialized, .timeLimit(.minutes(5)))
struct LabUpTests {
    @Test("nodes become Ready, pods reach each other, and when it is down nothing is left") func whole() throws {
        let bench = try LabBench()
        let before = try HostFingerprint()
        try bench.up("--nodes", "2", "--pods", "3")
        try bench.untilReady(pods: 3)

        let ping = try bench.tulle("ping")
        #expect(ping.status == 0 && ping.output.contains("All 24 ways are open: 3 pods on 2 nodes"), "\(ping.output)")
        let figures = try JSONReader().value(bench.tulle("ping", "--count", "1", "-o", "json").output)
        #expect(figures["sources"]?.array?.count == 5)
        let pod = try #require(figures["pods"]?.array?.first?["name"]?.string)

        let inside = try bench.tulle("exec", pod, "--", "sh", "-c", "hostname; echo said to nobody >&2; exit 7")
        #expect(inside.output == pod + "\n" && inside.error == "said to nobody\n" && inside.status == 7)
        let node = try bench.tulle("node", "node-1", "--", "sh", "-c", "hostname; ip -o address show dev eth0")
        #expect(node.status == 0 && node.lines.first == "node-1" && node.output.contains("172.30.0.11/24"), "\(node.output)")
        // A program finds itself under the number that it knows itself by; an agent that did not would end.
        let itself = try bench.tulle(
            "node", "node-1", "--", "sh", "-c", "read own rest </proc/self/stat; echo $own is $$; ps -o comm= 1")
        #expect(
            Set(itself.lines.first?.split(separator: " ") ?? []).count == 2 && itself.output.contains("tulle-pod"), "\(itself)")
        let log = try bench.tulle("logs", pod)
        #expect(log.output == "listening tcp 80\n" && log.status == 0, "\(log.error)")
        #expect(try bench.tulle("logs", pod, "--tail", "0").output == "")

        let again = try bench.tulle("up")
        #expect(again.status == 3 && again.error.contains("is up"))
        #expect(!bench.processes.isEmpty)

        try bench.downToNothing()
        #expect(try HostFingerprint().changes(since: before) == [])
        // A second time there is nothing to do.
        #expect(try bench.tulle("down").status == 0)
        #expect(try bench.tulle("status").status == 4)
    }

    @Test(
        "kubectl applies examples/hello.yaml and sees it become Ready",
        .enabled(if: LabKubectl.isThere || getenv("REQUIRE_KERNEL") != nil, "no kubectl from 1.30 on is installed"))
    func kubectl() throws {
        let bench = try LabBench()
        try bench.up("--nodes", "2")
        let kubectl = try #require(LabKubectl.path)
        func run(_ words: String...) throws -> LabBench.Outcome {
            let outcome = try bench.run(
                [kubectl] + words, environment: ["KUBECONFIG": bench.lab.kubeconfig, "HOME": bench.scratch.path])
            #expect(outcome.status == 0, "\(words): \(outcome.error)")
            return outcome
        }
        let nodes = try run("get", "nodes", "--no-headers").lines
        #expect(nodes.count == 2 && nodes.allSatisfy { $0.contains(" Ready ") }, "\(nodes)")
        let example = #filePath.replacing("Tests/LabTests/Supervisor/LabUpTests.swift", with: "examples/hello.yaml")
        _ = try run("apply", "-f", example)
        _ = try run("rollout", "status", "deployment/hello", "--timeout", "60s")
        _ = try run("rollout", "status", "statefulset/db", "--timeout", "60s")
        #expect(try run("get", "pods", "-l", "app=db", "-o", "name").lines == ["pod/db-0", "pod/db-1"])
        #expect(try run("exec", "db-0", "--", "hostname").output == "db-0\n")
        #expect(try run("logs", "db-1").output.contains("listening tcp 5432"))
        #expect(try bench.tulle("ping").output.contains("8 pods on 2 nodes"))
        // What a cluster is given to serve names is taken. A second time nothing is changed.
        let names = #filePath.replacing("Tests/LabTests/Supervisor/LabUpTests.swift", with: "deploy/tulle-dns.yaml")
        for word in [" created", " unchanged"] {
            let outcome = try bench.run(
                [kubectl, "apply", "-f", names], environment: ["KUBECONFIG": bench.lab.kubeconfig, "HOME": bench.scratch.path])
            #expect(outcome.status == 0 && outcome.error.isEmpty, "\(outcome)")
            #expect(outcome.lines.count == 6 && outcome.lines.allSatisfy { $0.hasSuffix(word) }, "\(outcome)")
        }
        let service = try run("--namespace", "kube-system", "get", "service", "kube-dns", "-o", "jsonpath={.spec.clusterIP}")
        #expect(service.output == "10.96.0.10")
    }
}
