import Addressing
import KubeAPI
import NFTables
import Netlink
import Testing

@testable import Cluster
@testable import Plan

@Suite(
    "services with the kernel: several ports, time, and change under load", .tags(.kernel), .enabled(if: kernelIsThere),
    .timeLimit(.minutes(5)))
struct ServiceChangeKernelTests {
    let stage: ServiceStage

    init() throws {
        stage = try ServiceStage()
        try stage.answer("a", "b", "c")
    }

    @Test("several ports of a service lead to ports of their own, and one number is another port in TCP and in UDP")
    func ports() throws {
        try stage.answer("b", port: 9090)
        for family in IPFamily.allCases {
            func port(_ name: String, _ transport: TransportProtocol, _ number: UInt16, _ pod: String, _ target: UInt16) throws
                -> ServicePort
            {
                var port = ServicePort.web(
                    "web", transport, number, to: [try ServiceStage.endpoint(pod, family, target)])
                port.id.port = name
                return port
            }
            try stage.serve(
                port("http", .tcp, 80, "b", 8080), port("metrics", .tcp, 9000, "c", 8080), port("dns", .udp, 80, "b", 9090),
                port("syslog", .udp, 514, "c", 8080))
            let address = Kind(transport: .tcp, family: family).clusterIP
            #expect(try stage.ask("a", .tcp, address, 80).name == "b")
            #expect(try stage.ask("a", .tcp, address, 9000).name == "c")
            #expect(try stage.ask("a", .udp, address, 80).name == "b")
            #expect(try stage.ask("a", .udp, address, 514).name == "c")
            #expect(try stage.ask("a", .tcp, address, 514) == .refused)
            #expect(try stage.ask("a", .udp, address, 9000) == .refused)
        }
    }

    // The kernel looks up how many there are and then the chosen one, and a commit may come in between: such a packet went on to the
    // service's own address, where nobody is. Here the commit has just that part of a change.
    @Test(
        "a packet whose endpoint goes between two look-ups reaches another one, and is refused when there is none",
        arguments: Kind.all)
    func betweenLookups(_ kind: Kind) throws {
        for affinity in [nil, Duration.seconds(60)] {
            try stage.serve(try kind.web("b", "c") { ($0.affinity, $0.nodePort) = (affinity, 30080) })
            let fronts = [(kind.clusterIP, 80 as UInt16), (try kind.address("node"), 30080)]
            func takeAway(_ isGone: (Value, NamedSet.Content) -> Bool) throws {
                let table = try #require(try stage.observed(kind.family))
                for name in affinity == nil ? ["endpoints", "node-endpoints"] : ["choices", "node-choices"] {
                    let set = try #require(table.sets[name])
                    let elements = set.elements.filter { isGone($0.key, $0.value) }.map {
                        NFTables.Change.Element($0.key, $0.value)
                    }
                    if !elements.isEmpty { try stage.commit([.deleteElements(table.id, set.shape, elements)]) }
                }
            }
            // Places are the last four bytes of a key, in the host's order.
            try takeAway { key, _ in key.bytes.suffix(4).first == 1 }
            for (address, port) in fronts {
                for _ in 0..<12 { #expect(try stage.ask("a", kind.transport, address, port).name != nil) }
            }
            try takeAway { _, _ in true }
            // Another client: nobody is kept for it.
            for (address, port) in fronts { #expect(try stage.ask("b", kind.transport, address, port) == .refused) }
        }
    }

    @Test("affinity ends when a client stays away for longer than its timeout", arguments: IPFamily.allCases)
    func affinityTimeout(_ family: IPFamily) throws {
        let kind = Kind(transport: .tcp, family: family)
        try stage.serve(try kind.web("a", "b", "c") { $0.affinity = .seconds(1) })
        func remembered() throws -> Bool {
            try nft(["list", "map", family == .v4 ? "ip" : "ip6", "tulle-services", "affinity"], in: stage.node)
                .contains("expires")
        }
        let first = try stage.ask("client", .tcp, kind.clusterIP, 80).name
        // Chance gives the same one again now and then, never thirty times.
        var names: Set<String?> = [first]
        for _ in 0..<30 where names.count < 2 {
            while try remembered() {}
            names.insert(try stage.ask("client", .tcp, kind.clusterIP, 80).name)
        }
        #expect(names.count == 2, "always \(first ?? "nobody")")
    }

    @Test(
        "internal policy Local goes to an endpoint of this node that ends and still serves, when it is the last one here",
        arguments: Kind.all)
    func internalTerminating(_ kind: Kind) throws {
        var port = try kind.web("b", "c") { $0.internalTrafficPolicy = .local }
        port.endpoints[0].end()
        try stage.serve(port)
        for _ in 0..<8 { #expect(try stage.ask("a", kind.transport, kind.clusterIP, 80).name == "b") }
    }

    @Test("a balancer without node ports answers at its address, and at no port of the node", arguments: Kind.all)
    func noNodePort(_ kind: Kind) throws {
        try stage.serve(try kind.web("c") { ($0.loadBalancerIPs, $0.nodePort) = ([kind.externalIP], nil) })
        #expect(try stage.ask("client", kind.transport, kind.externalIP, 80).name == "c")
        for port: UInt16 in [80, 30080] {
            #expect(try stage.ask("client", kind.transport, try kind.address("node"), port) == .refused)
        }
    }

    @Test(
        "while pods are replaced one by one, and while all is switched from one to another, no new connection fails",
        arguments: IPFamily.allCases)
    func rolling(_ family: IPFamily) throws {
        let kind = Kind(transport: .tcp, family: family)
        try stage.serve(try kind.web("b"))
        let asker = try Asker(in: try #require(stage.places["a"]), SocketAddress(kind.clusterIP, 80))
        defer { asker.stop() }
        let next = ["b": "c", "c": "b"]
        var current = "b"
        for round in 0..<24 {
            guard let other = next[current] else { break }
            if round.isMultiple(of: 2) {
                // Rolling: the new one comes, the old one ends and still answers, the old one is gone.
                try stage.end(stage.change(try kind.web(current, other)))
                asker.wait(for: 5)
                var port = try kind.web(current, other)
                port.endpoints[0].end()
                try stage.end(stage.change(port))
                asker.wait(for: 5)
            }
            // Blue and green: all at once.
            try stage.end(stage.change(try kind.web(other)))
            asker.wait(for: 10)
            current = other
        }
        let outcomes = asker.stop()
        let failures = outcomes.filter { $0.key.name == nil }
        #expect(failures.isEmpty, "\(failures)")
        #expect(outcomes.keys.compactMap(\.name).sorted() == ["b", "c"] && outcomes.values.reduce(0, +) > 200)
    }
}
