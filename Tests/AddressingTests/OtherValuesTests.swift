import Addressing
import Testing

@Suite("MAC addresses, protocols and ports")
struct OtherValuesTests {
    @Test(
        "a text that is not six groups of two digits is no MAC",
        arguments: [
            Text("", "nothing"),
            Text("02:00:00:00:00", "five groups"),
            Text("02:00:00:00:00:00:00", "seven groups"),
            Text("2:0:0:0:0:0", "one digit a group"),
            Text("002:00:00:00:00:00", "three digits"),
            Text("02:00:00:00:00:", "an empty group"),
            Text(":02:00:00:00:00", "an empty group before"),
            Text("02-00-00-00-00-00", "hyphens"),
            Text("0200.0000.0000", "dots"),
            Text("020000000000", "no colons"),
            Text("0g:00:00:00:00:00", "no digit"),
            Text("+2:00:00:00:00:00", "a sign"),
            Text("02:00:00:00:00:00 ", "a blank"),
            Text("0é:00:00:00:00:00", "a character of two bytes"),
        ])
    func refusesMAC(_ wrong: Text) {
        #expect(MACAddress(wrong.text) == nil)
    }

    @Test("text and bytes of any MAC lead back to it", arguments: Seed.fresh(2))
    func roundTrip(_ seed: Seed) {
        var seed = seed
        for _ in 0..<500 {
            let mac = MACAddress(rawValue: seed.next())
            #expect(mac.rawValue >> 48 == 0)
            #expect(MACAddress(mac.description) == mac)
            #expect(MACAddress(mac.description.uppercased()) == mac)
            #expect(MACAddress(bytes: mac.bytes) == mac)
            let local = MACAddress(local: seed.next())
            #expect(local.bytes[0] & 3 == 2, "\(local)")
        }
        #expect(MACAddress.broadcast.description == "ff:ff:ff:ff:ff:ff")
        #expect(MACAddress("02:00:00:00:00:0a")?.rawValue == 0x0200_0000_000A)
        #expect(MACAddress(bytes: [1, 2, 3, 4, 5]) == nil && MACAddress(bytes: [1, 2, 3, 4, 5, 6, 7]) == nil)
    }

    @Test("every protocol is found by its number, others are not", arguments: 0...UInt8.max)
    func protocols(_ number: UInt8) {
        let found = TransportProtocol(number: number)
        #expect(found?.number == (([6, 17, 132] as [UInt8]).contains(number) ? number : nil))
    }

    @Test(
        "a socket address is read as it is written",
        arguments: ["192.0.2.1:80", "0.0.0.0:0", "127.0.0.1:65535", "[::]:1", "[2001:db8::1]:443"])
    func socketAddresses(_ text: String) { #expect(SocketAddress(text: text)?.description == text) }

    @Test(
        "what is no socket address is none",
        arguments: [
            "", ":", "192.0.2.1", "192.0.2.1:", ":80", "192.0.2.1:65536", "192.0.2.1:-1", "192.0.2.1:+1", "192.0.2.1:8 ",
            "2001:db8::1",
            "2001:db8::1:80", "[192.0.2.1]:80", "[2001:db8::1]", "[2001:db8::1:80", "localhost:80", "[]:80",
        ])
    func noSocketAddresses(_ text: String) { #expect(SocketAddress(text: text) == nil) }

    @Test("protocols sort by number, socket addresses by address and then port")
    func order() throws {
        #expect(TransportProtocol.allCases.shuffled().sorted() == [.tcp, .udp, .sctp])
        let (low, high) = (IPAddress.v4(.any), IPAddress.v4(.loopback))
        let sorted = [SocketAddress(low, 443), SocketAddress(high, 80), SocketAddress(high, 443), SocketAddress(.v6(.any), 1)]
        #expect(sorted.reversed().sorted() == sorted)
        #expect(sorted.map(\.description) == ["0.0.0.0:443", "127.0.0.1:80", "127.0.0.1:443", "[::]:1"])
    }
}
