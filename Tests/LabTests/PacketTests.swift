import Addressing
import Testing

@testable import Lab

@Suite("reading a packet's headers")
struct PacketTests {
    @Test("a TCP packet over IPv4 shows its ends, its flags and how far it may go") func tcp() throws {
        let packet = try #require(Packet(v4(protocol: 6, hopLimit: 63, transport: tcpHeader(flags: 0x12))[...]))
        #expect(packet.source.description == "192.0.2.1:40000")
        #expect(packet.destination.description == "192.0.2.2:80")
        #expect(packet.transport == .tcp)
        #expect(packet.hopLimit == 63)
        #expect(packet.flagText == "SYN ACK")
    }

    @Test("a UDP packet over IPv6 has no flags") func udp() throws {
        let packet = try #require(Packet(v6(next: 17, hopLimit: 62, transport: [0x9C, 0x40, 0, 53, 0, 8, 0, 0])[...]))
        #expect(packet.source.description == "[2001:db8::1]:40000")
        #expect(packet.destination.port == 53)
        #expect(packet.hopLimit == 62)
        #expect(packet.flagText.isEmpty)
    }

    @Test("options before the ports are stepped over") func options() throws {
        let packet = try #require(
            Packet(v4(protocol: 6, hopLimit: 1, options: [1, 1, 1, 1], transport: tcpHeader(flags: 2))[...]))
        #expect(packet.destination.port == 80)
    }

    @Test(
        "what is no whole TCP or UDP packet is passed over",
        arguments: [
            ("nothing", []),
            ("a version nobody knows", [0x50] + Array(repeating: 0, count: 60)),
            ("an IPv4 header cut short", Array(v4(protocol: 6, hopLimit: 1, transport: []).prefix(12))),
            ("an IPv4 header that says it is shorter than it can be", [0x41] + Array(repeating: 0, count: 60)),
            ("a TCP header cut short", v4(protocol: 6, hopLimit: 1, transport: Array(tcpHeader(flags: 2).prefix(13)))),
            ("a UDP header cut short", v6(next: 17, hopLimit: 1, transport: [0, 1, 0, 2])),
            ("an echo request", v4(protocol: 1, hopLimit: 1, transport: Array(repeating: 0, count: 20))),
            ("a later fragment", v4(protocol: 17, hopLimit: 1, fragment: 185, transport: Array(repeating: 0, count: 20))),
        ])
    func passedOver(_ name: String, _ bytes: [UInt8]) {
        #expect(Packet(bytes[...]) == nil, "\(name)")
    }
}

private func tcpHeader(flags: UInt8) -> [UInt8] {
    [0x9C, 0x40, 0, 80] + Array(repeating: 0, count: 8) + [0x50, flags, 0, 0, 0, 0, 0, 0]
}

private func v4(
    protocol number: UInt8, hopLimit: UInt8, options: [UInt8] = [], fragment: UInt8 = 0, transport: [UInt8]
) -> [UInt8] {
    [0x45 + UInt8(options.count / 4), 0, 0, 0, 0, 0, 0, fragment, hopLimit, number, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]
        + options + transport
}

private func v6(next: UInt8, hopLimit: UInt8, transport: [UInt8]) -> [UInt8] {
    let source: [UInt8] = [0x20, 1, 0x0D, 0xB8] + Array(repeating: 0, count: 11) + [1]
    let destination: [UInt8] = [0x20, 1, 0x0D, 0xB8] + Array(repeating: 0, count: 11) + [2]
    return [0x60, 0, 0, 0, 0, UInt8(transport.count), next, hopLimit] + source + destination + transport
}
