import Glibc
import KubeAPI
import Testing

@testable import Lab

@Suite("names on the nodes of a lab", .tags(.kernel), .enabled(if: kernelIsThere), .serialized, .timeLimit(.minutes(5)))
struct LabNodeNamesTests {
    private static let hostPod = """
        apiVersion: v1
        kind: Pod
        metadata: {name: host}
        spec:
          nodeName: node-2
          hostNetwork: true
          dnsPolicy: ClusterFirstWithHostNet
          containers: [{name: main, image: idle}]
        """

    /// `tulle dns query` on a node, as somebody would type it there.
    private static func query(_ words: [String], on node: String, _ bench: LabBench) throws -> LabBench.Outcome {
        try bench.tulle(["node", node, "--", "tulle", "dns", "query"] + words)
    }

    private static func kubectl(_ words: [String], _ bench: LabBench) throws -> LabBench.Outcome {
        let outcome = try bench.run(
            [try #require(LabKubectl.path)] + words,
            environment: ["KUBECONFIG": bench.lab.kubeconfig, "HOME": bench.scratch.path])
        try #require(outcome.status == 0, "\(outcome.error)")
        return outcome
    }

    @Test(
        "a command on a node asks that node's agent; events of the ConfigMap reach it, pods of other nodes are told of, and its figures",
        .enabled(if: LabKubectl.isThere || getenv("REQUIRE_KERNEL") != nil, "no kubectl from 1.30 on is installed"))
    func onNodes() throws {
        let bench = try LabBench()
        try Files.write("nameserver 192.0.2.53\nsearch corp.example\n".utf8, to: bench.scratch.path + "/resolv.conf")
        try bench.up("--nodes", "2", "--dns", "1", "--families", "ipv4", "--resolver", bench.scratch.path + "/resolv.conf")
        try Files.write(Self.hostPod.utf8, to: bench.scratch.path + "/pod.yaml")
        _ = try Self.kubectl(["apply", "-f", bench.scratch.path + "/pod.yaml"], bench)
        try bench.untilReady(pods: 2)
        try bench.eventually("nodes answer themselves") { status in
            (status["nodes"]?.array ?? []).allSatisfy { $0["names"]?.array?.isEmpty == false }
        }
        try Self.find(bench)
        try Self.follow(bench)
        try Self.resolve(bench)
        let figures = try bench.tulle("node", "node-1", "--", "curl", "-s", "http://127.0.0.1:10249/metrics").lines
        for name in ["coredns_dns_requests_total", "coredns_dns_request_duration_seconds_count", "coredns_cache_entries"] {
            #expect(figures.contains { $0.hasPrefix("\(name){") }, "\(name): \(figures.filter { $0.hasPrefix("coredns") })")
        }
        try bench.downToNothing()
    }

    /// The agent, its resolver, Tulle's programs and the API are at hand.
    private static func find(_ bench: LabBench) throws {
        for node in ["node-1", "node-2"] {
            let found = try query(["kubernetes.default.svc.cluster.local"], on: node, bench)
            #expect(found.status == 0 && found.output.contains("(the agent of \(node), at 10.96.0.10, "), "\(found)")
        }
        let own = try bench.tulle("node", "node-1", "--", "cat", "/etc/resolv.conf")
        #expect(own.output == "nameserver 192.0.2.53\nsearch corp.example\n", "\(own)")
        #expect(Files.text(of: "/etc/resolv.conf")?.contains("corp.example") != true, "and the machine has its own")
        #expect(try bench.tulle("node", "node-1", "--", "tulle", "policies").status == 0)
        // The name servers' pod is on one node; the other one says which.
        let list = try kubectl(["--namespace", "kube-system", "get", "pods", "--no-headers", "-o", "wide"], bench)
        let words = try #require(list.lines.first).split(separator: " ").map(String.init)
        let (pod, home) = (words[0], try #require(words.first { $0.hasPrefix("node-") }))
        let other = home == "node-1" ? "node-2" : "node-1"
        let refused = try query(["web", "--as", "kube-system/\(pod)"], on: other, bench)
        #expect(
            refused.status == 64
                && refused.error.contains(
                    "node \(other) has no pod kube-system/\(pod): it is on \(home); ask there (in a lab: "
                        + "tulle lab node \(home) -- tulle dns query "),
            "\(refused)")
        let host = try query(["web", "--as", "pod/default/host"], on: "node-2", bench)
        #expect(host.status == 64 && host.error.contains("it is on the node's network: ask without --as"), "\(host)")
    }

    /// An event of the ConfigMap is there at once, on every node.
    private static func follow(_ bench: LabBench) throws {
        let document = #"{"data": {"names.yaml": "pods: insecure\nhosts: {entries: {printer.example: 192.0.2.77}}\n"}}"#
        _ = try kubectl(
            ["--namespace", "kube-system", "patch", "configmap", "kube-dns", "--type", "merge", "--patch", document], bench)
        for node in ["node-1", "node-2"] {
            try bench.eventually("\(node) answers by the new document") { _ in
                (try? query(["printer.example."], on: node, bench).output.contains("IN A 192.0.2.77")) == true
            }
        }
    }

    /// A pod on the node's network that asks the cluster first.
    private static func resolve(_ bench: LabBench) throws {
        let resolver = try bench.tulle("exec", "host", "--", "cat", "/etc/resolv.conf")
        #expect(
            resolver.lines == [
                "search default.svc.cluster.local svc.cluster.local cluster.local corp.example", "nameserver 10.96.0.10",
                "options ndots:5",
            ], "\(resolver)")
        for (name, address) in [
            ("kubernetes", "10.96.0.1"), ("kube-dns.kube-system", "10.96.0.10"), ("printer.example", "192.0.2.77"),
        ] {
            let found = try bench.tulle("exec", "host", "--", "getent", "hosts", name)
            #expect(found.status == 0 && found.output.hasPrefix("\(address) "), "\(name): \(found)")
        }
    }
}
