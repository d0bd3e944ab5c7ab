import KubeAPI
import Testing

struct JSONStreamTests {
    @Test("braces and quotes inside strings end nothing")
    func strings() throws {
        var stream = JSONStream()
        #expect(try stream.feed(Array(#"{"a":"}\"]{"#.utf8)) == [])
        #expect(try stream.feed(Array(#""}[1]"#.utf8)) == [["a": "}\"]{"], [1]])
        #expect(throws: Never.self) { try stream.finish() }
    }

    @Test(
        "a stream that is no JSON is refused as early as it can be",
        arguments: [
            ("<html>", JSONError.Code.syntax, 0),
            ("upstream timed out", .syntax, 0),
            ("{}\n\n502", .syntax, 4),
            ("{]", .syntax, 1),
            ("{}{\"a\" 1}", .syntax, 7),
            ("\"alone\"", .syntax, 0),
        ])
    func refuses(_ text: String, _ code: JSONError.Code, _ offset: Int) throws {
        var stream = JSONStream()
        let error = try #require(throws: JSONError.self) { try stream.feed(Array(text.utf8)) }
        #expect(error.code == code)
        #expect(error.offset == offset)
    }

    @Test("offsets count from the start of the stream, over chunks")
    func offsets() throws {
        var stream = JSONStream()
        _ = try stream.feed(Array("{}  {".utf8))
        #expect(try #require(throws: JSONError.self) { try stream.feed(Array(#""a" 1}"#.utf8)) }.offset == 9)
    }

    @Test("after an error the stream stays broken")
    func broken() throws {
        var stream = JSONStream()
        #expect(throws: JSONError.self) { try stream.feed(Array("x".utf8)) }
        #expect(try #require(throws: JSONError.self) { try stream.feed(Array("{}".utf8)) }.code == .broken)
        #expect(throws: JSONError.self) { try stream.finish() }
    }

    @Test("a document beyond the limit is refused before its end is there, one at the limit is not")
    func limit() throws {
        var stream = JSONStream(limit: 10)
        #expect(try stream.feed(Array("[12345678][12345678]".utf8)).count == 2)
        #expect(try #require(throws: JSONError.self) { try stream.feed(Array("[1234567890".utf8)) }.code == .size)
    }

    @Test("an end inside a document is an error, an end between two is not")
    func finish() throws {
        var stream = JSONStream()
        _ = try stream.feed(Array(#"{"a":1} {"b""#.utf8))
        #expect(try #require(throws: JSONError.self) { try stream.finish() }.code == .incomplete)
    }
}
