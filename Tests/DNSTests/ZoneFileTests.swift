import DNS
import Testing

@Suite("zone files")
struct ZoneFileTests {
    private let apex = DomainName("example.org") ?? .root

    /// Records as lines, or the faults.
    private func lines(_ text: String) -> [String] {
        let file = ZoneFile(text, of: apex)
        return file.records.map(\.description) + file.faults.first.map { "\($0.line):\($0.column) \($0.reason)" }
    }

    @Test(
        "an entry is read as it is meant",
        arguments: [
            // Every type that is understood.
            ("www 60 IN A 192.0.2.1", "www.example.org. 60 IN A 192.0.2.1"),
            ("www AAAA 2001:db8::1", "www.example.org. 3600 IN AAAA 2001:db8::1"),
            ("@ NS ns1", "example.org. 3600 IN NS ns1.example.org."),
            ("www CNAME other.example.net.", "www.example.org. 3600 IN CNAME other.example.net."),
            ("1 PTR @", "1.example.org. 3600 IN PTR example.org."),
            ("@ MX 10 mail", "example.org. 3600 IN MX 10 mail.example.org."),
            ("_http._tcp SRV 0 100 80 www", "_http._tcp.example.org. 3600 IN SRV 0 100 80 www.example.org."),
            ("@ CAA 0 issue \"ca.example.net\"", "example.org. 3600 IN CAA 0 issue \"ca.example.net\""),
            ("d DNAME other.example.", "d.example.org. 3600 IN DNAME \\# 15 056f74686572076578616d706c6500"),
            ("h HINFO PC \"Linux 6\"", "h.example.org. 3600 IN HINFO \\# 11 025043074c696e75782036"),
            ("s DS 1 13 2 00 ff", "s.example.org. 3600 IN DS \\# 6 00010d0200ff"),
            (
                "@ NAPTR 1 2 u E2U+sip \"!^.*$!sip:a@b!\" .",
                "example.org. 3600 IN NAPTR 1 2 \"u\" \"E2U+sip\" \"!^.*$!sip:a@b!\" ."
            ),
            (
                "@ SOA ns hostmaster 1 2h 30m 1d 5",
                "example.org. 3600 IN SOA ns.example.org. hostmaster.example.org. 1 7200 1800 86400 5"
            ),
            // Order and case of what may be left out.
            ("www IN 60 A 192.0.2.1", "www.example.org. 60 IN A 192.0.2.1"),
            ("WWW in a 192.0.2.1", "WWW.example.org. 3600 IN A 192.0.2.1"),
            ("www 1h30m A 192.0.2.1", "www.example.org. 5400 IN A 192.0.2.1"),
            // Texts.
            ("t TXT \"a b\" c", "t.example.org. 3600 IN TXT \"a b\" \"c\""),
            ("t TXT \"semi;colon \\\" \\065\"", "t.example.org. 3600 IN TXT \"semi;colon \\\" A\""),
            ("t TXT \"\"", "t.example.org. 3600 IN TXT \"\""),
            // Names with bytes of their own.
            ("a\\.b A 192.0.2.1", "a\\.b.example.org. 3600 IN A 192.0.2.1"),
            ("* A 192.0.2.1", "*.example.org. 3600 IN A 192.0.2.1"),
            ("dot\\. A 192.0.2.1", "dot\\..example.org. 3600 IN A 192.0.2.1"),
            // RFC 3597: of unknown types and of known ones.
            ("x TYPE65280 \\# 3 abcd 0f", "x.example.org. 3600 IN TYPE65280 \\# 3 abcd0f"),
            ("x A \\# 4 c0000201", "x.example.org. 3600 IN A 192.0.2.1"),
            ("x TYPE65280 \\# 0", "x.example.org. 3600 IN TYPE65280 \\# 0"),
            // Service parameters.
            (
                "@ HTTPS 1 . port=8443 alpn=h2,h3",
                "example.org. 3600 IN HTTPS 1 . key1=\"\\002h2\\002h3\" key3=\" \\251\""
            ),
            ("@ SVCB 0 other", "example.org. 3600 IN SVCB 0 other.example.org."),
            (
                "@ SVCB 1 . ipv4hint=192.0.2.1 key77=\"a b\"",
                "example.org. 3600 IN SVCB 1 . key4=\"\\192\\000\\002\\001\" key77=\"a b\""
            ),
        ])
    func entries(_ text: String, _ record: String) { #expect(lines(text) == [record]) }

    @Test("a whole file: directives, comments, parentheses and blank owners")
    func whole() {
        let text = """
            $TTL 10m ; of all that follows
            @   IN SOA ns admin ( 2026112201 ; serial
                    7200 1800
                    86400 30 )
                NS  ns
            ns  A   192.0.2.53

            $ORIGIN lab.example.org.
            db  A   192.0.2.1
                A   192.0.2.2     ; the same owner
            $TTL 5
            web CNAME db
            """
        #expect(
            lines(text) == [
                "example.org. 600 IN SOA ns.example.org. admin.example.org. 2026112201 7200 1800 86400 30",
                "example.org. 600 IN NS ns.example.org.",
                "ns.example.org. 600 IN A 192.0.2.53",
                "db.lab.example.org. 600 IN A 192.0.2.1",
                "db.lab.example.org. 600 IN A 192.0.2.2",
                "web.lab.example.org. 5 IN CNAME db.lab.example.org.",
            ])
    }

