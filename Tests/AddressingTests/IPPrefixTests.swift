import Addressing
import Testing

@Suite("prefixes")
struct IPPrefixTests {
    @Test(
        "an IPv4-mapped prefix stands for an IPv4 one, and every other for itself",
        arguments: [
            ("::ffff:192.0.2.0/120", "192.0.2.0/24"), ("::ffff:192.0.2.7/128", "192.0.2.7/32"), ("::ffff:0:0/96", "0.0.0.0/0"),
            ("::ffff:0:0/95", "::fffe:0:0/95"), ("::/0", "::/0"), ("::fffe:192.0.2.0/120", "::fffe:c000:200/120"),
            ("64:ff9b::192.0.2.0/120", "64:ff9b::c000:200/120"), ("192.0.2.0/24", "192.0.2.0/24"),
        ])
    func unmapped(_ text: String, _ wanted: String) throws {
        let prefix = try #require(InterfaceAddress(text)).prefix
        #expect(prefix.unmapped.description == wanted)
    }

    @Test(
        "a text that is no canonical prefix is none",
        arguments: [
            Text("", "nothing"),
            Text("/", "a slash"),
            Text("10.0.0.0", "no length"),
            Text("10.0.0.0/", "an empty length"),
            Text("/8", "no address"),
            Text("10.0.0.0/33", "a length out of range"),
            Text("::/129", "a length out of range"),
            Text("10.0.0.0/128", "the other family's length"),
            Text("10.0.0.0/08", "a leading zero"),
            Text("0.0.0.0/00", "two zeros"),
            Text("10.0.0.0/+8", "a sign"),
            Text("10.0.0.0/-0", "a sign"),
            Text("10.0.0.0/ 8", "a blank"),
            Text("10.0.0.0 /8", "a blank"),
            Text("10.0.0.0/8/8", "two lengths"),
            Text("10.0.0.0//8", "two slashes"),
            Text("10.0.0.0/255.0.0.0", "a mask"),
            Text("10.0.0.0/99999999999999999999999", "a length larger than any number"),
            Text("10/8", "a short address"),
            Text("10.0.0.0/８", "a full-width digit"),
            Text("10.0.0.1/8", "host bits"),
            Text("10.0.0.1/31", "one host bit"),
            Text("128.0.0.0/0", "a host bit before everything"),
            Text("2001:db8::1/64", "host bits"),
            Text("::1/0", "host bits"),
            Text("::1/127", "one host bit"),
            Text("fe80::%eth0/64", "a zone"),
        ])
    func refuses(_ wrong: Text) {
        #expect(IPPrefix(wrong.text) == nil)
    }

