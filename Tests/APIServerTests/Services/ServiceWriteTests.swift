import Addressing
import KubeAPI
import NIOHTTP1
import Testing

@testable import APIServer

private let services = "/api/v1/namespaces/default/services"

/// A service as a client sends it.
private func service(_ name: String, _ spec: String) -> String {
    #"{"apiVersion":"v1","kind":"Service","metadata":{"name":"\#(name)"},"spec":\#(spec)}"#
}

@Suite("services as they are written", .timeLimit(.minutes(5)))
struct ServiceWriteTests {
    private static let merge = [("Content-Type", "application/merge-patch+json")]

    private static func spec(_ answer: Client.Answer) throws -> JSONValue {
        try #require(try JSONReader().value(answer.body)["spec"], "\(answer.body)")
    }

    @Test("an address and a node port are given with the creation, from above the bands")
    func given() async throws {
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                let answer = try await client.ask(.POST, services, service("a", #"{"type":"NodePort","ports":[{"port":80}]}"#))
                #expect(answer.status == 201)
                let spec = try Self.spec(answer)
                let address = try #require(spec["clusterIP"]?.string.flatMap { IPv4Address($0) })
                #expect(IPPrefix("192.0.2.0/24")?.contains(.v4(address)) == true && address.rawValue & 255 > 16)
                #expect(spec["clusterIPs"] == [.string(address.description)])
                #expect(spec["ipFamilies"] == ["IPv4"] && spec["ipFamilyPolicy"] == "SingleStack")
                #expect(try #require(spec["ports"]?.array?.first?["nodePort"]?.integer) >= 30086)
                // What is stored is what was answered.
                #expect(try Self.spec(try await client.ask(.GET, "\(services)/a")) == spec)
            }
        }
    }

    @Test(
        "what cannot be given is refused in kube-apiserver's words, and nothing is stored",
        arguments: [
            (
                #"{"clusterIP":"203.0.113.1","ports":[{"port":80}]}"#, 422,
                #"spec.clusterIPs: Invalid value: ["203.0.113.1"]: failed to allocate IP 203.0.113.1: the provided IP (203.0.113.1) is not in the valid range. The range of valid IPs is 192.0.2.0/24"#
            ),
            (
                #"{"clusterIP":"192.0.2.9","ports":[{"port":80}]}"#, 422,
                #"spec.clusterIPs: Invalid value: ["192.0.2.9"]: failed to allocate IP 192.0.2.9: provided IP is already allocated"#
            ),
            (
                #"{"type":"NodePort","ports":[{"port":80,"nodePort":30007}]}"#, 422,
                "spec.ports[0].nodePort: Invalid value: 30007: provided port is already allocated"
            ),
            (
                #"{"type":"NodePort","ports":[{"port":80,"nodePort":80}]}"#, 422,
                "spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-32767"
            ),
            (
                #"{"type":"LoadBalancer","externalTrafficPolicy":"Local","healthCheckNodePort":30007,"ports":[{"port":80}]}"#,
                422,
                "spec.healthCheckNodePort: Invalid value: 30007: provided port is already allocated"
            ),
            (
                #"{"clusterIP":"192.0.2.8","clusterIPs":["192.0.2.7"],"ports":[{"port":80}]}"#, 422,
                "first value must match `clusterIP`"
            ),
            (
                #"{"ipFamilyPolicy":"SingleStack","ipFamilies":["IPv4","IPv6"],"ports":[{"port":80}]}"#, 422,
                "spec.ipFamilyPolicy: Invalid value: \"SingleStack\": must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified"
            ),
        ] as [(String, Int, String)])
    func refused(spec: String, status: Int, message: String) async throws {
        try await withServer { port, store in
            try await Client.with(port: port) { client in
                let holder = #"{"type":"NodePort","clusterIP":"192.0.2.9","ports":[{"port":80,"nodePort":30007}]}"#
                #expect(try await client.ask(.POST, services, service("holder", holder)).status == 201)
                let revision = try await store.revision()
                let answer = try await client.ask(.POST, services, service("b", spec))
                #expect(answer.status == status, "\(answer.body)")
                #expect(answer["message"]?.contains(message) == true, "\(answer.body)")
                #expect(try await store.revision() == revision)
                #expect(try await client.ask(.GET, "\(services)/b").status == 404)
            }
        }
    }

