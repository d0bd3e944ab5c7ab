import KubeAPI
import Testing

struct JSONReaderTests {
    struct Wrong: CustomTestStringConvertible {
        let bytes: [UInt8]
        let code: JSONError.Code
        let text: String
        let why: String
        var testDescription: String { why }

        init(_ json: String, _ code: JSONError.Code, _ text: String, _ why: String) {
            self.init(Array(json.utf8), code, text, why)
        }

        init(_ bytes: [UInt8], _ code: JSONError.Code, _ text: String, _ why: String) {
            (self.bytes, self.code, self.text, self.why) = (bytes, code, text, why)
        }
    }

    static let wrong: [Wrong] = [
        Wrong("", .incomplete, "line 1, column 1 (byte 0): expected a value, found the end", "nothing is no document"),
        Wrong(" \n ", .incomplete, "line 2, column 2 (byte 3): expected a value, found the end", "space is no document"),
        Wrong("{", .incomplete, "line 1, column 2 (byte 1): expected a key in quotes, found the end", "an object must end"),
        Wrong(
            "[1", .incomplete, "line 1, column 3 (byte 2): expected ',' or ']' after an element, found the end",
            "an array must end"),
        Wrong(
            #""ab"#, .incomplete, "line 1, column 4 (byte 3): expected '\"' at the end of a string, found the end",
            "a string must end"),
        Wrong(
            #"{"a":1"#, .incomplete, "line 1, column 7 (byte 6): expected ',' or '}' after a member, found the end",
            "after a member"),
        Wrong(#"{"a""#, .incomplete, "line 1, column 5 (byte 4): expected ':' after a key, found the end", "after a key"),
        Wrong("[1,]", .syntax, "line 1, column 4 (byte 3): expected a value, found ']'", "a trailing comma"),
        Wrong(
            #"{"a":1,}"#, .syntax, "line 1, column 8 (byte 7): expected a key in quotes, found '}'",
            "a trailing comma in an object"),
        Wrong("{a:1}", .syntax, "line 1, column 2 (byte 1): expected a key in quotes, found 'a'", "a bare key is JavaScript"),
        Wrong(
            "{'a':1}", .syntax, "line 1, column 2 (byte 1): expected a key in quotes, found '''", "single quotes are JavaScript"),
        Wrong(
            "{\n  \"a\": 1\n  \"b\": 2\n}", .syntax, "line 3, column 3 (byte 13): expected ',' or '}' after a member, found '\"'",
            "the line is counted"),
        Wrong("[1 2]", .syntax, "line 1, column 4 (byte 3): expected ',' or ']' after an element, found '2'", "a missing comma"),
        Wrong("{}{}", .syntax, "line 1, column 3 (byte 2): expected the end after the value, found '{'", "two documents"),
        Wrong("// no\n1", .syntax, "line 1, column 1 (byte 0): expected a value, found '/'", "a comment"),
        Wrong("tru", .incomplete, "line 1, column 4 (byte 3): expected the rest of 'true', found the end", "a cut word"),
        Wrong("nul1", .syntax, "line 1, column 4 (byte 3): expected the rest of 'null', found '1'", "a wrong word"),
        Wrong("True", .syntax, "line 1, column 1 (byte 0): expected a value, found 'T'", "Python's word"),
        Wrong("NaN", .syntax, "line 1, column 1 (byte 0): expected a value, found 'N'", "JSON has no NaN"),
        Wrong("01", .syntax, "line 1, column 2 (byte 1): expected no digit after a leading zero, found '1'", "octal to some"),
        Wrong("-", .incomplete, "line 1, column 2 (byte 1): expected a digit, found the end", "a lone sign"),
        Wrong("+1", .syntax, "line 1, column 1 (byte 0): expected a value, found '+'", "a plus sign"),
        Wrong(".5", .syntax, "line 1, column 1 (byte 0): expected a value, found '.'", "no digit before the point"),
        Wrong(
            "1.", .incomplete, "line 1, column 3 (byte 2): expected a digit after '.', found the end", "no digit after the point"),
        Wrong("1e", .incomplete, "line 1, column 3 (byte 2): expected a digit in the exponent, found the end", "no exponent"),
        Wrong("1e+-2", .syntax, "line 1, column 4 (byte 3): expected a digit in the exponent, found '-'", "two signs"),
        Wrong("0x10", .syntax, "line 1, column 2 (byte 1): expected the end after the value, found 'x'", "hexadecimal"),
        Wrong(
            "18446744073709551616", .number, "line 1, column 1 (byte 0): expected an integer of at most 64 bits",
            "one more than 64 bits hold"),
        Wrong(
            "-9223372036854775809", .number, "line 1, column 1 (byte 0): expected an integer of at most 64 bits",
            "one less than 64 bits hold"),
        Wrong(
            "[1e400]", .number, "line 1, column 2 (byte 1): expected a number that a double can hold", "an infinity in disguise"),
        Wrong(
            "\"a\u{1}\"", .syntax,
            "line 1, column 3 (byte 2): expected control characters in a string to be escaped, found byte 0x1",
            "a raw control character"),
        Wrong(
            "\"a\nb\"", .syntax,
            "line 1, column 3 (byte 2): expected control characters in a string to be escaped, found byte 0xa", "a raw line end"),
        Wrong(#""\x41""#, .syntax, "line 1, column 3 (byte 2): expected one of \"\\/bfnrtu after '\\', found 'x'", "C's escape"),
        Wrong(
            #""\u12g4""#, .syntax, "line 1, column 6 (byte 5): expected four hexadecimal digits after '\\u', found 'g'",
            "no digit"),
        Wrong(
            #""\ud800""#, .encoding, "line 1, column 2 (byte 1): expected both halves of a surrogate pair, found one (\\ud800)",
            "a lone first half"),
        Wrong(
            #""\udc00""#, .encoding, "line 1, column 2 (byte 1): expected both halves of a surrogate pair, found one (\\udc00)",
            "a lone second half"),
        Wrong(
            #""\ud800A""#, .encoding, "line 1, column 2 (byte 1): expected both halves of a surrogate pair, found one (\\ud800)",
            "two first halves"),
        Wrong(
            [0x22, 0x61, 0xFF, 0x22], .encoding, "line 1, column 3 (byte 2): expected UTF-8 in a string", "a byte UTF-8 never has"
        ),
        Wrong([0x22, 0xC0, 0xAF, 0x22], .encoding, "line 1, column 2 (byte 1): expected UTF-8 in a string", "an overlong slash"),
        Wrong(
            [0x22, 0xED, 0xA0, 0x80, 0x22], .encoding, "line 1, column 2 (byte 1): expected UTF-8 in a string",
            "a surrogate as UTF-8"),
        Wrong([0x22, 0xE2, 0x82, 0x22], .encoding, "line 1, column 2 (byte 1): expected UTF-8 in a string", "a cut character"),
        Wrong(
            [0xEF, 0xBB, 0xBF, 0x31], .syntax, "line 1, column 1 (byte 0): expected a value, found byte 0xef", "a byte order mark"
        ),
        Wrong(#"{"a":{"b":1,"b":2}}"#, .duplicate, "line 1, column 13 (byte 12): duplicate field \"a.b\"", "a key twice"),
        Wrong(
            #"{"l":[{},{"b":1,"b":2}]}"#, .duplicate, "line 1, column 17 (byte 16): duplicate field \"l[1].b\"",
            "a key twice in a list"),
    ]

    @Test("wrong JSON is refused with its place and what was expected", arguments: wrong)
    func refuses(_ wrong: Wrong) throws {
        let error = try #require(throws: JSONError.self) { try JSONReader().value(wrong.bytes) }
        #expect(error.code == wrong.code)
        #expect(error.description.hasPrefix(wrong.text), "got: \(error)")
    }

    @Test(
        "what is right is read",
        arguments: [
            ("null", JSONValue.null),
            (" true\r\n", true),
            ("0", 0),
            ("-0", 0),
            ("9223372036854775807", .number(JSONNumber(Int64.max))),
            ("-9223372036854775808", .number(JSONNumber(Int64.min))),
            ("18446744073709551615", .number(JSONNumber(UInt64.max))),
            (#""""#, ""),
            (#""\"\\\/\b\f\n\r\t\u0041\ud83d\ude00é""#, "\"\\/\u{8}\u{C}\n\r\tA😀é"),
            (#""\u0000""#, "\0"),
            ("[]", []),
            ("{}", [:]),
            (#"{"b":[1,{"c":null}],"a":"x"}"#, ["b": [1, ["c": nil]], "a": "x"]),
            (
                #"{"terminationGracePeriodSeconds":1,"x":{"terminationGracePeriodSeconds":2}}"#,
                ["terminationGracePeriodSeconds": 1, "x": ["terminationGracePeriodSeconds": 2]]
            ),
        ] as [(String, JSONValue)])
    func reads(_ text: String, _ value: JSONValue) throws {
        #expect(try JSONReader().value(text) == value)
    }

    @Test("doubles survive, and stay apart from integers")
    func doubles() throws {
        #expect(try JSONReader().value("1.0") != 1)
        #expect(try JSONReader().value("1.0").number?.integer == 1)
        #expect(
            try JSONReader().value("-9223372036854775808.0").number?.integer == nil,
            "the smallest is left out with its neighbours")
        #expect(try JSONReader().value("1e300").number?.integer == nil)
        #expect(try JSONReader().value("-1.0").number?.unsigned == nil)
        #expect(try JSONReader().value("-2.5e-3").number?.double == -0.0025)
        #expect(try JSONReader().value("1e21").description == "1e+21")
        #expect(JSONNumber(Double.infinity) == nil)
    }

    @Test("the nesting limit holds exactly, for arrays and objects")
    func depth() throws {
        let reader = JSONReader(depth: 3)
        #expect(throws: Never.self) { try reader.value("[[[1]]]") }
        #expect(try #require(throws: JSONError.self) { try reader.value("[[[[1]]]]") }.code == .depth)
        #expect(try #require(throws: JSONError.self) { try reader.value(#"{"a":[{"b":{}}]}"#) }.code == .depth)
        let deep = String(repeating: "[", count: 100_000)
        #expect(try #require(throws: JSONError.self) { try JSONReader().value(deep) }.code == .depth)
    }

    @Test("a document notes repeated keys and keeps the last value in the first place")
    func duplicates() throws {
        let document = try JSONReader().document(Array(#"{"a":1,"b":{"c":1,"c":2},"a":3}"#.utf8))
        #expect(document.duplicates.map(\.description) == ["b.c", "a"])
        #expect(document.value.description == #"{"a":3,"b":{"c":2}}"#)
    }

    @Test("objects keep their order, compare without it, and find keys beyond the index")
    func objects() {
        var object = JSONObject()
        for number in 0..<40 { object["key-\(number)"] = .number(JSONNumber(Int64(number))) }
        #expect(Array(object.keys) == (0..<40).map { "key-\($0)" })
        object["key-3"] = nil
        object["key-7"] = "seven"
        #expect(object.count == 39)
        #expect(object["key-3"] == nil)
        #expect(object["key-7"] == "seven")
        #expect(object["key-39"] == 39)
        var other = JSONObject()
        for key in object.keys.reversed() { other[key] = object[key] }
        #expect(object == other)
        #expect(object.hashValue == other.hashValue)
        other["key-0"] = "zero"
        #expect(object != other)
        for number in 4..<35 { object["key-\(number)"] = nil }
        #expect(object["key-35"] == 35)
    }
}
