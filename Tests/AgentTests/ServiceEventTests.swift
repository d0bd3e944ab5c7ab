import Glibc
import KubeAPI
import Testing

extension KernelTests {
    @Suite("what is wrong with services, told on them", .timeLimit(.minutes(5)))
    struct ServiceEventTests {
        @Test("a problem with a service is an Event on it, one and the same whoever sees it")
        func told() async throws {
            let node = try TestNode()
            node.directory.remove("objects.yaml")
            let server = try TestServer(in: node.neighbour, directory: node.directory.path)
            for number in [1, 2] { try await server.put(node: number) }
            try await server.put(
                "namespaces", "shop", ["apiVersion": "v1", "kind": "Namespace", "status": ["phase": "Active"]])
            for (name, address) in [("api", "10.96.0.10"), ("web", "10.96.0.11")] {
                try await server.put(
                    "services", name, in: "shop",
                    [
                        "apiVersion": "v1", "kind": "Service",
                        "spec": [
                            "type": "ClusterIP", "clusterIP": .string(address), "clusterIPs": [.string(address)],
                            "externalIPs": ["203.0.113.5"], "ports": [["port": 80, "protocol": "TCP"]],
                        ],
                    ])
            }
            try node.directory.write("first\n", to: "token")
            let source = ["--node", "n1", "--kubeconfig", try server.kubeconfig(token: "\(node.directory.path)/token")]
            try await server.start(token: "first")
            do {
                try node.launch(source: source)
                try await soon("it is told\n\(node.log)") { try await server.events().count == 1 }
                let event = try #require(try await server.events().first)
                #expect(event[at: "involvedObject", "kind"] == "Service" && event[at: "involvedObject", "uid"] == "uid-web")
                #expect(event[at: "metadata", "namespace"] == "shop" && event["type"] == "Warning")
                #expect(event["reason"] == "ServiceFrontTaken" && event[at: "source", "component"] == "tulle")
                #expect(event["message"]?.string?.hasPrefix("its 203.0.113.5:80 is shop/api's already") == true)
                #expect(node.stop() == 0)

                // Another agent that sees the same, as those of other nodes do: one event all the same. It sees something else too,
                // and when that is told, the first was told before.
                try await server.put(
                    "discovery.k8s.io/endpointslices", "web-1", in: "shop",
                    [
                        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
                        "metadata": ["labels": ["kubernetes.io/service-name": "web"]],
                        "ports": [["port": 8080, "protocol": "TCP"]],
                        "endpoints": [["addresses": ["127.0.0.1"], "conditions": ["ready": true]]],
                    ])
                try node.launch(source: source)
                try await soon("the other is told\n\(node.log)") { try await server.events().count == 2 }
                #expect(
                    try await server.events().compactMap { $0["reason"]?.string }.sorted() == [
                        "ServiceEndpointRefused", "ServiceFrontTaken",
                    ])
                #expect(try await server.events().allSatisfy { $0["count"]?.number?.integer == 1 })
                #expect(node.status.rounds > 0)
                #expect(node.stop() == 0)
            } catch {
                Issue.record("\(error)\n\(node.log)")
            }
            node.stop(by: SIGKILL)
            try await server.close()
        }
    }
}