    @Test("RequireDualStack on a cluster of one family is refused")
    func oneFamily() async throws {
        let ranges = ServiceRanges(clusterIPs: [try #require(IPPrefix("2001:db8::/112"))])
        try await withServer(services: ranges) { port, _ in
            try await Client.with(port: port) { client in
                let dual = #"{"ipFamilyPolicy":"RequireDualStack","ports":[{"port":80}]}"#
                let refused = try await client.ask(.POST, services, service("a", dual))
                #expect(refused["message"]?.contains("this cluster is not configured for dual-stack services") == true)
                let answer = try await client.ask(.POST, services, service("a", #"{"ports":[{"port":80}]}"#))
                #expect(try Self.spec(answer)["ipFamilies"] == ["IPv6"])
            }
        }
    }

    @Test("a dry run gives nothing away, and a deletion gives back")
    func dryRun() async throws {
        let spec = #"{"type":"NodePort","clusterIP":"192.0.2.9","ports":[{"port":80,"nodePort":30007}]}"#
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                for _ in 0..<2 {
                    let tried = try await client.ask(.POST, "\(services)?dryRun=All", service("a", spec))
                    #expect(tried.status == 201)
                    #expect(try Self.spec(tried)["clusterIPs"] == ["192.0.2.9"])
                }
                #expect(try await client.ask(.POST, services, service("a", spec)).status == 201)
                #expect(try await client.ask(.POST, "\(services)?dryRun=All", service("b", spec)).status == 422)
                #expect(try await client.ask(.DELETE, "\(services)/a?dryRun=All").status == 200)
                #expect(try await client.ask(.POST, services, service("b", spec)).status == 422)
                #expect(try await client.ask(.DELETE, "\(services)/a").status == 200)
                #expect(try await client.ask(.POST, services, service("b", spec)).status == 201)
            }
        }
    }

    @Test("what services hold is known again after a restart")
    func restart() async throws {
        let directory = try TemporaryDirectory()
        let spec = #"{"type":"NodePort","clusterIP":"192.0.2.9","ports":[{"port":80,"nodePort":30007}]}"#
        for round in 0..<2 {
            let store = try Store(path: directory.store)
            let socket = try Loopback.bound()
            try await withServer(store, on: [socket.descriptor]) {
                try await Client.with(port: socket.port) { client in
                    let answer = try await client.ask(.POST, services, service("s\(round)", spec))
                    #expect(answer.status == (round == 0 ? 201 : 422), "\(answer.body)")
                }
            }
            try store.close()
        }
    }

    @Test("changing the type in every direction gives what the new one needs and takes what it does not")
    func types() async throws {
        let types = ["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                for from in types {
                    for to in types where to != from {
                        let name = "\(from)-\(to)".lowercased()
                        let start = #"{"type":"\#(from)","externalName":"example.org","ports":[{"port":80}]}"#
                        let before = try Self.spec(try await client.ask(.POST, services, service(name, start)))
                        let change = #"{"spec":{"type":"\#(to)"}}"#
                        let answer = try await client.ask(.PATCH, "\(services)/\(name)", change, headers: Self.merge)
                        #expect(answer.status == 200, "\(name): \(answer.body)")
                        let spec = try Self.spec(answer)
                        let nodePort = spec["ports"]?.array?.first?["nodePort"]
                        #expect((nodePort != nil) == ["NodePort", "LoadBalancer"].contains(to), "\(name): \(answer.body)")
                        #expect((spec["clusterIP"] != nil) == (to != "ExternalName"), "\(name): \(answer.body)")
                        #expect((spec["ipFamilies"] != nil) == (to != "ExternalName"), "\(name): \(answer.body)")
                        #expect((spec["externalTrafficPolicy"] != nil) == (nodePort != nil), "\(name): \(answer.body)")
                        #expect((spec["allocateLoadBalancerNodePorts"] != nil) == (to == "LoadBalancer"), "\(name)")
                        if from != "ExternalName", to != "ExternalName" {
                            #expect(spec["clusterIP"] == before["clusterIP"], "\(name) keeps its address")
                        }
                        _ = try await client.ask(.DELETE, "\(services)/\(name)")
                    }
                }
            }
        }
    }

