import CNI
import Testing

@Suite("Small JSON")
struct SmallJSONTests {
    @Test(
        "a document comes out as it went in",
        arguments: [
            "null", "true", "[]", "{}", "-0.5e+10", "18446744073709551616", #""a\"b\\c""#, #"{"a":[1,{"b":null}],"c":"ä"}"#,
            #""\u0001\n""#,
        ])
    func roundTrip(_ text: String) throws {
        #expect(try SmallJSON(reading: text.utf8).description == text)
    }

    @Test("escapes and surrogate pairs are read")
    func escapes() throws {
        #expect(try SmallJSON(reading: #""\u00e4\ud83d\ude00\/""#.utf8) == .string("ä😀/"))
    }

    @Test(
        "what is no JSON is refused at its place",
        arguments: [
            ("", 0), (" ", 1), ("nul", 0), ("[1,]", 3), ("[1 2]", 3), (#"{"a" 1}"#, 5), (#"{"a":1,}"#, 7), (#"{a:1}"#, 1),
            (#"{"a":1,"a":2}"#, 7),  // twice: which one did they mean?
            ("01", 1), ("1.", 2), ("-", 1), ("1e", 2), ("+1", 0), (".5", 0), ("1 2", 2), ("\"a", 2), ("\"\n\"", 1),
            (#""\x""#, 2), (#""\u12g4""#, 5), (#""\ud83d""#, 7), (#""\udc00""#, 7), ("[", 1), ("{", 1), ("NaN", 0),
        ] as [(String, Int)])
    func malformed(_ text: String, _ offset: Int) {
        #expect { try SmallJSON(reading: text.utf8) } throws: { ($0 as? SmallJSON.Malformation)?.offset == offset }
    }

    @Test("a member that comes twice is found in small objects and in large ones", arguments: [2, 31, 32, 33, 34, 100])
    func twice(_ count: Int) throws {
        let members = (0..<count).map { "\"m\($0)\":0" }
        _ = try SmallJSON(reading: "{\(members.joined(separator: ","))}".utf8)
        for again in [0, count - 1] {
            #expect(throws: SmallJSON.Malformation.self) {
                try SmallJSON(reading: "{\((members + [members[again]]).joined(separator: ","))}".utf8)
            }
        }
    }

    @Test("bytes that are not UTF-8 are refused")
    func notUTF8() {
        #expect(throws: SmallJSON.Malformation.self) { try SmallJSON(reading: [0x22, 0xC3, 0x22]) }
    }

    @Test("depth has a limit, so that input cannot use up our stack")
    func depth() throws {
        let limit = SmallJSON.depthLimit
        _ = try SmallJSON(reading: (String(repeating: "[", count: limit) + String(repeating: "]", count: limit)).utf8)
        #expect(throws: SmallJSON.Malformation.self) { try SmallJSON(reading: String(repeating: "[", count: limit + 1).utf8) }
    }

    @Test("random bytes never end the process, and what is read can be written and read again")
    func random() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var state = seed
        let alphabet = Array(#"{}[]":,\u0012e-.tfn aé"#.utf8)
        for _ in 0..<20_000 {
            var bytes: [UInt8] = []
            repeat {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                bytes.append(alphabet[Int(state >> 33) % alphabet.count])
            } while (state >> 40) % 12 != 0
            guard let tree = try? SmallJSON(reading: bytes) else { continue }
            #expect(try SmallJSON(reading: tree.bytes) == tree, "seed \(seed)")
        }
    }
}