    @Test("what is written of a record is read as the same record")
    func again() {
        var dice = SeededDice(7)
        for kind in RandomMessage.kinds {
            for _ in 0..<50 {
                let record = Record(apex, RandomMessage.data(kind, &dice), ttl: 5)
                guard !record.type.isMeta, record.data.wire != nil else { continue }
                let file = ZoneFile(record.description, of: apex)
                #expect(file.records.map(\.data.wire) == [record.data.wire], "\(record): \(file.faults)")
            }
        }
    }

    @Test(
        "a mistake has its place, and the entries after it are read",
        arguments: [
            ("www A 192.0.2.256", "1:7 192.0.2.256 is not an IPv4 address"),
            ("www A", "1:6 an IPv4 address is missing here"),
            ("www A 192.0.2.1 192.0.2.2", "1:17 192.0.2.2 is too much: the entry is complete before it"),
            ("www", "1:4 a record's type is missing here"),
            ("www AA 192.0.2.1", "1:5 AA is no record type; a type without a name is written as TYPE123"),
            ("www CH A 192.0.2.1", "1:5 records are of the class IN, not CH"),
            ("www ANY x", "1:5 no zone holds records of the type ANY"),
            ("other.example.net. A 192.0.2.1", "1:1 other.example.net. is not in the zone example.org."),
            ("a..b A 192.0.2.1", "1:1 a..b is no name: labels have 1 to 63 characters, a name 255 in all"),
            (" A 192.0.2.1", "1:1 a blank owner means that of the record before, and there is none"),
            ("$INCLUDE other", "1:1 $INCLUDE is not read here: a zone is one text; put the records into it"),
            ("$TTL soon", "1:6 soon is no time: seconds up to 2147483647, or such as 1h30m"),
            ("$ORIGIN", "1:8 a name is missing here"),
            ("www TXT \"open", "1:9 this quote is never closed"),
            ("@ SOA ns admin ( 1 2 3 4 5", "1:16 this parenthesis is never closed"),
            ("www A 192.0.2.1 )", "1:17 a parenthesis that was never opened"),
            ("www A ((192.0.2.1))", "1:8 a parenthesis inside another"),
            ("www TXT \\", "1:9 nothing stands behind this backslash"),
            ("www TXT \\256", "1:9 an escape is \\X, or \\DDD up to \\255"),
            ("www MX 65536 mail", "1:8 a preference is a number from 0 to 65535, not 65536"),
            ("x TYPE65280 \\# 2 ab", "1:13 1 bytes stand here, and the length says 2"),
            ("x TYPE65280 \\# 1 xy", "1:18 x is no hexadecimal digit"),
            ("x TYPE65280 \\# 1 abc", "1:18 an odd number of hexadecimal digits"),
            ("x A \\# 3 c00002", "1:5 this is no data of the type A: the message ends inside a field"),
            ("x TYPE65280 text", "1:13 data of the type TYPE65280 is written as \\# length hexadecimal"),
            ("@ HTTPS 1 . port=http", "1:13 port is a number up to 65535"),
            ("@ HTTPS 1 . speed=1", "1:13 speed is no parameter; one without a name is written as key123"),
            ("www 2147483648 A 192.0.2.1", "1:5 2147483648 is no record type; a type without a name is written as TYPE123"),
        ])
    func mistakes(_ text: String, _ fault: String) {
        #expect(lines(text) == [fault])
        #expect(lines("\(text)\nok A 192.0.2.1").contains("ok.example.org. 3600 IN A 192.0.2.1") || text.contains("( 1"))
    }

    @Test("a hostile file is read to its end, whatever bytes it has")
    func hostile() {
        var dice = SeededDice(11)
        let pieces = [
            "www", " ", "\n", "\"", "\\", "(", ")", ";", "$TTL", "A", "TXT", "192.0.2.1", "\\#", "7", "\u{0}", "é", "@", ".",
        ]
        for _ in 0..<3000 {
            let text = (0..<dice.below(30)).map { _ in pieces[dice.below(pieces.count)] }.joined()
            let file = ZoneFile(text, of: apex)
            #expect(file.records.count <= 30)
        }
    }
}