    @Test("an update that leaves out what was given keeps it")
    func keeps() async throws {
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                let sent = service("a", #"{"type":"NodePort","ipFamilyPolicy":"PreferDualStack","ports":[{"port":80}]}"#)
                let before = try Self.spec(try await client.ask(.POST, services, sent))
                #expect(before["clusterIPs"]?.array?.count == 2)
                let answer = try await client.ask(.PUT, "\(services)/a", sent)
                #expect(answer.status == 200, "\(answer.body)")
                #expect(try Self.spec(answer) == before)
                let moved = #"{"spec":{"clusterIP":"192.0.2.77","clusterIPs":["192.0.2.77"]}}"#
                let refused = try await client.ask(.PATCH, "\(services)/a", moved, headers: Self.merge)
                #expect(refused.status == 422 && refused["message"]?.contains("may not change once set") == true)
            }
        }
    }

    @Test("going to one family and back releases the second address and gives another")
    func families() async throws {
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                let dual =
                    #"{"ipFamilyPolicy":"RequireDualStack","clusterIPs":["192.0.2.9","2001:db8::9"],"ports":[{"port":80}]}"#
                let other = #"{"ipFamilies":["IPv6"],"clusterIP":"2001:db8::9","ports":[{"port":80}]}"#
                #expect(try await client.ask(.POST, services, service("a", dual)).status == 201)
                #expect(try await client.ask(.POST, services, service("b", other)).status == 422)
                let single = #"{"spec":{"ipFamilyPolicy":"SingleStack"}}"#
                let answer = try await client.ask(.PATCH, "\(services)/a", single, headers: Self.merge)
                #expect(try Self.spec(answer)["clusterIPs"] == ["192.0.2.9"], "\(answer.body)")
                #expect(try Self.spec(answer)["ipFamilies"] == ["IPv4"])
                #expect(try await client.ask(.POST, services, service("b", other)).status == 201)
                let back = #"{"spec":{"ipFamilyPolicy":"PreferDualStack"}}"#
                let again = try await client.ask(.PATCH, "\(services)/a", back, headers: Self.merge)
                #expect(try Self.spec(again)["clusterIPs"]?.array?.count == 2, "\(again.body)")
                #expect(try Self.spec(again)["clusterIPs"]?.array?.last != "2001:db8::9")
            }
        }
    }

    @Test("a local load balancer gets a port for health checks, keeps it, and gives it back with the policy")
    func healthPort() async throws {
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                let spec =
                    #"{"type":"LoadBalancer","externalTrafficPolicy":"Local","allocateLoadBalancerNodePorts":false,"ports":[{"port":80}]}"#
                let made = try Self.spec(try await client.ask(.POST, services, service("a", spec)))
                let number = try #require(made["healthCheckNodePort"]?.integer)
                #expect(made["ports"]?.array?.first?["nodePort"] == nil, "it was told to allocate none")
                #expect(number >= 30086)
                let other = #"{"spec":{"healthCheckNodePort":\#(number == 32000 ? 32001 : 32000)}}"#
                let refused = try await client.ask(.PATCH, "\(services)/a", other, headers: Self.merge)
                #expect(refused["message"]?.contains("cannot change healthCheckNodePort") == true, "\(refused.body)")
                let kept = try Self.spec(try await client.ask(.PUT, "\(services)/a", service("a", spec)))
                #expect(kept["healthCheckNodePort"]?.integer == number)
                let cluster = #"{"spec":{"externalTrafficPolicy":"Cluster"}}"#
                let gone = try await client.ask(.PATCH, "\(services)/a", cluster, headers: Self.merge)
                #expect(try Self.spec(gone)["healthCheckNodePort"] == nil, "\(gone.body)")
                let taker = #"{"type":"NodePort","ports":[{"port":80,"nodePort":\#(number)}]}"#
                #expect(try await client.ask(.POST, services, service("b", taker)).status == 201)
            }
        }
    }

    @Test("a headless service has no address, with and without a selector")
    func headless() async throws {
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                let selecting = #"{"clusterIP":"None","selector":{"a":"b"}}"#
                let spec = try Self.spec(try await client.ask(.POST, services, service("a", selecting)))
                #expect(spec["clusterIPs"] == ["None"] && spec["ipFamilies"] == ["IPv4"])
                let bare = try Self.spec(try await client.ask(.POST, services, service("b", #"{"clusterIP":"None"}"#)))
                #expect(bare["ipFamilyPolicy"] == "RequireDualStack" && bare["ipFamilies"] == ["IPv4", "IPv6"])
            }
        }
    }

    @Test("many writers at once never get the same address or port, and a full range answers 500 and stores nothing")
    func crowd() async throws {
        let ranges = ServiceRanges(clusterIPs: [try #require(IPPrefix("192.0.2.0/26"))], nodePorts: 30000...30063)
        try await withServer(services: ranges) { port, _ in
            let statuses = try await withThrowingTaskGroup(of: [Int].self) { group in
                for writer in 0..<8 {
                    group.addTask {
                        try await Client.with(port: port) { client in
                            var statuses: [Int] = []
                            for number in 0..<9 {
                                let spec = #"{"type":"NodePort","ports":[{"port":80}]}"#
                                let answer = try await client.ask(.POST, services, service("s\(writer)-\(number)", spec))
                                statuses.append(answer.status)
                            }
                            return statuses
                        }
                    }
                }
                return try await group.reduce([], +)
            }
            // 64 addresses less the network's own and broadcast.
            #expect(statuses.count { $0 == 201 } == 62 && statuses.count { $0 == 500 } == 10)
            try await Client.with(port: port) { client in
                let list = try await client.ask(.GET, services)
                let items = try #require(try JSONReader().value(list.body)["items"]?.array)
                #expect(items.count == 62)
                #expect(Set(items.compactMap { $0.at("spec", "clusterIP") }).count == 62)
                #expect(Set(items.compactMap { $0.at("spec", "ports")?.array?.first?["nodePort"] }).count == 62)
                let full = try await client.ask(.POST, services, service("more", #"{"ports":[{"port":80}]}"#))
                #expect(full["message"]?.contains("failed to allocate a serviceIP: range is full") == true)
            }
        }
    }
}
