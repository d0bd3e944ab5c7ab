import Addressing
import Testing

@testable import Netlink

@Suite("packets that rules log") struct PacketLogTests {
    /// `nfgenmsg`, then attributes: `NFULA_PREFIX` and `NFULA_PAYLOAD`.
    private func message(_ payload: [UInt8], type: UInt16 = 4 << 8) -> [UInt8] {
        var writer = MessageWriter()
        var body = MessageWriter()
        body.append(bytes: [2, 0, 0, 7])
        body.attribute(10, "tulle 1")
        body.attribute(9, bytes: payload)
        writer.message(type, flags: [], sequence: 0, payload: body.bytes)
        return writer.bytes
    }

    private let udp4: [UInt8] =
        [0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2] + [0x9C, 0x40, 0, 53, 0, 12, 0, 0]

    private func flow(_ payload: [UInt8]) throws -> LoggedPacket.Flow? {
        let message = try #require(Message.split(message(payload)[...]).first)
        return try #require(LoggedPacket(message)).flow
    }

    @Test("a packet says who talks to whom, and the rule what it thinks of it")
    func read() throws {
        let message = try #require(Message.split(message(udp4)[...]).first)
        let packet = try #require(LoggedPacket(message))
        #expect(packet.prefix == "tulle 1" && packet.payload == udp4)
        let flow = try #require(packet.flow)
        #expect(flow.source.description == "10.0.0.1" && flow.destination.description == "10.0.0.2")
        #expect(flow.transport == 17 && flow.sourcePort == 40_000 && flow.destinationPort == 53)
    }

    @Test("what is missing among the numbers of a log's packets is lost, also where they go round")
    func numbers() {
        func packet(_ number: UInt32?) -> LoggedPacket {
            var packet = LoggedPacket(prefix: "", payload: [])
            packet.number = number
            return packet
        }
        var sequence = LogSequence()
        #expect(sequence.lost(before: [packet(0), packet(1)]) == 0)
        #expect(sequence.lost(before: [packet(2), packet(5), packet(6)]) == 2)
        // A kernel that says none says nothing of what was lost.
        #expect(sequence.lost(before: [packet(nil)]) == 0)
        #expect(sequence.lost(before: []) == 0)
        #expect(sequence.lost(before: [packet(7)]) == 0)
        var late = LogSequence()
        #expect(late.lost(before: [packet(.max)]) == Int(UInt32.max))
        #expect(late.lost(before: [packet(1)]) == 1)
    }

    @Test("of IPv6 the extensions are passed over; a later fragment has no ports")
    func extensions() throws {
        let header: [UInt8] = [0x60, 0, 0, 0, 0, 24, 0, 64] + Array(repeating: 1, count: 16) + Array(repeating: 2, count: 16)
        let options: [UInt8] = [44, 0, 0, 0, 0, 0, 0, 0]
        let tcp: [UInt8] = [0x9C, 0x40, 1, 187, 0, 0, 0, 0]
        let first = try #require(try flow(header + options + [6, 0, 0, 1, 0, 0, 0, 9] + tcp))
        #expect(first.transport == 6 && first.destinationPort == 443)
        let later = try #require(try flow(header + options + [6, 0, 1, 1, 0, 0, 0, 9] + tcp))
        #expect(later.transport == 6 && later.destinationPort == 0)
    }

    @Test("a message that is cut short, or is none, is nothing or says less; it breaks nothing")
    func hostile() throws {
        let whole = message(udp4)
        for count in 0...whole.count {
            for message in Message.split(whole.prefix(count)) { _ = LoggedPacket(message)?.flow }
        }
        for count in 0...udp4.count { _ = try flow(Array(udp4.prefix(count))) }
        #expect(try flow([]) == nil && flow([0x45]) == nil && flow([0x41] + udp4.dropFirst()) == nil && flow([0x60]) == nil)
        #expect(LoggedPacket(try #require(Message.split(message(udp4, type: 4 << 8 | 1)[...]).first)) == nil)
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            var bytes = (0..<Int.random(in: 0..<96, using: &generator)).map { _ in UInt8.random(in: 0...255, using: &generator) }
            if !bytes.isEmpty { bytes[0] = Bool.random() ? 0x45 : 0x60 }
            _ = LoggedPacket(prefix: "", payload: bytes).flow
        }
    }
}
