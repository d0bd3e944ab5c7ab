import Addressing

/// A packet's headers as far as a walk is about them.
struct Packet: Hashable {
    var source: SocketAddress
    var destination: SocketAddress
    var transport: TransportProtocol
    /// How many more routers it may pass: every node takes one.
    var hopLimit: UInt8
    /// TCP's flags byte (RFC 9293 §3.1); zero for UDP.
    var flags: UInt8
    /// Bytes of the whole packet.
    var length: Int

    /// Reads a packet from its network header on; `nil` for what is neither TCP nor UDP, or a fragment, or cut short.
    init?(_ bytes: ArraySlice<UInt8>) {
        let bytes = Array(bytes)
        guard let version = bytes.first.map({ $0 >> 4 }) else { return nil }
        let header: Int
        let ends: (IPAddress, IPAddress)
        let number: UInt8
        switch version {
        case 4:
            header = Int(bytes[0] & 15) * 4
            // A fragment's offset: only the first has ports.
            guard bytes.count >= header, header >= 20, bytes[6] & 0x1F == 0, bytes[7] == 0,
                let source = IPAddress(bytes: bytes[12..<16]), let destination = IPAddress(bytes: bytes[16..<20])
            else { return nil }
            (ends, number, hopLimit) = ((source, destination), bytes[9], bytes[8])
        case 6:
            header = 40
            // Extension headers are not followed: the walk's packets have none.
            guard bytes.count >= header, let source = IPAddress(bytes: bytes[8..<24]),
                let destination = IPAddress(bytes: bytes[24..<40])
            else { return nil }
            (ends, number, hopLimit) = ((source, destination), bytes[6], bytes[7])
        default: return nil
        }
        guard let transport = TransportProtocol(number: number), transport != .sctp,
            bytes.count >= header + (transport == .tcp ? 14 : 8)
        else { return nil }
        func port(_ offset: Int) -> UInt16 { UInt16(bytes[header + offset]) << 8 | UInt16(bytes[header + offset + 1]) }
        self.transport = transport
        source = SocketAddress(ends.0, port(0))
        destination = SocketAddress(ends.1, port(2))
        flags = transport == .tcp ? bytes[header + 13] : 0
        length = bytes.count
    }

    /// `SYN`, `SYN ACK`, … or nothing for UDP.
    var flagText: String {
        let names: [(UInt8, String)] = [(2, "SYN"), (16, "ACK"), (8, "PSH"), (1, "FIN"), (4, "RST")]
        return names.filter { flags & $0.0 != 0 }.map(\.1).joined(separator: " ")
    }
}
