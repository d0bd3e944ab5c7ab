import Testing

@testable import Netlink

@Suite("messages and attribute trees")
struct MessageTests {
    @Test("a tree is read as it was written")
    func tree() throws {
        var writer = MessageWriter()
        writer.message(16, flags: [.request, .create], sequence: 7) { body in
            body.append(UInt32(0xAABB_CCDD))
            body.attribute(3, "eth0")
            body.attribute(4, UInt32(1450))
            body.nested(18) { info in
                info.attribute(1, "veth")
                info.nested(2) { $0.attribute(15, bigEndian: UInt16(8472)) }
                info.attribute(flag: 9)
            }
        }
        let message = try #require(Message.split(writer.bytes[...]).first)
        #expect(message.type == 16 && message.sequence == 7 && message.flags == [.request, .create])
        #expect(message.read(UInt32.self, at: 0) == 0xAABB_CCDD)
        let attributes = message.attributes(after: 4)
        #expect(attributes.map(\.type) == [3, 4, 18])
        #expect(attributes[3 as UInt16]?.text == "eth0")
        #expect(attributes[4 as UInt16]?.number(UInt32.self) == 1450)
        let info = try #require(attributes[18 as UInt16]).nested
        #expect(info[1 as UInt16]?.text == "veth")
        #expect(info[2 as UInt16]?.nested[15 as UInt16]?.bigEndian(UInt16.self) == 8472)
        #expect(info[9 as UInt16]?.bytes.isEmpty == true)
    }

    @Test(
        "a datagram that lies about lengths ends where the lie begins",
        arguments: [
            ([], 0),
            ([16, 0, 0, 0], 0),  // a header cut short
            (header(length: 15), 0),  // shorter than itself
            (header(length: 17), 0),  // longer than what is there
            (header(length: .max), 0),
            (header(length: 0), 0),  // would never end
            (header(length: 16), 1),
            (header(length: 16) + header(length: 200), 1),
            (header(length: 18) + [1, 2, 0, 0] + header(length: 16), 2),  // padded
            (header(length: 18) + [1, 2], 1),  // the last one without its padding
        ] as [([UInt8], Int)])
    func datagram(_ bytes: [UInt8], count: Int) {
        #expect(Message.split(bytes[...]).count == count)
    }

    private static func header(length: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: length >> ($0 * 8)) } + [UInt8](repeating: 0, count: 12)
    }

    @Test(
        "attributes that lie about their length end the list",
        arguments: [
            ([], 0),
            ([4, 0, 1], 0),  // a header cut short
            ([0, 0, 1, 0], 0),  // would never end
            ([3, 0, 1, 0], 0),  // shorter than itself
            ([5, 0, 1, 0], 0),  // longer than what is there
            ([255, 255, 1, 0, 0, 0], 0),
            ([4, 0, 1, 0], 1),
            ([5, 0, 1, 0, 9], 1),  // the last one without its padding
            ([5, 0, 1, 0, 9, 0, 0, 0, 4, 0, 2, 0], 2),
            ([4, 0, 1, 0, 7, 0, 2, 0], 1),
        ] as [([UInt8], Int)])
    func attributes(_ bytes: [UInt8], count: Int) {
        #expect(Attributes(bytes[...]).map(\.type).count == count)
    }

    @Test("a number is read only from an attribute of its size, a string up to its end")
    func sizes() {
        let short = Attribute(type: 1, bytes: [1, 2, 3])
        #expect(short.number(UInt32.self) == nil && short.number(UInt16.self) == nil && short.bigEndian(UInt8.self) == nil)
        #expect(Attribute(type: 1, bytes: []).text == "")
        #expect(Attribute(type: 1, bytes: [104, 105, 0, 120]).text == "hi")
        #expect(Attribute(type: 1, bytes: [104, 105]).text == "hi")
        let message = Message(type: 0, flags: [], sequence: 0, payload: [1, 2])
        #expect(message.read(UInt32.self, at: 0) == 0 && message.read(UInt16.self, at: 1) == 0)
        #expect(message.attributes(after: 16).map(\.type).isEmpty)
    }

    @Test("no bytes whatever make a reader fall", arguments: 0..<20 as Range<UInt64>)
    func noise(seed: UInt64) {
        var random = SplitMix(seed)
        for _ in 0..<500 {
            let bytes = (0..<Int.random(in: 0...96, using: &random)).map { _ in
                // Small numbers are likelier to be lengths that fit.
                UInt8.random(in: Bool.random(using: &random) ? 0...24 : 0...255, using: &random)
            }
            for type in [16, 20, 24, 28, 32] as [UInt16] {
                let message = Message(type: type, flags: [], sequence: 0, payload: bytes[...])
                _ = LinkMessage(message)
                _ = AddressMessage(message)
                _ = RouteMessage(message)
                _ = NeighbourMessage(message)
                _ = RuleMessage(message)
                _ = Acknowledgement(message)
            }
            for type in [2, 3] as [UInt16] {
                for flags in [0, 0x100, 0x200, 0x300] as [UInt16] {
                    _ = Acknowledgement(
                        Message(type: type, flags: NetlinkFlags(rawValue: flags), sequence: 0, payload: bytes[...]))
                }
            }
            for message in Message.split(bytes[...]) { _ = message.attributes(after: 4).map(\.nested).map { Array($0).count } }
        }
    }
}

/// A small random generator with a seed.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
