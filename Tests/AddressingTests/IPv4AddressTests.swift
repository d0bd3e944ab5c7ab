import Addressing
import Testing

@Suite("IPv4 addresses")
struct IPv4AddressTests {
    @Test(
        "a text that is no strict dotted quad is no address",
        arguments: [
            Text("", "nothing"),
            Text(" ", "a blank"),
            Text("1", "inet_aton would read 0.0.0.1"),
            Text("1.2", "inet_aton would read 1.0.0.2"),
            Text("1.2.3", "inet_aton would read 1.2.0.3"),
            Text("1.2.3.4.5", "five octets"),
            Text("1.2.3.4.", "a dot behind"),
            Text(".1.2.3.4", "a dot before"),
            Text("1..3.4", "an empty octet"),
            Text("...", "four empty octets"),
            Text("1.2.3.", "an empty last octet"),
            Text("01.2.3.4", "a leading zero: octal to some"),
            Text("1.2.3.04", "a leading zero in the last octet"),
            Text("1.2.3.00", "two zeros"),
            Text("010.0.0.1", "8.0.0.1 to some, 10.0.0.1 to others"),
            Text("0x7f.0.0.1", "hexadecimal"),
            Text("1.2.3.256", "an octet too large"),
            Text("256.2.3.4", "a first octet too large"),
            Text("1.2.3.999999999999999999999999", "an octet larger than any number"),
            Text("1.2.3.-4", "a sign"),
            Text("1.2.3.+4", "a sign"),
            Text(" 1.2.3.4", "a blank before"),
            Text("1.2.3.4 ", "a blank behind"),
            Text("1.2.3.4\n", "a line end behind"),
            Text("1.2.3.4\0", "a zero byte behind"),
            Text("1,2,3,4", "commas"),
            Text("1.2.3.4/24", "a prefix"),
            Text("1.2.3.4:80", "a port"),
            Text("1.2.3.4%eth0", "a zone"),
            Text("a.b.c.d", "letters"),
            Text("١.٢.٣.٤", "digits of another script"),
            Text("1.2.3.４", "a full-width digit"),
            Text("1。2。3。4", "ideographic full stops"),
            Text("::1", "the other family"),
            Text("::ffff:1.2.3.4", "the other family"),
            Text("localhost", "a name"),
        ])
    func refuses(_ wrong: Text) {
        #expect(IPv4Address(wrong.text) == nil)
    }

    @Test(
        "what is read is what is written",
        arguments: [
            ("0.0.0.0", UInt32(0)), ("255.255.255.255", .max), ("192.0.2.1", 0xC000_0201), ("127.0.0.1", 0x7F00_0001),
            ("1.0.0.0", 0x0100_0000), ("0.0.0.1", 1), ("100.200.30.4", 0x64C8_1E04),
        ])
    func reads(_ text: String, _ number: UInt32) {
        #expect(IPv4Address(text)?.rawValue == number)
        #expect(IPv4Address(rawValue: number).description == text)
    }

    @Test("text and bytes of any address lead back to it", arguments: Seed.fresh(4))
    func roundTrip(_ seed: Seed) {
        var seed = seed
        for _ in 0..<1000 {
            let address = IPv4Address(rawValue: .random(in: .min ... .max, using: &seed))
            #expect(IPv4Address(address.description) == address)
            #expect(IPv4Address(bytes: address.bytes) == address)
            #expect(IPAddress(address.description) == .v4(address))
        }
    }

    @Test("other counts of bytes are no address", arguments: [0, 1, 3, 5, 8, 15, 17, 32])
    func bytes(_ count: Int) {
        let bytes = [UInt8](repeating: 1, count: count)
        #expect(IPv4Address(bytes: bytes) == nil)
        #expect(IPv6Address(bytes: bytes) == nil)
        #expect(IPAddress(bytes: bytes) == nil)
    }

    @Test("addresses sort by number, IPv4 before IPv6")
    func order() throws {
        let texts = [
            "0.0.0.0", "9.0.0.0", "10.0.0.2", "10.0.0.10", "255.255.255.255", "::", "::2", "::10", "2001:db8::", "ff02::1",
        ]
        let addresses = try texts.map { try #require(IPAddress($0)) }
        #expect(addresses.reversed().sorted() == addresses)
    }

    @Test("the address behind the last is the first")
    func wraps() throws {
        #expect(try #require(IPAddress("255.255.255.255")).advanced(by: 1) == .any(.v4))
        #expect(try #require(IPAddress("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")).advanced(by: 2) == .v6(.loopback))
    }
}
