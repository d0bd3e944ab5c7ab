import DNS
import Testing

@Suite("messages in a stream")
struct StreamFramingTests {
    @Test("however the stream is cut, the messages come out whole and in order", arguments: 0..<20 as Range<UInt64>)
    func cuts(_ seed: UInt64) throws {
        var dice = SeededDice(seed)
        let messages = (0..<50).map { _ in dice.bytes(dice.below(dice.chance(10) ? 65536 : 40)) }
        var stream = try messages.flatMap { try #require(StreamFraming.framed($0)) }[...]
        var framing = StreamFraming()
        var found: [[UInt8]] = []
        while !stream.isEmpty {
            let piece = stream.prefix(1 + dice.below(dice.chance(5) ? 100_000 : 50))
            stream = stream.dropFirst(piece.count)
            framing.append(piece)
            while let message = framing.next() { found.append(message) }
            #expect(framing.held < 2 + 65535)
        }
        #expect(found == messages && framing.held == 0, "seed \(seed)")
    }

    @Test(
        "what is not whole yet does not come out",
        arguments: [[], [0], [0, 1], [0, 2, 1], [255, 255, 1, 2, 3]] as [[UInt8]])
    func incomplete(_ bytes: [UInt8]) {
        var framing = StreamFraming()
        framing.append(bytes)
        #expect(framing.next() == nil && framing.held == bytes.count)
    }

    @Test("an empty message is one, and one of 65,536 bytes has no frame")
    func borders() {
        var framing = StreamFraming()
        framing.append([0, 0, 0, 1])
        #expect(framing.next() == [] && framing.next() == nil)
        framing.append([9])
        #expect(framing.next() == [9])
        #expect(StreamFraming.framed(Array(repeating: 0, count: 65535))?.count == 65537)
        #expect(StreamFraming.framed(Array(repeating: 0, count: 65536)) == nil)
    }
}
