import Addressing
import NFTables
import NFTablesKernel
import Netlink
import Testing

@Suite("what only the kernel can say", .tags(.kernel), .enabled(if: kernelIsThere))
struct KernelTests {
    let namespace: NetworkNamespace
    let id = Table.ID(.ip, "t")

    init() throws { namespace = try NetworkNamespace.new() }

    @Test("a transaction that builds on an old generation is refused whole, and done when it builds on the present one")
    func generation() throws {
        let (ours, foreign) = (try KernelTables(in: namespace), try KernelTables(in: namespace))
        let seen = try ours.generation()
        try foreign.apply([.addTable(Table.ID(.ip, "theirs"))])
        #expect {
            try ours.apply([.addTable(id)], ifGenerationIs: seen)
        } throws: {
            ($0 as? KernelError)?.code == .restart
        }
        #expect(try ours.observe(id) == nil)
        try ours.apply([.addTable(id)], ifGenerationIs: ours.generation())
        #expect(try ours.observe(id) != nil)
    }

    @Test(
        "an expression that is not one of ours is read as unknown",
        arguments: [
            "limit rate over 10/second", "log prefix \"x\" level warn", "quota over 10 mbytes", "ip dscp set cs1",
            "ct mark set 0x1", "ip option rr exists",
            "add @recent { ip saddr }", "update @recent { ip saddr limit rate over 10/second burst 5 packets }",
            "update @recent { ip saddr counter }", "meta mark set meta mark << 8", "meta mark set jhash ip saddr mod 4",
            "meta l4proto tcp masquerade to :1024-65535", "snat to 192.0.2.1-192.0.2.9", "snat to 192.0.2.1 persistent",
            "snat to 192.0.2.1 random",
            "meta priority set 1", "meta cpu 0", "rt mtu 1400", "tcp option maxseg size set 1400",
        ])
    func foreign(_ text: String) throws {
        let script = """
            table ip t {
                set recent { type ipv4_addr; flags dynamic,timeout; timeout 1m; size 100; }
                chain c { type nat hook postrouting priority srcnat; \(text); }
            }
            """
        _ = try nft(["-f", "-"], in: namespace, input: script)
        let rules = try #require(try KernelTables(in: namespace).observe(id)).table.chains["c"]?.rules ?? []
        let isUnknown = rules.flatMap(\.expressions).contains { if case .unknown = $0 { true } else { false } }
        #expect(rules.count == 1 && isUnknown, "\(rules)")
    }

    @Test(
        "ranges that begin, end or fill the address space, and ranges side by side, are read back", arguments: [IPFamily.v4, .v6])
    func ends(_ family: IPFamily) throws {
        var tables = try KernelTables(in: namespace)
        let id = Table.ID(family == .v4 ? .ip : .ip6, "t")
        let type: FieldType = family == .v4 ? .ipv4Address : .ipv6Address
        let last = IPPrefix.all(family).last
        func at(_ offset: UInt128) -> IPAddress { IPAddress.any(family).advanced(by: offset) }
        func back(_ offset: UInt128) -> IPAddress { last.advanced(by: 0 &- offset) }
        let states: [[(IPAddress, IPAddress)]] = [
            [(at(0), last)], [(at(0), at(0))], [(last, last)], [(at(0), at(0)), (last, last)],
            [(at(0), at(9)), (at(10), at(19))],
            [(back(19), back(10)), (back(9), last)], [(at(0), at(9)), (at(10), last)],
            [(at(5), at(5)), (at(6), at(6)), (at(7), at(7))],
            [(at(1), back(1))], [], [(at(0), last)],
        ]
        for ranges in states {
            for shape in [NamedSet.Shape("r", key: [type], isInterval: true), .init("r", key: [type, .port], isInterval: true)] {
                func key(_ address: IPAddress) -> Value {
                    shape.key.count == 1 ? Value(.address(address)) : Value(.address(address), .port(7))
                }
                let elements = ranges.map { (key($0.0), NamedSet.Content(last: $0.0 == $0.1 ? nil : key($0.1))) }
                let wanted = Table(id.family, id.name, sets: [NamedSet(shape, Dictionary(elements) { first, _ in first })])
                try tables.settle(id, to: wanted)
                #expect(try tables.observe(id)?.table.text == wanted.text)
                #expect(try tables.settle(id, to: wanted).isEmpty)
            }
        }
    }

    @Test("thousands of elements of every kind of set go in one transaction, come back, and go again")
    func big() throws {
        var tables = try KernelTables(in: namespace)
        func address(_ number: Int) -> FieldValue { .address(.v4(IPv4Address(rawValue: 0x0A00_0000 + UInt32(number)))) }
        var table = Table(.ip, "t", chains: [Chain("a")])
        let count = 5000
        table.sets["plain"] = NamedSet(.init("plain", key: [.ipv4Address, .port], data: .fields([.ipv4Address, .port])))
        table.sets["verdicts"] = NamedSet(.init("verdicts", key: [.mark], data: .verdict))
        table.sets["ranges"] = NamedSet(.init("ranges", key: [.ipv4Address], isInterval: true))
        for number in 0..<count {
            table.sets["plain"]?.elements[Value(address(number), .port(80))] = .init(.value(Value(address(number), .port(8080))))
            table.sets["verdicts"]?.elements[Value(.mark(UInt32(number)))] = .init(.verdict(.goto("a")))
            table.sets["ranges"]?.elements[Value(address(number * 4))] = .init(last: Value(address(number * 4 + 2)))
        }
        let changes = try tables.settle(id, to: table)
        #expect(changes.count == 8)
        #expect(try tables.observe(id)?.table == table)
        #expect(try tables.settle(id, to: table).isEmpty)
        for name in table.sets.keys { table.sets[name]?.elements = [:] }
        try tables.settle(id, to: table)
        #expect(try tables.observe(id)?.table == table)
    }

    @Test("of thousands of refusals the first is told")
    func manyRefusals() throws {
        let tables = try KernelTables(in: namespace)
        try tables.apply([.addTable(id), .addChain(id, "c", nil)])
        #expect {
            try tables.apply((1...5000).map { .deleteRule(id, chain: "c", handle: 1_000_000 + $0) })
        } throws: {
            ($0 as? KernelError)?.code == .noSuchObject && "\($0)".contains("1000001")
        }
        // And the conversation goes on as if nothing had been.
        try tables.apply([.addChain(id, "d", nil)])
        #expect(try tables.observe(id)?.table.chains.count == 2)
    }

    @Test("a rule with a long comment is settled once")
    func longComment() throws {
        var tables = try KernelTables(in: namespace)
        let comment = String(repeating: "namespace-é/", count: 20)
        let table = Table(.ip, "t", chains: [Chain("c", rules: [Rule(.ip, .counter, comment: comment)])])
        try tables.settle(id, to: table)
        #expect(try tables.settle(id, to: table).isEmpty)
    }
}
