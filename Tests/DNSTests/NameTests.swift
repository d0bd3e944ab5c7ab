import Addressing
import Testing

@testable import DNS

@Suite("domain names")
struct NameTests {
    @Test("eight bytes at once become small as each would by itself")
    func eightAtOnce() {
        for byte in 0...UInt8.max {
            for lane in 0..<8 as Range<UInt64> {
                let neighbours = UInt64.random(in: 0...(.max)) & ~(0xFF << (8 * lane))
                let small = lowercased(eight: neighbours | UInt64(byte) << (8 * lane))
                for other in 0..<8 as Range<UInt64> {
                    let before = other == lane ? byte : UInt8(truncatingIfNeeded: neighbours >> (8 * other))
                    #expect(UInt8(truncatingIfNeeded: small >> (8 * other)) == lowercased(before), "\(neighbours) \(byte)")
                }
            }
        }
    }

    @Test(
        "a text that is no name is refused",
        arguments: [
            ("", "nothing"),
            ("..", "an empty label"),
            (".a", "an empty label before"),
            ("a..b", "an empty label inside"),
            ("a..", "an empty label behind"),
            ("a b", "a blank"),
            ("a\tb", "a tab"),
            ("a\0", "a zero byte"),
            ("bücher.example", "a letter outside ASCII: it has an xn-- form"),
            ("a\\", "an escape of nothing"),
            ("a\\1", "an escape of one digit"),
            ("a\\12", "an escape of two digits"),
            ("a\\12x", "an escape of two digits and a letter"),
            ("a\\256", "an escape beyond a byte"),
            ("a\\999", "an escape far beyond a byte"),
            (String(repeating: "a", count: 64), "a label of 64 bytes"),
            (Array(repeating: String(repeating: "a", count: 63), count: 4).joined(separator: "."), "256 bytes and the root"),
            (Array(repeating: "a", count: 128).joined(separator: "."), "128 labels"),
        ])
    func wrong(_ text: String, _ why: String) {
        #expect(DomainName(text) == nil, "\(why)")
    }

    @Test(
        "a name is written with a dot at its end, and with escapes where a reader would stumble",
        arguments: [
            (".", "."),
            ("example.org", "example.org."),
            ("example.org.", "example.org."),
            ("EXAMPLE.Org", "EXAMPLE.Org."),
            ("_http._tcp.a-b.x", "_http._tcp.a-b.x."),
            ("a\\.b.c", "a\\.b.c."),
            ("a\\046b.c", "a\\.b.c."),
            ("\\000\\255.x", "\\000\\255.x."),
            ("\\065.x", "A.x."),
            ("a\\ b", "a\\032b."),
            ("a\\\\b\\\"\\;\\@\\$\\(\\)", "a\\\\b\\\"\\;\\@\\$\\(\\)."),
            ("*.x", "*.x."),
            (String(repeating: "a", count: 63), String(repeating: "a", count: 63) + "."),
            (Array(repeating: "a", count: 127).joined(separator: "."), Array(repeating: "a.", count: 127).joined()),
        ])
    func text(_ text: String, _ written: String) throws {
        let name = try #require(DomainName(text))
        #expect(name.description == written)
        #expect(DomainName(name.description)?.wire == name.wire)
        #expect(DomainName(wire: name.wire)?.wire == name.wire)
        #expect(DomainName(labels: name.labels)?.wire == name.wire)
    }

    @Test(
        "bytes that are no uncompressed name are refused",
        arguments: [
            ([], "nothing"),
            ([1], "a label that is cut"),
            ([1, 97], "no root"),
            ([0, 0], "bytes behind the root"),
            ([64] + Array(repeating: 97, count: 64) + [0], "a label of 64 bytes"),
            ([0xC0, 0x0C], "a pointer"),
            ([1, 97, 0xC0, 0x0C], "a pointer behind a label"),
            (Array(repeating: [1, 97], count: 127).flatMap(\.self) + [1, 97, 0], "257 bytes"),
        ] as [([UInt8], String)])
    func wrongWire(_ wire: [UInt8], _ why: String) {
        #expect(DomainName(wire: wire) == nil, "\(why)")
    }

    @Test("case does not make another name, and is kept")
    func cases() throws {
        let (one, other) = (try name("SvC1.Example.ORG"), try name("svc1.example.org"))
        #expect(one == other && one.hashValue == other.hashValue)
        #expect(one.wire != other.wire && one.lowercase.wire == other.wire)
        // What stands beside the letters in ASCII is no letter: @ [ ` {.
        #expect(try name("\\064") != name("`") && name("\\091") != name("{"))
        // Bytes above 127 have no case here, whatever a code page says.
        #expect(try name("\\196") != name("\\228"))
    }

    @Test(
        "inside means the name itself or one under it, at a label's border",
        arguments: [
            ("example.org", "example.org", true), ("a.example.org", "EXAMPLE.org", true), ("a.b.example.org", "org", true),
            ("example.org", ".", true), (".", ".", true), (".", "org", false), ("org", "example.org", false),
            ("badexample.org", "example.org", false), ("example.org.evil", "example.org", false),
            // The bytes of the label `\007example\003org` end like the name example.org.
            ("x\\007example\\003org", "example.org", false),
        ])
    func inside(_ inner: String, _ outer: String, _ isInside: Bool) throws {
        #expect(try name(inner).isInside(name(outer)) == isInside)
    }

