import Addressing
import KubeAPI
import NFTables
import Testing

@testable import Cluster
@testable import Plan

/// Services come, go and change by chance; after every change the table is held against what a plain reading of the rules says.
@Suite("histories of services") struct ServiceHistoryTests {
    @Test("element by element or all at once, it comes to the same, and to what the rules say", arguments: Seed.fresh(4))
    func histories(seed: Seed) throws {
        var seed = seed
        for family in IPFamily.allCases {
            var kernel = MemoryTables()
            var table = ServiceTable([], family)
            try kernel.settle(table.id, to: table.table)
            var services: [ServiceIndex.Name: [ServicePort]] = [:]
            for step in 0..<25 {
                var changed: [ServiceIndex.Name: [ServicePort]] = [:]
                for _ in 0...seed.number(below: 3) {
                    let name = "s\(seed.number(below: 6))"
                    let ports = seed.chance(1, in: 5) ? [] : Self.ports(of: name, &seed)
                    changed[ServiceIndex.Name(namespace: "shop", name: name)] = ports
                }
                services.merge(changed) { $1 }
                try kernel.apply(table.set(changed).changes)
                let observed = try #require(try kernel.observe(table.id))
                #expect(observed.table == table.table)
                Self.check(observed.table, services, family)

                let fresh = ServiceTable(.n1, family, services)
                if step % 8 == 0 { Self.check(fresh.table, services, family) }
                #expect(fresh.problems == table.problems)
                var empty = MemoryTables()
                try empty.apply(fresh.creation)
                #expect(try empty.observe(fresh.id)?.table == fresh.table, "made anew it is the same")
                // One that starts finds nothing to do but chains that nobody needs any more.
                let adopted = ServiceTable(.n1, family, services, after: observed.table)
                for change in difference(from: observed, to: adopted.table) {
                    switch change {
                    case .deleteChain, .flushChain: break
                    case .deleteElements(_, let shape, _) where shape.data == .verdict: break
                    default: Issue.record("\(change)")
                    }
                }
            }
        }
    }

    private static let nodes = ["n1", "n1", "n2", "n3", ""]

    private static func ports(of name: String, _ seed: inout Seed) -> [ServicePort] {
        let number = UInt8(name.dropFirst()) ?? 0
        return (0...seed.number(below: 2)).map { index in
            var port = ServicePort.web(name, at: ["10.96.0.\(number)", "fd00:10:96::\(number)"], index == 0 ? 80 : 443)
            port.id.port = "p\(index)"
            port.transport = [.tcp, .udp, .sctp][seed.number(below: 3)]
            if seed.chance(1, in: 4) { port.clusterIPs.removeLast() }
            if seed.chance(1, in: 3) { port.externalIPs = some(["203.0.113.1", "203.0.113.2", "2001:db8:5::1"], &seed) }
            if seed.chance(1, in: 3) { port.loadBalancerIPs = some(["203.0.113.2", "203.0.113.9", "2001:db8:5::9"], &seed) }
            if seed.chance(1, in: 3) {
                port.sourceRanges = ["198.51.100.0/24", "198.51.100.128/25", "2001:db8:7::/64"].compactMap(IPPrefix.init).filter {
                    _ in seed.chance(1, in: 2)
                }
            }
            if seed.chance(1, in: 2) { port.nodePort = 30000 + UInt16(seed.number(below: 4)) }
            if seed.chance(1, in: 3) { port.affinity = .seconds([10, 10800][seed.number(below: 2)]) }
            if seed.chance(1, in: 3) { port.internalTrafficPolicy = .local }
            if seed.chance(1, in: 2) { port.externalTrafficPolicy = .local }
            port.endpoints = ["10.244.1.", "fd00:10:244:1::"].flatMap { prefix in
                (1...9).filter { _ in seed.chance(1, in: 2) }.compactMap { IPAddress("\(prefix)\($0)") }
            }.map { address in
                let state = seed.number(below: 4)
                return ServicePort.Endpoint(
                    address: address, port: 8080, isReady: state < 2, isServing: state < 3, isTerminating: state == 2,
                    node: nodes[seed.number(below: nodes.count)], zoneHints: seed.chance(1, in: 2) ? ["zone-a"] : [],
                    nodeHints: [])
            }.sorted()
            return port
        }
    }

    private static func some(_ addresses: [String], _ seed: inout Seed) -> [IPAddress] {
        addresses.compactMap(IPAddress.init).filter { _ in seed.chance(1, in: 2) }
    }

    /// Every front that could be, asked by every kind of client; and nothing in the maps beside.
    /// The rules are asked once per front and client, because they are slow.
    private static func check(_ table: Table, _ services: [ServiceIndex.Name: [ServicePort]], _ family: IPFamily) {
        let rules = PlainRules(services, family)
        let sources = ["198.51.100.5", "198.51.100.200", "203.0.113.77", "2001:db8:7::1", "2001:db8:8::1"].compactMap(
            IPAddress.init)
        for front in rules.everyFront {
            for source in sources where source.family == family {
                for inside in [true, false] {
                    let (is_, should) = (
                        table.answer(front.transport, front.address, front.port, from: source, inside: inside),
                        rules.answer(front, from: source, inside: inside)
                    )
                    #expect(is_ == should, "\(front) from \(source) inside \(inside)")
                }
            }
        }
        #expect(table.sets["services"]?.elements.count == rules.owned.keys.count { $0.address != nil })
        #expect(table.sets["node-ports"]?.elements.count == rules.owned.keys.count { $0.address == nil })
        let places = ["endpoints", "local-endpoints", "node-endpoints", "node-local-endpoints"].map {
            table.sets[$0]?.elements.count ?? 0
        }
        #expect(places.reduce(0, +) == rules.placeCount)
        let choices = ["choices", "local-choices", "node-choices", "node-local-choices"].map {
            table.sets[$0]?.elements.count ?? 0
        }
        #expect(choices.reduce(0, +) == rules.keptCount)
    }
}
