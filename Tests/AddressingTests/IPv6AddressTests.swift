import Addressing
import Testing

@Suite("IPv6 addresses")
struct IPv6AddressTests {
    @Test(
        "a text outside RFC 4291 §2.2 is no address",
        arguments: [
            Text("", "nothing"),
            Text(":", "one colon"),
            Text(":::", "three colons"),
            Text("::::", "four colons"),
            Text("1:::2", "three colons inside"),
            Text(":::1", "three colons before"),
            Text("1:::", "three colons behind"),
            Text("1::2::3", "two gaps"),
            Text("::1::", "two gaps at the ends"),
            Text("1::2:3::", "two gaps, one at the end"),
            Text(":1:2:3:4:5:6:7", "a single colon before"),
            Text(":1:2:3:4:5:6:7:8", "a single colon before eight groups"),
            Text("1:2:3:4:5:6:7:", "a single colon behind"),
            Text("1:2:3:4:5:6:7:8:", "a single colon behind eight groups"),
            Text("::1:", "a single colon behind a gap"),
            Text(":1::", "a single colon before a gap"),
            Text("1", "one group"),
            Text("1:2:3:4:5:6:7", "seven groups"),
            Text("1:2:3:4:5:6:7:8:9", "nine groups"),
            Text("1:2:3:4::5:6:7:8", "a gap for nothing"),
            Text("::1:2:3:4:5:6:7:8", "a gap for nothing, before"),
            Text("1:2:3:4:5:6:7:8::", "a gap for nothing, behind"),
            Text("1:2:3:4:5::6:7:8:9", "nine groups and a gap"),
            Text("12345::", "five digits"),
            Text("00001::", "five digits, leading zeros"),
            Text("::g", "a letter that is no digit"),
            Text("::-1", "a sign"),
            Text("::0x1", "a C number"),
            Text("::1.2.3", "a quad of three"),
            Text("::1.2.3.4.5", "a quad of five"),
            Text("::1.2.3.256", "a quad out of range"),
            Text("::01.2.3.4", "a quad with a leading zero"),
            Text("::1.2.3.4:5", "a quad that is not last"),
            Text("1.2.3.4::", "a quad before"),
            Text("1.2.3.4", "the other family"),
            Text("1.2.3.4:1:2:3:4:5:6", "a quad before six groups"),
            Text("1:2:3:4:5:6:7:1.2.3.4", "a quad is two groups: nine"),
            Text("1:2:3:4:5:1.2.3.4", "a quad is two groups: seven"),
            Text("1:2:3:4:5:6::1.2.3.4", "a gap for nothing before a quad"),
            Text("::.1.2.3", "a quad with an empty octet"),
            Text("::1.", "half a quad"),
            Text("fe80::1%eth0", "a zone: a link is no part of an address here"),
            Text("fe80::1%", "an empty zone"),
            Text("[::1]", "brackets"),
            Text("[::1]:80", "brackets and a port"),
            Text("::1/128", "a prefix"),
            Text(" ::1", "a blank before"),
            Text("::1 ", "a blank behind"),
            Text("::1\0", "a zero byte behind"),
            Text("::１", "a full-width digit"),
            Text("：：1", "full-width colons"),
            Text("localhost", "a name"),
        ])
    func refuses(_ wrong: Text) {
        #expect(IPv6Address(wrong.text) == nil)
        if !wrong.text.contains(".") { #expect(IPAddress(wrong.text) == nil) }
    }

    @Test(
        "every form is read, RFC 5952's is written",
        arguments: [
            ("::", "::"),
            ("0:0:0:0:0:0:0:0", "::"),
            ("::0", "::"),
            ("0::0", "::"),
            ("::0.0.0.0", "::"),
            ("::1", "::1"),
            ("1::", "1::"),
            ("0001::", "1::"),
            ("2001:0DB8::0001", "2001:db8::1"),  // §4.1 leading zeros, §4.3 lower case
            ("2001:db8:0:0:0:0:2:1", "2001:db8::2:1"),  // §4.2.1 as short as can be
            ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),  // §4.2.2 no gap for one group
            ("2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),  // §4.2.2, although it is read
            ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"),  // §4.2.3 the longest run
            ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),  // §4.2.3 the first of equal runs
            ("0:0:1:0:0:0:0:0", "0:0:1::"),
            ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
            ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"),
            ("0:0:0:0:0:0:7:8", "::7:8"),
            ("::1.2.3.4", "::102:304"),  // IPv4-compatible: obsolete, not a known prefix (§5)
            ("::ffff:1.2.3.4", "::ffff:1.2.3.4"),  // §5
            ("::ffff:102:304", "::ffff:1.2.3.4"),
            ("0:0:0:0:0:ffff:0:0", "::ffff:0.0.0.0"),
            ("::fffe:1.2.3.4", "::fffe:102:304"),
            ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"),
            ("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"),
            ("1::1.2.3.4", "1::102:304"),
            ("FE80::A", "fe80::a"),
            ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ])
    func canonical(_ given: String, _ written: String) {
        #expect(IPv6Address(given)?.description == written)
        #expect(IPv6Address(written)?.description == written)
    }

    @Test("text and bytes of any address lead back to it, however many groups are zero", arguments: Seed.fresh(4))
    func roundTrip(_ seed: Seed) {
        var seed = seed
        for _ in 0..<500 {
            // Zero groups are common in real addresses and rare in random numbers.
            let groups = (0..<8).map { _ in seed.chance(1, in: 2) ? 0 : UInt16.random(in: .min ... .max, using: &seed) }
            let address = IPv6Address(rawValue: groups.reduce(0) { $0 << 16 | UInt128($1) })
            let text = address.description
            #expect(IPv6Address(text) == address)
            #expect(IPv6Address(text.uppercased()) == address)
            #expect(IPv6Address(groups.map { String($0, radix: 16) }.joined(separator: ":")) == address)
            #expect(IPv6Address(bytes: address.bytes) == address)
            #expect(IPAddress(text) == .v6(address))
        }
    }

    @Test("a text with one character changed is read as another address or as none, never as the same", arguments: Seed.fresh(4))
    func damage(_ seed: Seed) {
        var seed = seed
        let characters = Array("0123456789abcdef:.%/ g")
        for _ in 0..<500 {
            let groups = (0..<8).map { _ in seed.chance(2, in: 3) ? 0 : UInt16.random(in: .min ... .max, using: &seed) }
            let address = IPv6Address(rawValue: groups.reduce(0) { $0 << 16 | UInt128($1) })
            var text = Array(address.description)
            let place = seed.number(below: text.count)
            let other = characters[seed.number(below: characters.count)]
            guard text[place] != other else { continue }
            text[place] = other
            // `0:2:…` and `::2:…` are one address in two forms: only the canonical form is compared.
            if let read = IPv6Address(String(text)), read == address { #expect(read.description != String(text)) }
        }
    }

    @Test("link-local is fe80::/10")
    func linkLocal() throws {
        for (text, isLocal) in [
            ("fe80::1", true), ("febf::1", true), ("fe7f:ffff::", false), ("fec0::", false), ("::", false), ("ff02::1", false),
        ] {
            #expect(try #require(IPv6Address(text)).isLinkLocal == isLocal, "\(text)")
        }
    }

    @Test("an IPv4-mapped address is another value than its IPv4 address")
    func mapped() {
        #expect(IPAddress("::ffff:192.0.2.1") != IPAddress("192.0.2.1"))
    }
}
