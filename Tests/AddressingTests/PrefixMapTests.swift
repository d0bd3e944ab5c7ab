import Addressing
import Testing

@Suite("the prefix map")
struct PrefixMapTests {
    @Test("the longest prefix wins, of its own family only")
    func longest() throws {
        var map = PrefixMap<String>()
        for text in ["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "2001:db8::/32"] {
            map[try #require(IPPrefix(text))] = text
        }
        for (address, winner) in [
            ("10.1.2.3", "10.1.2.3/32"), ("10.1.2.4", "10.1.0.0/16"), ("10.2.0.0", "10.0.0.0/8"), ("192.0.2.1", "0.0.0.0/0"),
            ("2001:db8::1", "2001:db8::/32"), ("2001:db9::1", nil), ("::ffff:10.1.2.3", nil),
        ] {
            let found = map.match(try #require(IPAddress(address)))
            #expect(found?.value == winner)
            #expect(found?.prefix.description == winner)
        }
    }

    @Test("an empty map answers nothing")
    func empty() {
        var map = PrefixMap<Int>()
        #expect(map.isEmpty && map.match(.any(.v4)) == nil && map.match(.any(.v6)) == nil)
        map[.all(.v4)] = nil
        #expect(map.isEmpty && map.isEmpty && map[.all(.v4)] == nil)
    }

    @Test("any history of settings and removals answers as a scan of all prefixes does", arguments: Seed.fresh(8))
    func oracle(_ seed: Seed) {
        var seed = seed
        var map = PrefixMap<Int>()
        var slow: [IPPrefix: Int] = [:]
        for step in 0..<300 {
            let prefix = randomPrefix(&seed)
            let value = seed.chance(2, in: 3) ? step : nil
            map[prefix] = value
            slow[prefix] = value
            #expect(map[prefix] == value)
            #expect(map.count == slow.count && map.isEmpty == slow.isEmpty)
            for _ in 0..<4 {
                let address = randomPrefix(&seed).last
                let best = slow.filter { $0.key.contains(address) }.max { $0.key.length < $1.key.length }
                let found = map.match(address)
                #expect(found?.prefix == best?.key && found?.value == best?.value, "\(address)")
            }
        }
        for prefix in slow.keys { map[prefix] = nil }
        #expect(map.isEmpty && map.count == 0)
    }

    private func randomPrefix(_ seed: inout Seed) -> IPPrefix {
        let family: IPFamily = seed.chance(1, in: 2) ? .v4 : .v6
        let number = UInt128(seed.number(below: 16)) << UInt128(family.bitWidth - 4) | UInt128(seed.number(below: 3))
        let lengths = [0, 1, 2, 3, 4, family.bitWidth - 1, family.bitWidth]
        return IPPrefix(IPAddress(family: family, number: number), length: lengths[seed.number(below: lengths.count)])
    }
}
