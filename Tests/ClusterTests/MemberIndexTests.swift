import Addressing
import KubeAPI
import Testing

@testable import Cluster

@Suite("members, one change after the other")
struct MemberIndexTests {
    @Test(
        "after any history they are what all nodes together come to, and exactly those that differ are named",
        arguments: Seed.fresh(20))
    func histories(_ seed: Seed) throws {
        var seed = seed
        var index = MemberIndex()
        var nodes: [String: Node] = [:]
        for _ in 0..<150 {
            let before = index
            let name = "n\(seed.number(below: 12))"
            nodes[name] = seed.chance(1, in: 4) ? nil : try randomNode(name, &seed)
            let named = seed.chance(1, in: 20) ? index.replace(with: nodes) : index.update(name, in: nodes)
            let whole = MemberResolution(nodes.values)
            try #require(index.members == whole.members)
            try #require(Set(index.problems.values.joined()) == Set(whole.problems))
            #expect(index.problems.values.allSatisfy { !$0.isEmpty })
            let names = Set(before.members.keys).union(index.members.keys)
            #expect(
                named
                    == names.filter {
                        before.members[$0] != index.members[$0]
                            || Set(before.problems[$0] ?? []) != Set(index.problems[$0] ?? [])
                    })
        }
    }

    @Test("who can be at odds with whom is what comparing each with each comes to", arguments: Seed.fresh(20))
    func neighbourhoods(_ seed: Seed) throws {
        var seed = seed
        var index = ClaimIndex()
        var claims: [String: [IPPrefix]] = [:]
        for _ in 0..<80 {
            let name = "n\(seed.number(below: 15))"
            claims[name] = (0..<seed.number(below: 4)).map { _ in randomPrefix(&seed) }
            index.set(name, to: claims[name] ?? [])
            let asked = "n\(seed.number(below: 15))"
            try #require(index.neighbourhood(of: asked) == slowNeighbourhood(of: asked, claims))
            try #require(ClaimIndex(claims).neighbourhood(of: asked) == slowNeighbourhood(of: asked, claims))
        }
    }

    @Test("a node that is at odds with nobody is looked at alone, among however many")
    func alone() throws {
        var index = ClaimIndex(
            Dictionary(
                uniqueKeysWithValues: try (0..<1000).map {
                    ("n\($0)", [try #require(IPPrefix("10.\($0 >> 8).\($0 & 255).0/24"))])
                }))
        #expect(index.neighbourhood(of: "n7") == ["n7"])
        index.set("wide", to: [try #require(IPPrefix("10.0.0.0/23"))])
        #expect(index.neighbourhood(of: "n1") == ["n0", "n1", "wide"])
        #expect(index.neighbourhood(of: "n2") == ["n2"])
        index.set("wide", to: [])
        #expect(index.neighbourhood(of: "n1") == ["n1"])
    }

    private func slowNeighbourhood(of name: String, _ claims: [String: [IPPrefix]]) -> Set<String> {
        var found: Set<String> = [name]
        while true {
            let own = found.flatMap { claims[$0] ?? [] }
            let more = claims.filter { $0.value.contains { claim in own.contains { $0.overlaps(claim) } } }
            guard !found.isSuperset(of: more.keys) else { return found }
            found.formUnion(more.keys)
        }
    }

    private func randomPrefix(_ seed: inout Seed) -> IPPrefix {
        let isSix = seed.chance(1, in: 4)
        let number = UInt32(10) << 24 | UInt32(seed.number(below: 256)) << 10
        return isSix
            ? IPPrefix(
                .v6(IPv6Address(rawValue: 0x2001_0DB8 << 96 | UInt128(number) << 40)),
                length: [48, 64, 80, 128][seed.number(below: 4)])
            : IPPrefix(.v4(IPv4Address(rawValue: number)), length: [14, 20, 22, 24, 32][seed.number(below: 5)])
    }
}
