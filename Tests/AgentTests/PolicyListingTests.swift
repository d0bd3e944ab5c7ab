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
        #expect(counted.description.hasPrefix("FAMILY  DIRECTION  KIND"))
    }
}
