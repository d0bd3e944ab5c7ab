import Addressing
import KubeAPI
import Testing

@testable import Cluster
@testable import Plan

@Suite("what services under policy Local come to on a node") struct LocalServicesTests {
    /// A balanced service under policy Local with these endpoints, written as `address@node`, with `!` behind when it ends.
    private func web(_ endpoints: String, ports: Int = 1, _ change: (inout ServicePort) -> Void = { _ in }) throws
        -> [ServicePort]
    {
        try (0..<ports).map { number in
            var port = ServicePort.web("web", .tcp, 80 + UInt16(number)) {
                ($0.externalTrafficPolicy, $0.healthCheckNodePort, $0.nodePort) = (.local, 31000, 30080 + UInt16(number))
            }
            port.id.port = "p\(number)"
            port.endpoints = try endpoints.split(separator: " ").map { word in
                let parts = word.split(separator: "@").map(String.init)
                return try .at(parts[0], on: parts[1].filter { $0 != "!" }) { if word.hasSuffix("!") { $0.end() } }
            }
            change(&port)
            return port
        }
    }

    private let name = ServiceIndex.Name(namespace: "shop", name: "web")

    private func local(_ ports: [ServicePort]) -> LocalServices {
        var local = LocalServices()
        local.set([name: ports], node: "n1")
        return local
    }

    @Test(
        "a balancer is told how many ready endpoints are here, each address once, by family",
        arguments: [
            ("", 1, [.v4: 0, .v6: 0]),
            ("10.244.1.2@n1 10.244.1.3@n1 10.244.2.2@n2", 1, [.v4: 2, .v6: 0]),
            ("10.244.1.2@n1 fd00:10:244:1::2@n1 fd00:10:244:1::3@n1", 1, [.v4: 1, .v6: 2]),
            // Two ports of one pod are one endpoint.
            ("10.244.1.2@n1", 2, [.v4: 1, .v6: 0]),
            // What ends gets nothing new from outside.
            ("10.244.1.2@n1! 10.244.1.3@n1", 1, [.v4: 1, .v6: 0]),
        ] as [(String, Int, [IPFamily: Int])])
    func checks(_ endpoints: String, _ ports: Int, _ counts: [IPFamily: Int]) throws {
        let checks = local(try web(endpoints, ports: ports)).healthChecks
        #expect(checks == [.init(service: name, port: 31000, endpoints: counts)])
    }

    @Test("a family that the service does not have is not answered for, nor a service without the port")
    func none() throws {
        let single = try web("10.244.1.2@n1") { $0.clusterIPs.removeLast() }
        #expect(local(single).healthChecks.map(\.endpoints) == [[.v4: 1]])
        #expect(local(try web("10.244.1.2@n1") { $0.healthCheckNodePort = nil }).healthChecks == [])
        #expect(local(try web("") { $0.externalTrafficPolicy = .cluster }).healthChecks == [])
    }

    @Test("what is served elsewhere and not here is counted, by family and policy")
    func deserted() throws {
        #expect(local(try web("10.244.2.2@n2")).deserted == [.v4: .init(inside: 0, outside: 1)])
        #expect(
            local(try web("10.244.2.2@n2") { $0.internalTrafficPolicy = .local }).deserted == [.v4: .init(inside: 1, outside: 1)])
        // What one family has here is nothing to the other.
        #expect(
            local(try web("10.244.2.2@n2 fd00:10:244:1::2@n1 fd00:10:244:2::2@n2")).deserted
                == [.v4: .init(inside: 0, outside: 1)])
        // One that ends is here all the same; where nobody serves at all it is no question of policy.
        for endpoints in ["10.244.1.2@n1", "10.244.1.2@n1! 10.244.2.2@n2", ""] {
            #expect(local(try web(endpoints)).deserted == [:], "\(endpoints)")
        }
    }

    @Test("service by service or all at once, it comes to the same")
    func changes() throws {
        let other = ServiceIndex.Name(namespace: "shop", name: "api")
        var local = local(try web("10.244.2.2@n2"))
        local.set([other: try web("10.244.1.2@n1") { $0.healthCheckNodePort = 31001 }], node: "n1")
        #expect(local.healthChecks.map(\.port) == [31001, 31000])
        var whole = LocalServices()
        whole.replace(
            with: [name: try web("10.244.2.2@n2"), other: try web("10.244.1.2@n1") { $0.healthCheckNodePort = 31001 }], node: "n1"
        )
        #expect(local.healthChecks == whole.healthChecks && local.deserted == whole.deserted)
        // What is the same for this node is no news.
        let revision = local.revision
        local.set([name: try web("10.244.2.3@n2 10.244.2.4@n2")], node: "n1")
        local.replace(
            with: [name: try web("10.244.2.2@n2"), other: try web("10.244.1.2@n1") { $0.healthCheckNodePort = 31001 }], node: "n1"
        )
        #expect(local.revision == revision)
        local.set([name: try web("10.244.1.3@n1")], node: "n1")
        #expect(local.revision != revision && local.deserted == [:])
        local.replace(with: [:], node: "n1")
        #expect(local.healthChecks == [] && local.deserted == [:])
    }
}
