import KubeAPI
import Testing

@testable import KubeClient

struct YAMLTests {
    @Test(
        "plain scalars mean what kubectl makes of them",
        arguments: [
            ("yes", true), ("Yes", true), ("YES", true), ("y", true), ("Y", true), ("on", true), ("true", true), ("True", true),
            ("no", false), ("n", false), ("N", false), ("off", false), ("OFF", false), ("FALSE", false),
            ("yEs", "yEs"), ("tRue", "tRue"), ("yess", "yess"),
            ("~", nil), ("null", nil), ("Null", nil), ("nULL", "nULL"),
            ("0", 0), ("12", 12), ("+12", 12), ("-12", -12), ("1_000", 1000), ("0x1F", 31), ("0b101", 5), ("0o17", 15),
            ("017", 15), ("-0x10", -16),
            ("089", 89), ("1.0", 1), ("1e3", 1000), ("+.5e1", 5), ("1.", 1),
            ("18446744073709551615", .number(JSONNumber(UInt64.max))), ("-9223372036854775808", .number(JSONNumber(Int64.min))),
            ("0x", "0x"), ("0b2", "0b2"), ("1.2.3", "1.2.3"), ("1e", "1e"), ("--1", "--1"), ("+-1", "+-1"),
            (".", "."), ("1_", 1),
            ("10.244.0.0/16", "10.244.0.0/16"), ("192.0.2.1", "192.0.2.1"), ("2026-01-01", "2026-01-01"),
            ("12:30:45", "12:30:45"),
            ("500m", "500m"), ("128Mi", "128Mi"), ("fe80::1", "fe80::1"), ("::1", "::1"), ("é", "é"),
        ] as [(String, JSONValue)])
    func plain(_ text: String, _ value: JSONValue) throws {
        #expect(try YAMLScalar.value(text) == value)
        #expect(try YAMLReader.documents("a: \(text)\n").first?.value == ["a": value])
    }

    @Test("doubles stay doubles, and an integer beyond 64 bits becomes one")
    func doubles() throws {
        #expect(try YAMLScalar.value("-") == "-")
        #expect(try YAMLScalar.value("0.5").number?.double == 0.5)
        #expect(try YAMLScalar.value("18446744073709551616").number?.double == 0x1p64)
        #expect(try YAMLScalar.value("-9223372036854775809").number?.double == -0x1p63)
    }

    @Test(
        "quoted, block and tagged scalars are what they say",
        arguments: [
            (#"a: "yes""#, "yes"), ("a: 'no'", "no"), (#"a: "12""#, "12"), ("a: |\n  12\n", "12\n"), ("a: >-\n  on\n", "on"),
            ("a: !!str 12", "12"), ("a: !!str yes", "yes"), ("a: !!int 12", 12), ("a: !!bool yes", true), ("a: !!null ''", nil),
            ("a: !!timestamp 2026-01-01", "2026-01-01"), ("a:", nil), ("a: ''", ""), (#"a: "\u00e9\n""#, "é\n"),
        ] as [(String, JSONValue)])
    func styled(_ text: String, _ value: JSONValue) throws {
        #expect(try YAMLReader.documents(text).first?.value == ["a": value])
    }

    @Test(
        "keys become strings",
        arguments: [
            ("yes: 1", "true"), ("on: 1", "true"), ("5: 1", "5"), ("0x10: 1", "16"), ("'yes': 1", "yes"), ("1.5: 1", "1.5"),
            ("a b: 1", "a b"),
            ("app.kubernetes.io/name: 1", "app.kubernetes.io/name"),
        ])
    func keys(_ text: String, _ key: String) throws {
        #expect(try YAMLReader.documents(text).first?.value == .object([key: 1]))
    }

    @Test("anchors, aliases and merge keys work, and what a map says itself wins")
    func aliases() throws {
        let text = """
            base: &base {w: 2, x: 1}
            other: &other {w: 3, z: 4}
            copy: *base
            merged:
              <<: [*base, *other]
              x: 9
            """
        let value = try #require(try YAMLReader.documents(text).first?.value)
        #expect(value["copy"] == ["w": 2, "x": 1])
        #expect(value["merged"] == ["x": 9, "w": 2, "z": 4])
    }

    @Test("many documents, empty ones left out, and JSON among them")
    func documents() throws {
        let documents = try YAMLReader.documents("# head\n---\na: 1\n---\n---\n# nothing\n---\n{\"b\": [1, 2]}\n...\n")
        #expect(documents.map(\.value) == [["a": 1], ["b": [1, 2]]])
        #expect(documents.map(\.line) == [3, 8])
    }

    @Test(
        "wrong YAML is refused with its document and line",
        arguments: [
            ("a: [1", 1, 1, ""),
            ("a: 1\n---\nb: 1\n c: 2\n", 2, 4, ""),
            ("a: 1\nb: 2\na: 3\n", 1, 1, "key a is there twice in one map"),
            ("yes: 1\ntrue: 2\n", 1, 2, "key true is there twice in one map"),
            ("a: *none", 1, 1, "found undefined alias"),
            ("x: 1\ny: .inf", 1, 2, ".inf is a number that JSON cannot say; quote it if it is meant as text"),
            ("a: !!binary aGk=", 1, 1, "the tag tag:yaml.org,2002:binary has no meaning in JSON"),
            ("a: !mine 1", 1, 1, "the tag !mine has no meaning in JSON"),
            ("a: !!int x", 1, 1, "\"x\" is not what its tag tag:yaml.org,2002:int says"),
            ("~: 1", 1, 1, "a key must not be null"),
            ("[1]: 1", 1, 1, "a key must be a string"),
            ("a: {<<: 1}", 1, 1, "only maps can be merged"),
            ("\ta: 1", 1, 1, ""),
        ])
    func refuses(_ text: String, _ document: Int, _ line: Int, _ message: String) throws {
        let fault = try #require(throws: YAMLReader.Fault.self) { try YAMLReader.documents(text) }
        #expect(fault.document == document, "\(fault)")
        #expect(fault.line >= line && fault.line <= line + 2, "\(fault)")
        if !message.isEmpty { #expect(fault.message == message) }
    }

    @Test("a few lines that unfold to billions of nodes are refused")
    func bomb() throws {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...9 {
            let alias = "*a\(level - 1)"
            text += "a\(level): &a\(level) [\(Array(repeating: alias, count: 10).joined(separator: ", "))]\n"
        }
        let fault = try #require(throws: YAMLReader.Fault.self) { try YAMLReader.documents(text) }
        #expect(fault.message == "the aliases expand to far more than the file holds")
    }
}