    @Test("parents and children")
    func family() throws {
        let name = try name("a.b.c")
        #expect(name.parent == (try self.name("b.c")) && name.labelCount == 3)
        #expect(DomainName.root.parent == nil && DomainName.root.labelCount == 0 && DomainName.root.isRoot)
        #expect(name.parent?.child("a") == name)
        #expect(name.child("") == nil && name.child(String(repeating: "a", count: 64)) == nil)
        let long = try self.name(Array(repeating: "a", count: 126).joined(separator: "."))
        #expect(long.child("a")?.wire.count == 255 && long.child("aa") == nil)
        #expect(try self.name("*.x").isWildcard && !self.name("**.x").isWildcard && !self.name("x.*").isWildcard)
    }

    @Test("the order is that of DNSSEC: by labels from the right (RFC 4034 §6.1)")
    func order() throws {
        let sorted = [
            "example", "a.example", "yljkjljk.a.example", "Z.a.example", "zABC.a.EXAMPLE", "z.example", "\\001.z.example",
        ]
        let names = try (sorted + ["*.z.example", "\\200.z.example"]).map(name)
        #expect(names.reversed().sorted().map(\.description) == names.map(\.description))
    }

    private func name(_ text: String) throws -> DomainName { try #require(DomainName(text), "\(text)") }
}

@Suite("addresses as names")
struct AddressNameTests {
    @Test(
        "an address has one reverse name, and comes back from it",
        arguments: [
            ("10.0.0.1", "1.0.0.10.in-addr.arpa."),
            ("255.255.255.255", "255.255.255.255.in-addr.arpa."),
            ("0.0.0.0", "0.0.0.0.in-addr.arpa."),
            ("2001:db8::567:89ab", "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa."),
        ])
    func reverse(_ text: String, _ reversed: String) throws {
        let address = try #require(IPAddress(text))
        let name = DomainName(reversing: address)
        #expect(name.description == reversed)
        #expect(name.reversedAddress == address)
        #expect(DomainName(reversed.uppercased())?.reversedAddress == address)
    }

    @Test(
        "a name that is no address' reverse has none",
        arguments: [
            ".", "arpa", "in-addr.arpa", "0.0.10.in-addr.arpa", "1.1.0.0.10.in-addr.arpa", "01.0.0.10.in-addr.arpa",
            "256.0.0.10.in-addr.arpa", "a.0.0.10.in-addr.arpa", "+1.0.0.10.in-addr.arpa", "1.0.0.10.in-addr.arpa.x",
            "1.0.0.10.in-addr.example", "1.0.0.2.ip6.arpa",
            "bb.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
            "g.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
        ])
    func noReverse(_ text: String) throws {
        #expect(try #require(DomainName(text)).reversedAddress == nil)
    }

    @Test(
        "the reverse zones of a prefix hold its addresses and no others",
        arguments: [
            ("10.96.0.0/16", ["96.10.in-addr.arpa."]),
            ("10.96.0.0/15", ["96.10.in-addr.arpa.", "97.10.in-addr.arpa."]),
            ("192.0.2.128/26", (128..<192).map { "\($0).2.0.192.in-addr.arpa." }),
            ("192.0.2.1/32", ["1.2.0.192.in-addr.arpa."]),
            ("0.0.0.0/0", ["in-addr.arpa."]),
            ("128.0.0.0/1", (128..<256).map { "\($0).in-addr.arpa." }),
            ("fd00:10:96::/48", ["6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa."]),
            ("2001:db8::/31", ["8.b.d.0.1.0.0.2.ip6.arpa.", "9.b.d.0.1.0.0.2.ip6.arpa."]),
            ("::/0", ["ip6.arpa."]),
        ])
    func zones(_ text: String, _ names: [String]) throws {
        let prefix = try #require(IPPrefix(text))
        let zones = DomainName.reverseZones(of: prefix)
        #expect(zones.map(\.description) == names)
        for address in [prefix.address, prefix.last] {
            #expect(zones.count { DomainName(reversing: address).isInside($0) } == 1)
        }
    }

    @Test(
        "an address is one label with dashes",
        arguments: [
            ("172.0.0.2", "172-0-0-2"), ("5678:abcd::1", "5678-abcd--1"), ("::1", "--1"), ("::", "--"), ("1::", "1--"),
            ("1:2:3:4:5:6:7:8", "1-2-3-4-5-6-7-8"), ("::ffff:192.0.2.1", "--ffff-c000-201"),
        ])
    func dashed(_ text: String, _ label: String) throws {
        let address = try #require(IPAddress(text))
        #expect(DashedAddress.label(address) == label)
        #expect(DashedAddress.address(label.utf8) == address)
        #expect(DashedAddress.address(label.uppercased().utf8) == address)
    }

    @Test(
        "a label that writes no address is none",
        arguments: [
            "", "-", "a", "1-2-3", "1-2-3-4-5", "256-0-0-1", "01-0-0-1", "1.2.3.4", "::1", "1-2-3-4-", "-1-2-3-4", "---", "g--1",
            "1--2--3", "12345--", "10-0-0-1x", "1-2-3-4-5-6-7-8-9",
        ])
    func notDashed(_ label: String) {
        #expect(DashedAddress.address(label.utf8) == nil)
    }
}
