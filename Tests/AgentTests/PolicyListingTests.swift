import Addressing
import KubeAPI
import NFTables
import NFTablesKernel
import Plan
import Testing

@testable import Agent

@Suite("what the rules of policies have counted, listed") struct PolicyListingTests {
    private func listing() -> PolicyListing {
        func rule(_ verdict: Verdict, _ comment: String) -> NFTables.Rule {
            Rule(.ip, .counter, .decide(verdict), comment: comment)
        }
        let chains = [
            Chain(
                "in-00000005",
                rules: [
                    rule(.goto("in-00000005-refused"), "ingress[0]/no of by night of lock"),
                    rule(.goto("in-00000005-policies"), "ingress[1] of lock"),
                ]),
            Chain(
                "in-00000005-policies",
                rules: [rule(.accept, "ingress[0] of shop/db"), rule(.drop, "refused by shop/db shop/web and 3 more")]),
            Chain("in-00000006", rules: [rule(.goto("in-00000006-refused"), "ingress[0] of base (labels not known)")]),
            Chain("out-closed", rules: [rule(.drop, "refused, as nothing is known")]),
        ]
        let table = Table(.ip, PacketPath.policyTable, chains: chains)
        let counts = Dictionary(
            uniqueKeysWithValues: chains.enumerated().map { number, chain in
                (chain.name, chain.rules.indices.map { Counted(packets: UInt64(number * $0), bytes: 0) as Counted? })
            })
        return PolicyListing(table, counts)
    }

