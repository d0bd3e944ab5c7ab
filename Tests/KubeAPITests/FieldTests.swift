import Addressing
import KubeAPI
import Testing

struct FieldTests {
    @Test("paths are written as kube-apiserver writes them")
    func paths() {
        let port = FieldPath("spec").child("containers").index(0).child("ports").index(1).child("containerPort")
        #expect(port.description == "spec.containers[0].ports[1].containerPort")
        #expect(
            FieldPath("metadata", "labels").key("app.kubernetes.io/name").description == "metadata.labels[app.kubernetes.io/name]"
        )
        #expect(FieldPath.root.description == "")
    }

    static let wordings: [(FieldError, String)] = [
        (.required(FieldPath("a"), "why"), "a: Required value: why"),
        (.required(FieldPath("a")), "a: Required value"),
        (
            .invalid(FieldPath("spec", "podCIDR"), "10.0.0.0/33", "must be a valid CIDR value"),
            #"spec.podCIDR: Invalid value: "10.0.0.0/33": must be a valid CIDR value"#
        ),
        (.invalid(FieldPath("a"), ["x", "y"], "no"), #"a: Invalid value: ["x","y"]: no"#),
        (
            .typeInvalid(FieldPath("a"), 7, "must be a string, not a number"),
            "a: Invalid value: 7: must be a string, not a number"
        ),
        (.notSupported(FieldPath("a"), "c", ["A", "B"]), #"a: Unsupported value: "c": supported values: "A", "B""#),
        (.duplicate(FieldPath("a"), "x\n\"\u{1}"), #"a: Duplicate value: "x\n\"\x01""#),
        (.notFound(FieldPath("a"), true), "a: Not found: true"),
        (.forbidden(FieldPath("a"), "not allowed on this type"), "a: Forbidden: not allowed on this type"),
        (.tooLong(FieldPath("a"), limit: 1), "a: Too long: may not be more than 1 byte"),
        (.tooMany(FieldPath("a"), 5, limit: 2), "a: Too many: 5: must have at most 2 items"),
    ]

    @Test("errors have kube-apiserver's words", arguments: wordings)
    func wording(_ error: FieldError, _ text: String) {
        #expect(error.description == text)
    }

    @Test("every kind of error is in the table of wordings")
    func complete() {
        #expect(Set(Self.wordings.map(\.0.kind)) == Set(FieldError.Kind.allCases))
    }

    @Test("reading collects every error with its path and goes on")
    func collects() {
        let tree: JSONValue = [
            "name": 7, "flag": "yes", "count": "1", "list": ["a", 2, nil], "labels": ["x": 1, "y": nil, "z": "z"],
            "inner": [], "items": [["name": "one"], "two", ["name": true]], "address": "1.2.3", "prefixes": ["10.0.0.1/8", "x"],
            "good": "good",
        ]
        var fields = FieldReader(tree)
        #expect(fields.string("name") == nil)
        #expect(fields.bool("flag") == nil)
        #expect(fields.integer("count") == nil)
        #expect(fields.strings("list") == ["a"])
        #expect(fields.map("labels") == ["y": "", "z": "z"])
        #expect(fields.object("inner") { $0.string("x") } == nil)
        #expect(fields.list("items") { $0.string("name") } == ["one", nil])
        #expect(fields.address("address") == nil)
        #expect(fields.prefixes("prefixes").map(\.description) == ["10.0.0.0/8"])
        #expect(fields.string("good") == "good")
        #expect(fields.path.description == "")
        let expected = """
            name: Invalid value: 7: must be a string, not a number
            flag: Invalid value: "yes": must be a boolean, not a string
            count: Invalid value: "1": must be an integer, not a string
            list[1]: Invalid value: 2: must be a string, not a number
            list[2]: Invalid value: null: must be a string, not null
            labels[x]: Invalid value: 1: must be a string, not a number
            inner: Invalid value: "array": must be an object, not an array
            items[1]: Invalid value: "two": must be an object, not a string
            items[2].name: Invalid value: true: must be a string, not a boolean
            address: Invalid value: "1.2.3": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)
            prefixes[1]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)
            """
        #expect(fields.errors.map(\.description).joined(separator: "\n") == expected)
    }

    @Test("a fraction is no integer, a whole double is one")
    func integers() throws {
        var fields = FieldReader(try JSONReader().value(#"{"a": 1.5, "b": 2.0, "c": 18446744073709551615}"#))
        #expect(fields.integer("a") == nil)
        #expect(fields.integer("b") == 2)
        #expect(fields.integer("c") == nil)
        #expect(fields.errors.count == 2)
    }

    @Test("null and absence are the same")
    func nulls() {
        var fields = FieldReader(["a": nil])
        #expect(fields.string("a") == nil)
        #expect(fields.strings("a") == [])
        #expect(fields.list("a") { _ in 1 } == [])
        #expect(fields.section("a") { $0.string("x") ?? "default" } == "default")
        #expect(fields.errors.isEmpty)
    }
}
