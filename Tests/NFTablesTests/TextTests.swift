import Addressing
import Testing

@testable import NFTables

@Suite("the text of tables")
struct TextTests {
    @Test("an empty table") func empty() {
        #expect(Table(.inet, "nothing").text == "table inet nothing {\n}\n")
    }

    @Test("sets, ranges to both ends of the address space, timeouts and limits")
    func sets() throws {
        let table = Table(
            .ip, "t",
            sets: [
                NamedSet(
                    .init("all", key: [.ipv4Address], isInterval: true),
                    [try value("0.0.0.0"): .init(last: try value("255.255.255.255"))]),
                NamedSet(
                    .init("all6", key: [.ipv6Address], isInterval: true),
                    [try value("::"): .init(last: try value("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"))]),
                NamedSet(
                    .init("some", key: [.ipv4Address], data: .verdict, isInterval: true, defaultTimeout: .seconds(90)),
                    [
                        try value("255.255.255.255"): .init(.verdict(.drop)),
                        try value("10.0.0.0"): .init(.verdict(.goto("a")), last: try value("10.255.255.255")),
                        try value("9.0.0.1"): .init(
                            .verdict(.jump("b")), last: try value("9.0.0.6"), timeout: .milliseconds(1500)),
                    ]),
                NamedSet(
                    .init("ports", key: [.ipv4Address, .port], isInterval: true, limit: 7),
                    [
                        Value(.address(.v4(.any)), .port(1)): .init(
                            last: Value(.address(.v4(IPv4Address(rawValue: .max))), .port(9)))
                    ]),
            ])
        #expect(
            table.text == """
                table ip t {
                \tset all {
                \t\ttype ipv4_addr
                \t\tflags interval
                \t\telements = { 0.0.0.0/0 }
                \t}

                \tset all6 {
                \t\ttype ipv6_addr
                \t\tflags interval
                \t\telements = { ::/0 }
                \t}

                \tset ports {
                \t\ttype ipv4_addr . inet_service
                \t\tsize 7
                \t\tflags interval
                \t\telements = { 0.0.0.0/0 . 1-9 }
                \t}

                \tmap some {
                \t\ttype ipv4_addr : verdict
                \t\tflags interval,timeout
                \t\ttimeout 1m30s
                \t\telements = { 9.0.0.1-9.0.0.6 timeout 1s500ms : jump b,
                \t\t\t     10.0.0.0/8 : goto a,
                \t\t\t     255.255.255.255 : drop }
                \t}
                }

                """)
    }

    @Test(
        "a priority has its name where it is near one, and its number elsewhere",
        arguments: [
            (Chain.Hook.prerouting, Int32(-100), "dstnat"), (.output, -100, "-100"), (.postrouting, 100, "srcnat"),
            (.input, 100, "100"),
            (.input, 0, "filter"), (.input, -10, "filter - 10"), (.input, 10, "filter + 10"), (.input, 11, "11"),
            (.input, -300, "raw"),
            (.prerouting, -150, "mangle"), (.input, 50, "security"), (.input, .min, "-2147483648"), (.input, .max, "2147483647"),
        ])
    func priorities(_ hook: Chain.Hook, _ priority: Int32, _ text: String) {
        let table = Table(.ip, "t", chains: [Chain("c", .init(.filter, hook, priority: priority, dropsByDefault: true))])
        #expect(table.text.contains("\t\ttype filter hook \(hook) priority \(text); policy drop;\n"))
    }

    @Test(
        "a time is written in nft's units",
        arguments: [
            (Duration.zero, "0s"), (.milliseconds(1), "1ms"), (.seconds(1), "1s"), (.milliseconds(1001), "1s1ms"),
            (.seconds(60), "1m"),
            (.seconds(3599), "59m59s"), (.seconds(3600), "1h"), (.seconds(10800), "3h"), (.seconds(86400), "1d"),
            (.seconds(90061), "1d1h1m1s"), (.seconds(864_000_000), "10000d"), (.microseconds(10), "0s"),
        ])
    func times(_ duration: Duration, _ text: String) {
        #expect(timeText(duration) == text)
    }

    @Test("what has no words is shown in angle brackets or as bytes, never left out")
    func strange() {
        let table = Table(.ip6, "t", sets: [NamedSet(.init("s", key: [.port]), [Value([1, 2, 3]): .init()])])
        #expect(table.text.contains("elements = { 0x010203 }"))
        for expressions: [Expression] in [
            [.unknown("limit", Array(repeating: 7, count: 200))],
            [.lookup(set: "gone", key: .last, into: .nowhere, isInverted: true)],
            [.setMeta(.mark, from: .last)],
        ] {
            #expect(Rule(expressions: expressions).text(in: table).contains("<"))
        }
    }

    @Test("a comment that the kernel could not keep is cut where a character ends, when the rule is made")
    func comment() {
        let short = String(repeating: "é", count: 63)
        #expect(Rule(.ip, .counter, comment: short).comment == short)
        #expect(Rule(.ip, .counter, comment: short + "é").comment == short)
        #expect(Rule(.ip, .counter, comment: "a" + short).comment == "a" + short.dropLast())
        #expect(Rule(expressions: [], comment: short + "xyz").comment == short)
    }

    private func value(_ text: String) throws -> Value { Value(.address(try #require(IPAddress(text)))) }
}
