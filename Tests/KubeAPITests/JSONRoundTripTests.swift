import KubeAPI
import Testing

struct JSONRoundTripTests {
    @Test("what is written is read back as the same, in every layout", arguments: 0..<200 as Range<UInt64>)
    func roundTrip(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let value = JSONValue.random(depth: 4, using: &random)
        for writer in [
            JSONWriter(), JSONWriter(.pretty), JSONWriter(.compact, sortsKeys: true), JSONWriter(.pretty, sortsKeys: true),
        ] {
            let bytes = writer.bytes(of: value)
            let back = try JSONReader().value(bytes)
            #expect(back == value, "seed \(seed)")
            #expect(writer.bytes(of: back) == bytes, "seed \(seed): writing is stable")
        }
    }

    @Test(
        "a changed byte never crashes the reader, and what it accepts can be written and read again",
        arguments: 0..<50 as Range<UInt64>)
    func damaged(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let bytes = JSONWriter().bytes(of: .random(depth: 4, using: &random))
        for _ in 0..<40 {
            var wrong = bytes
            wrong[Int.random(in: 0..<wrong.count, using: &random)] = UInt8(truncatingIfNeeded: random.next())
            guard let value = try? JSONReader().value(wrong) else { continue }
            #expect(try JSONReader().value(JSONWriter().bytes(of: value)) == value, "seed \(seed)")
        }
    }

    @Test("the stream cuts the same documents wherever its chunks end", arguments: 0..<50 as Range<UInt64>)
    func chunks(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let documents: [JSONValue] = (0..<6).map { _ in ["type": "ADDED", "object": .random(depth: 3, using: &random)] }
        var bytes: [UInt8] = []
        for document in documents {
            JSONWriter(Bool.random(using: &random) ? .compact : .pretty).write(document, to: &bytes)
            if Bool.random(using: &random) { bytes.append(UInt8(ascii: "\n")) }
        }
        var stream = JSONStream()
        var result: [JSONValue] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = Int.random(in: 0...min(rest.count, 40), using: &random)
            result += try stream.feed(rest.prefix(count))
            rest = rest.dropFirst(count)
        }
        try stream.finish()
        #expect(result == documents, "seed \(seed)")
        #expect(stream.pending == 0)
    }
}
