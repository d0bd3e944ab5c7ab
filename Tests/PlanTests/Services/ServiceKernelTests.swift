import Addressing
import KubeAPI
import NFTables
import NFTablesKernel
import Netlink
import Testing

@testable import Cluster
@testable import Plan

/// A protocol and a family: what holds for one holds for each.
struct Kind: Sendable, CustomTestStringConvertible {
    var transport: TransportProtocol
    var family: IPFamily
    var testDescription: String { "\(transport.rawValue) over \(family.name)" }

    static let all = [TransportProtocol.tcp, .udp].flatMap { transport in
        IPFamily.allCases.map { Kind(transport: transport, family: $0) }
    }

    var clusterIP: IPAddress {
        family == .v4 ? .v4(IPv4Address(10, 96, 0, 10)) : .v6(IPv6Address(rawValue: 0xFD00_0010_0096 << 80 | 0x10))
    }
    var externalIP: IPAddress {
        family == .v4 ? .v4(IPv4Address(203, 0, 113, 5)) : .v6(IPv6Address(rawValue: 0x2001_0DB8_0005 << 80 | 5))
    }

    func address(_ name: String) throws -> IPAddress { try ServiceStage.address(name, family) }

    /// Service shop/web on port 80 with these pods behind.
    func web(_ pods: String..., change: (inout ServicePort) throws -> Void = { _ in }) throws -> ServicePort {
        var port = ServicePort.web("web", transport, to: try pods.map { try ServiceStage.endpoint($0, family) })
        try change(&port)
        return port
    }

    /// Another one, always served by b and c: who asks it can tell that an answer would have come.
    func witness() throws -> ServicePort {
        .web(
            "witness", transport, at: ["10.96.0.32", "fd00:10:96::20"],
            to: try ["b", "c"].map { try ServiceStage.endpoint($0, family) })
    }

    var witnessAddress: SocketAddress {
        SocketAddress(clusterIP.advanced(by: family == .v4 ? 22 : 16), 80)
    }
}

@Suite("services with the kernel: what happens to a packet", .tags(.kernel), .enabled(if: kernelIsThere))
struct ServiceKernelTests {
    let stage: ServiceStage

    init() throws {
        stage = try ServiceStage()
        try stage.answer("a", "b", "c")
    }

    @Test("a pod that asks a cluster IP reaches an endpoint, here or there, and keeps its address", arguments: Kind.all)
    func clusterIP(_ kind: Kind) throws {
        for endpoint in ["b", "c"] {
            try stage.serve(try kind.web(endpoint))
            let outcome = try stage.ask("a", kind.transport, kind.clusterIP, 80)
            #expect(outcome == .answered(endpoint, sees: try kind.address("a").description), "\(outcome)")
            // The node itself too; its address is the one of the link it goes out by.
            #expect(try stage.ask("node", kind.transport, kind.clusterIP, 80).name == endpoint)
        }
    }

    @Test("who is no pod of this node gets its answer back by this node", arguments: Kind.all)
    func fromOutside(_ kind: Kind) throws {
        try stage.serve(try kind.web("c"))
        let outcome = try stage.ask("client", kind.transport, kind.clusterIP, 80)
        #expect(outcome == .answered("c", sees: kind.family == .v4 ? "198.51.100.1" : "2001:db8:f::1"))
    }

    @Test("a pod that asks itself gets an answer", arguments: Kind.all)
    func hairpin(_ kind: Kind) throws {
        try stage.serve(try kind.web("a"))
        let outcome = try stage.ask("a", kind.transport, kind.clusterIP, 80)
        #expect(outcome.name == "a" && outcome != .answered("a", sees: try kind.address("a").description))
        #expect(try stage.ask("b", kind.transport, kind.clusterIP, 80) == .answered("a", sees: try kind.address("b").description))
    }