    @Test("in the order in which they are asked, with kind and tier")
    func order() {
        #expect(
            listing().rows.map { "\($0.direction) \($0.kind) \($0.tier) \($0.outcome) \($0.rule)" } == [
                "ingress ClusterNetworkPolicy Admin denied ingress[0]/no of by night of lock",
                "ingress ClusterNetworkPolicy Admin passed ingress[1] of lock",
                "ingress NetworkPolicy  allowed ingress[0] of shop/db",
                "ingress NetworkPolicy  denied refused by shop/db shop/web and 3 more",
                "ingress ClusterNetworkPolicy Baseline denied ingress[0] of base (labels not known)",
                "egress   denied refused, as nothing is known",
            ])
    }

    @Test("of one namespace, and of what has counted")
    func filtered() {
        #expect(listing().filtered(namespace: "shop").rows.map(\.kind) == ["NetworkPolicy", "NetworkPolicy"])
        #expect(listing().filtered(namespace: "sho").rows.isEmpty)
        let counted = listing().filtered(isNonzero: true)
        #expect(counted.rows.map(\.packets) == [1])
        #expect(counted.tree["items"]?.array?.first?["packets"]?.number?.integer == 1)
        #expect(counted.description.contains("\nFAMILY  DIRECTION  KIND"))
    }

    // Rule 10 stood before rule 2.
    @Test("a policy's rules stand in its own order, whatever chains they are in")
    func manyRules() {
        func rule(_ comment: String) -> NFTables.Rule { Rule(.ip, .counter, .decide(.accept), comment: comment) }
        func chain(_ name: String, _ policies: [(String, Range<Int>)]) -> Chain {
            Chain(name, rules: policies.flatMap { policy, rules in rules.reversed().map { rule("ingress[\($0)] of \(policy)") } })
        }
        let chains = [
            chain("in-00000001-policies", [("shop/b", 0..<12), ("shop/a", 0..<3)]),
            // In the tier before them, a policy of which this class has some rules alone.
            chain("in-00000001", [("first", 0..<11), ("second", 0..<2)]), chain("in-00000002", [("second", 0..<11)]),
            Chain("in-00000002-policies", rules: []),
        ]
        let counts = Dictionary(
            uniqueKeysWithValues: chains.map { ($0.name, $0.rules.map { _ in Counted(packets: 0, bytes: 0) as Counted? }) })
        let rows = PolicyListing(Table(.ip, PacketPath.policyTable, chains: chains), counts).rows.map(\.rule)
        let wanted = [("first", 11), ("second", 11), ("shop/a", 3), ("shop/b", 12)].flatMap { policy, count in
            (0..<count).map { "ingress[\($0)] of \(policy)" }
        }
        #expect(rows == wanted)
    }

    @Test("a program is told whose rule it is and which, its ports and its peers")
    func structure() throws {
        func rule(_ comment: String, _ match: Statement...) -> NFTables.Rule {
            Rule(.ip, match + [.counter, .decide(.accept)], comment: comment)
        }
        let (members, ranges) = (
            NamedSet.Shape("pods-1a", key: [.ipv4Address]), NamedSet.Shape("ranges-2b", key: [.ipv4Address], isInterval: true)
        )
        func value(_ last: UInt8) -> Value { Value([192, 0, 2, last]) }
        let range: [Statement] = [
            .match(.transportProtocol, .equal, .transport(.udp)), .match(.destinationPort, .greaterOrEqual, .port(90)),
            .match(.destinationPort, .lessOrEqual, .port(99)),
        ]
        let chains = [
            Chain(
                "in-00000005-tcp-80",
                rules: [rule("ingress[1]/to web of shop/db", .isIn([.sourceAddress], set: "pods-1a"))]),
            Chain(
                "in-00000005-rest",
                rules: [
                    Rule(
                        .ip, range + [.isIn([.sourceAddress], set: "ranges-2b"), .counter, .decide(.accept)],
                        comment: "ingress[1]/to web of shop/db"),
                    rule("ingress[2] of shop/db", .isIn([.destinationAddress, .destinationPort], set: "ports-3c")),
                    rule("ingress[3] of shop/db"),
                    Rule(.ip, .counter, .decide(.drop), comment: "refused by shop/db shop/web and 3 more"),
                ]),
        ]
        var table = Table(.ip, PacketPath.policyTable, chains: chains)
        table.sets["pods-1a"] = NamedSet(members, [value(1): .init(), value(2): .init()])
        table.sets["ranges-2b"] = NamedSet(ranges, [value(8): .init(last: value(15)), value(7): .init()])
        let counts = Dictionary(
            uniqueKeysWithValues: chains.map { ($0.name, $0.rules.map { _ in Counted(packets: 2, bytes: 0) as Counted? }) })
        let items = try #require(PolicyListing(table, counts).tree["items"]?.array)
        let db: JSONValue = ["namespace": "shop", "name": "db"]
        let members1 = try #require(items.first)
        #expect(
            members1["policies"] == [db] && members1["index"] == 1 && members1["name"] == "to web" && members1["packets"] == 4)
        #expect(members1["ports"] == [["protocol": "TCP", "port": 80], ["protocol": "UDP", "port": 90, "endPort": 99]])
        #expect(
            members1["peers"] == [
                ["set": "pods-1a", "addresses": 2], ["set": "ranges-2b", "ranges": ["192.0.2.7", "192.0.2.8-192.0.2.15"]],
            ])
        #expect(items[1]["ports"] == [["set": "ports-3c"]] && items[1]["peers"] == nil && items[1]["index"] == 2)
        #expect(items[2]["index"] == 3 && items[2]["ports"] == nil && items[2]["peers"] == nil)
        #expect(items[3]["policies"] == [db, ["namespace": "shop", "name": "web"]] && items[3]["index"] == nil)
    }

    @Test("where no agent enforces policies that is said, and where nothing is known of one too")
    func enforced() {
        var listing = listing()
        func said() -> (first: String, enforced: JSONValue?) {
            (listing.description.split(separator: "\n").first.map(String.init) ?? "", listing.tree["enforced"])
        }
        #expect(said() == ("whether policies are enforced on this node is not known: no agent of Tulle says so", .null))
        listing.agentParts = "pods,overlay"
        #expect(
            said() == (
                "policies are not enforced on this node: its agent runs without the part policies (--parts pods,overlay)", false
            ))
        listing.agentParts = "policies"
        #expect(said().first.hasPrefix("FAMILY") && said().enforced == true)
    }
}