    @Test(
        "its ends and its count are right",
        arguments: [
            ("0.0.0.0/0", "0.0.0.0", "255.255.255.255", UInt128(1) << 32),
            ("10.0.0.0/8", "10.0.0.0", "10.255.255.255", 1 << 24),
            ("128.0.0.0/1", "128.0.0.0", "255.255.255.255", 1 << 31),
            ("192.0.2.254/31", "192.0.2.254", "192.0.2.255", 2),
            ("255.255.255.255/32", "255.255.255.255", "255.255.255.255", 1),
            ("::/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", nil),
            ("8000::/1", "8000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 1 << 127),
            ("2001:db8::/64", "2001:db8::", "2001:db8::ffff:ffff:ffff:ffff", 1 << 64),
            ("::1/128", "::1", "::1", 1),
        ])
    func ends(_ text: String, _ first: String, _ last: String, _ count: UInt128?) throws {
        let prefix = try #require(IPPrefix(text))
        #expect(prefix.description == text)
        #expect(prefix.address.description == first)
        #expect(prefix.last.description == last)
        #expect(prefix.count == count)
        #expect(prefix.contains(prefix.address) && prefix.contains(prefix.last))
        #expect(prefix.address(at: 0) == prefix.address)
        if let count {
            #expect(prefix.address(at: count - 1) == prefix.last)
            #expect(prefix.address(at: count) == nil)
        }
        #expect(prefix.address(at: .max) == (count == nil ? prefix.last : nil))
    }

    @Test("host bits are cut when a prefix is made, and kept beside an interface's address")
    func hostBits() throws {
        let address = try #require(IPAddress("10.1.2.3"))
        #expect(IPPrefix(address, length: 8).description == "10.0.0.0/8")
        #expect(InterfaceAddress("10.1.2.3/8")?.description == "10.1.2.3/8")
        #expect(InterfaceAddress("10.1.2.3/8")?.prefix == IPPrefix("10.0.0.0/8"))
        #expect(InterfaceAddress("10.1.2.3") == nil)
        #expect(IPPrefix(host: address).description == "10.1.2.3/32")
        #expect(InterfaceAddress(host: .v6(.loopback)).description == "::1/128")
        #expect(IPPrefix.all(.v4).description == "0.0.0.0/0" && IPPrefix.all(.v6).description == "::/0")
    }

    @Test("prefixes sort by address, the wider first")
    func order() throws {
        let sorted = try ["0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/24", "10.0.1.0/24", "::/0", "2001:db8::/32", "2001:db8::/64"]
            .map { try #require(IPPrefix($0)) }
        #expect(sorted.reversed().sorted() == sorted)
        let addresses = try ["10.0.0.1/8", "10.0.0.1/24", "10.0.0.2/8", "::1/64"].map { try #require(InterfaceAddress($0)) }
        #expect(addresses.reversed().sorted() == addresses)
    }

    @Test("holding and overlapping agree with a comparison bit by bit", arguments: Seed.fresh(8))
    func oracle(_ seed: Seed) {
        var seed = seed
        for _ in 0..<400 {
            let (a, b) = (Bits.random(&seed), Bits.random(&seed))
            #expect(a.prefix.contains(b.prefix) == a.contains(b), "\(a.prefix) and \(b.prefix)")
            #expect(a.prefix.overlaps(b.prefix) == (a.contains(b) || b.contains(a)), "\(a.prefix) and \(b.prefix)")
            #expect(a.prefix.overlaps(b.prefix) == b.prefix.overlaps(a.prefix))
            #expect(a.prefix.contains(b.prefix.last) == a.contains(Bits(host: b.prefix.last)), "\(a.prefix) and \(b.prefix.last)")
            #expect(IPPrefix(a.prefix.description) == a.prefix)
            #expect((a.prefix < b.prefix) != (b.prefix < a.prefix) || a.prefix == b.prefix)
        }
    }
}

/// A prefix as a list of bits: slow and plain.
private struct Bits {
    var prefix: IPPrefix
    var bits: [Bool]

    init(_ prefix: IPPrefix) {
        self.prefix = prefix
        bits = prefix.address.bytes.flatMap { byte in (0..<8).map { byte >> (7 - $0) & 1 == 1 } }.prefix(prefix.length).map(
            \.self)
    }

    init(host address: IPAddress) { self.init(IPPrefix(host: address)) }

    /// Few different bits and lengths at the ends, so that many hold each other.
    static func random(_ seed: inout Seed) -> Bits {
        let family: IPFamily = seed.chance(1, in: 2) ? .v4 : .v6
        let width = family.bitWidth
        let length = seed.chance(1, in: 3) ? [0, 1, width - 1, width][seed.number(below: 4)] : seed.number(below: width + 1)
        var number = UInt128(seed.number(below: 4)) << UInt128(width - 2)
        if seed.chance(1, in: 2) { number |= UInt128(seed.number(below: 4)) }
        return Bits(IPPrefix(IPAddress(family: family, number: number), length: length))
    }

    func contains(_ other: Bits) -> Bool {
        prefix.family == other.prefix.family && other.bits.starts(with: bits)
    }
}