    @Test("a node port answers at every address of the node, from outside by the node's address", arguments: Kind.all)
    func nodePort(_ kind: Kind) throws {
        try stage.serve(try kind.web("c") { $0.nodePort = 30080 })
        let masked = kind.family == .v4 ? "198.51.100.1" : "2001:db8:f::1"
        #expect(try stage.ask("client", kind.transport, try kind.address("node"), 30080) == .answered("c", sees: masked))
        #expect(try stage.ask("client", kind.transport, try ip(masked), 30080) == .answered("c", sees: masked))
        // A pod keeps its own.
        #expect(
            try stage.ask("a", kind.transport, try kind.address("node"), 30080)
                == .answered("c", sees: try kind.address("a").description))
        #expect(try stage.ask("node", kind.transport, try kind.address("node"), 30080).name == "c")
    }

    @Test("node ports answer at chosen addresses alone", arguments: Kind.all)
    func chosenAddresses(_ kind: Kind) throws {
        stage.facts.nodePortAddresses = try [net("192.0.2.0/24"), net("2001:db8::/64")]
        try stage.serve(try kind.web("b") { $0.nodePort = 30080 })
        let outcome = try stage.ask("client", kind.transport, try kind.address("node"), 30080)
        #expect(outcome.name == "b", "\(outcome)")
        #expect(
            try stage.ask("client", kind.transport, try ip(kind.family == .v4 ? "198.51.100.1" : "2001:db8:f::1"), 30080)
                == .refused)
    }

    @Test("external addresses and load balancers' answer like node ports", arguments: Kind.all)
    func external(_ kind: Kind) throws {
        for change: (inout ServicePort) -> Void in [
            { $0.externalIPs = [kind.externalIP] }, { $0.loadBalancerIPs = [kind.externalIP] },
        ] {
            try stage.serve(try kind.web("c", change: change))
            let masked = kind.family == .v4 ? "198.51.100.1" : "2001:db8:f::1"
            #expect(try stage.ask("client", kind.transport, kind.externalIP, 80) == .answered("c", sees: masked))
            #expect(
                try stage.ask("a", kind.transport, kind.externalIP, 80) == .answered("c", sees: try kind.address("a").description)
            )
        }
    }

    @Test("a service without endpoints refuses, it does not hang; nor does a port that it does not have", arguments: Kind.all)
    func refusing(_ kind: Kind) throws {
        try stage.serve(try kind.web { ($0.nodePort, $0.externalIPs) = (30080, [kind.externalIP]) })
        for place in ["a", "client", "node"] {
            #expect(try stage.ask(place, kind.transport, kind.clusterIP, 80) == .refused, "\(place)")
            #expect(try stage.ask(place, kind.transport, kind.clusterIP, 81) == .refused, "\(place)")
            #expect(try stage.ask(place, kind.transport, kind.externalIP, 80) == .refused, "\(place)")
            #expect(try stage.ask(place, kind.transport, try kind.address("node"), 30080) == .refused, "\(place)")
        }
    }

    @Test("an address of the service range that nobody has leads nowhere", arguments: Kind.all)
    func nobody(_ kind: Kind) throws {
        try stage.serve(try kind.witness())
        let free = kind.clusterIP.advanced(by: 1)
        #expect(try stage.isSilent("a", kind.transport, free, 80, witness: kind.witnessAddress))
        #expect(try stage.isSilent("client", kind.transport, free, 80, witness: kind.witnessAddress))
    }

    @Test(
        "policy Local keeps the source of who comes from outside, and goes to endpoints of this node alone", arguments: Kind.all)
    func externalLocal(_ kind: Kind) throws {
        var port = try kind.web("b", "c") {
            ($0.externalTrafficPolicy, $0.nodePort, $0.loadBalancerIPs) = (.local, 30080, [kind.externalIP])
        }
        try stage.serve(port, try kind.witness())
        let client = try kind.address("client").description
        for _ in 0..<8 {
            #expect(try stage.ask("client", kind.transport, kind.externalIP, 80) == .answered("b", sees: client))
            #expect(try stage.ask("client", kind.transport, try kind.address("node"), 30080) == .answered("b", sees: client))
        }
        // Without one here, outside clients are to try another node; clients of this node reach all.
        port.endpoints.removeFirst()
        try stage.change(port)
        #expect(try stage.isSilent("client", kind.transport, kind.externalIP, 80, witness: kind.witnessAddress))
        #expect(try stage.isSilent("client", kind.transport, try kind.address("node"), 30080, witness: kind.witnessAddress))
        #expect(
            try stage.ask("a", kind.transport, kind.externalIP, 80) == .answered("c", sees: try kind.address("a").description))
        #expect(try stage.ask("node", kind.transport, kind.externalIP, 80).name == "c")
        #expect(try stage.ask("a", kind.transport, try kind.address("node"), 30080).name == "c")
        // Without any, everybody is told.
        port.endpoints = []
        try stage.change(port)
        for place in ["a", "client", "node"] { #expect(try stage.ask(place, kind.transport, kind.externalIP, 80) == .refused) }
    }

    @Test("internal policy Local goes to endpoints of this node, and drops when there is one elsewhere", arguments: Kind.all)
    func internalLocal(_ kind: Kind) throws {
        var port = try kind.web("b", "c") { $0.internalTrafficPolicy = .local }
        try stage.serve(port, try kind.witness())
        for _ in 0..<8 {
            for place in ["a", "node"] {
                #expect(try stage.ask(place, kind.transport, kind.clusterIP, 80).name == "b", "\(place)")
            }
        }
        port.endpoints.removeFirst()
        try stage.change(port)
        #expect(try stage.isSilent("a", kind.transport, kind.clusterIP, 80, witness: kind.witnessAddress))
        port.endpoints = []
        try stage.change(port)
        for place in ["a", "node"] { #expect(try stage.ask(place, kind.transport, kind.clusterIP, 80) == .refused, "\(place)") }
    }

    @Test("an endpoint that ends and still serves is asked when nothing else is left", arguments: Kind.all)
    func terminating(_ kind: Kind) throws {
        var port = try kind.web("b", "c") { ($0.externalTrafficPolicy, $0.nodePort) = (.local, 30080) }
        port.endpoints[0].end()
        try stage.serve(port)
        for _ in 0..<8 {
            let outcome = try stage.ask("a", kind.transport, kind.clusterIP, 80)
            #expect(outcome.name == "c", "\(outcome)")
        }
        // Here it is the last one: policy Local asks it all the same.
        #expect(try stage.ask("client", kind.transport, try kind.address("node"), 30080).name == "b")
        port.endpoints[1].end()
        try stage.change(port)
        var names: Set<String?> = []
        for _ in 0..<64 where names.count < 2 { names.insert(try stage.ask("a", kind.transport, kind.clusterIP, 80).name) }
        #expect(names == ["b", "c"])
        // Under policy Cluster those of other nodes are asked from outside too.
        port.externalTrafficPolicy = .cluster
        try stage.change(port)
        names = []
        let node = try kind.address("node")
        for _ in 0..<64 where names.count < 2 { names.insert(try stage.ask("client", kind.transport, node, 30080).name) }
        #expect(names == ["b", "c"])
        // One that is ready again is the only one.
        port.endpoints[1] = try ServiceStage.endpoint("c", kind.family)
        try stage.change(port)
        for _ in 0..<8 { #expect(try stage.ask("client", kind.transport, node, 30080).name == "c") }
    }

    @Test("loadBalancerSourceRanges keep others from the balancer's address, and from nowhere else", arguments: Kind.all)
    func sourceRanges(_ kind: Kind) throws {
        let ranges = kind.family == .v4 ? "192.0.2.0/28" : "2001:db8::/124"
        var port = try kind.web("c") {
            ($0.loadBalancerIPs, $0.sourceRanges, $0.nodePort) = ([kind.externalIP], [try net(ranges)], 30080)
        }
        try stage.serve(port, try kind.witness())
        #expect(try stage.ask("client", kind.transport, kind.externalIP, 80).name == "c")
        #expect(try stage.isSilent("a", kind.transport, kind.externalIP, 80, witness: kind.witnessAddress))
        port.sourceRanges = [try net(kind.family == .v4 ? "10.244.1.2/32" : "fd00:10:244:1::2/128")]
        try stage.change(port)
        #expect(try stage.isSilent("client", kind.transport, kind.externalIP, 80, witness: kind.witnessAddress))
        #expect(try stage.ask("a", kind.transport, kind.externalIP, 80).name == "c")
        #expect(try stage.ask("client", kind.transport, try kind.address("node"), 30080).name == "c")
        #expect(try stage.ask("client", kind.transport, kind.clusterIP, 80).name == "c")
    }

    @Test(
        "a client with affinity keeps its endpoint while others come and go, and gets another when it is gone",
        arguments: Kind.all)
    func affinity(_ kind: Kind) throws {
        var port = try kind.web("a", "b", "c") { ($0.affinity, $0.nodePort) = (.seconds(10800), 30080) }
        try stage.serve(port)
        for (place, target, number) in [
            ("a", kind.clusterIP, 80 as UInt16), ("client", kind.clusterIP, 80), ("client", try kind.address("node"), 30080),
        ] {
            port.endpoints = try ["a", "b", "c"].map { try ServiceStage.endpoint($0, kind.family) }
            try stage.change(port)
            func ask() throws -> String {
                let outcome = try stage.ask(place, kind.transport, target, number)
                return outcome.name ?? "\(outcome)"
            }
            let first = try ask()
            for _ in 0..<12 { #expect(try ask() == first) }
            // Others go, and come back: places move, and the client stays where it was.
            let all = port.endpoints
            for other in all where try ServiceStage.endpoint(first, kind.family).address != other.address {
                port.endpoints = all.filter { $0 != other }
                try stage.change(port)
                #expect(try ask() == first)
                port.endpoints = all
                try stage.change(port)
                #expect(try ask() == first)
            }
            port.endpoints = try all.filter { $0.address != (try ServiceStage.endpoint(first, kind.family)).address }
            try stage.change(port)
            let second = try ask()
            #expect(second != first)
            port.endpoints = all
            try stage.change(port)
            for _ in 0..<12 {
                let answer = try ask()
                #expect(answer == second)
            }
        }
        // Switched off, all are asked again; and the mark that carried the choice is not seen by anybody.
        port.affinity = nil
        try stage.change(port)
        var names: Set<String?> = []
        for _ in 0..<128 where names.count < 3 { names.insert(try stage.ask("b", kind.transport, kind.clusterIP, 80).name) }
        #expect(names == ["a", "b", "c"])
    }

    @Test("what is deleted is not served, and what becomes another type is served the new way", arguments: Kind.all)
    func transitions(_ kind: Kind) throws {
        var port = try kind.web("b") { $0.nodePort = 30080 }
        try stage.serve(port, try kind.witness())
        #expect(try stage.ask("client", kind.transport, try kind.address("node"), 30080).name == "b")
        port.nodePort = nil
        try stage.change(port)
        #expect(try stage.ask("client", kind.transport, try kind.address("node"), 30080) == .refused)
        port.loadBalancerIPs = [kind.externalIP]
        try stage.change(port)
        #expect(try stage.ask("client", kind.transport, kind.externalIP, 80).name == "b")
        port.number = 8000
        try stage.change(port)
        #expect(try stage.ask("a", kind.transport, kind.clusterIP, 80) == .refused)
        #expect(try stage.ask("a", kind.transport, kind.clusterIP, 8000).name == "b")
        try stage.remove("web")
        #expect(try stage.isSilent("a", kind.transport, kind.clusterIP, 8000, witness: kind.witnessAddress))
    }

    @Test(
        "a UDP client that keeps its socket is answered by another pod when its own is gone, at every way in",
        arguments: IPFamily.allCases)
    func staleFlows(_ family: IPFamily) throws {
        let kind = Kind(transport: .udp, family: family)
        let masked = try kind.address("node")
        for (place, target, number) in [
            ("a", kind.clusterIP, 80 as UInt16), ("client", masked, 30080), ("node", kind.clusterIP, 80),
        ] {
            var port = try kind.web("b") { $0.nodePort = 30080 }
            try stage.serve(port)
            let client = try stage.client(place, .udp, family)
            #expect(client.ask(SocketAddress(target, number)).name == "b")
            // Replaced.
            port.endpoints = [try ServiceStage.endpoint("c", family)]
            let flows = try stage.change(port)
            #expect(client.askAgain().name == "b", "without ending it the client would stay where it was")
            try stage.end(flows)
            #expect(client.askAgain().name == "c")
            // None in between.
            port.endpoints = []
            try stage.end(stage.change(port))
            #expect(client.askAgain() == .refused)
            client.forget()
            port.endpoints = [try ServiceStage.endpoint("b", family)]
            try stage.end(stage.change(port))
            #expect(client.askAgain().name == "b")
            // Deleted, and there again.
            try stage.end(stage.remove("web"))
            client.forget()
            port.endpoints = [try ServiceStage.endpoint("c", family)]
            try stage.end(stage.change(port))
            #expect(client.askAgain().name == "c")
        }
    }

    @Test("what a client sent before there was a service does not keep it from the service", arguments: IPFamily.allCases)
    func early(_ family: IPFamily) throws {
        let kind = Kind(transport: .udp, family: family)
        try stage.serve(try kind.witness())
        let client = try stage.client("a", .udp, family)
        // Outside the service range: it goes its way.
        client.begin(SocketAddress(kind.externalIP, 80))
        _ = try stage.ask("a", .udp, kind.witnessAddress.address, 80)
        let flows = try stage.change(try kind.web("b") { $0.externalIPs = [kind.externalIP] })
        try stage.end(flows)
        #expect(client.askAgain().name == "b")
    }

    @Test("the kernel has what was planned, element by element, and people can list it with nft", arguments: IPFamily.allCases)
    func listed(_ family: IPFamily) throws {
        let kind = Kind(transport: .tcp, family: family)
        var port = try kind.web("a", "b", "c") {
            ($0.affinity, $0.nodePort, $0.externalTrafficPolicy) = (.seconds(10800), 30080, .local)
            ($0.loadBalancerIPs, $0.sourceRanges) = ([kind.externalIP], [try net("192.0.2.0/24"), try net("2001:db8::/64")])
        }
        stage.facts.nodePortAddresses = try [net("127.0.0.0/8"), net("192.0.2.0/24"), net("2001:db8::/64")]
        try stage.serve(port, try kind.witness())
        port.endpoints.removeFirst()
        try stage.change(port)
        #expect(try stage.observed(family) == stage.services[family]?.table)
        let listed = try nft(["list", "table", family == .v4 ? "ip" : "ip6", "tulle-services"], in: stage.node)
        #expect(listed.contains("dnat") && listed.contains("chain lb-2-10800"), "\(listed)")
    }
}
