import APIServer
import KubeAPI
import Testing

@Suite struct PatchTests {
    @Test(
        "a merge patch does what RFC 7386, appendix A, says",
        arguments: [
            (#"{"a":"b"}"#, #"{"a":"c"}"#, #"{"a":"c"}"#),
            (#"{"a":"b"}"#, #"{"b":"c"}"#, #"{"a":"b","b":"c"}"#),
            (#"{"a":"b"}"#, #"{"a":null}"#, "{}"),
            (#"{"a":["b"]}"#, #"{"a":"c"}"#, #"{"a":"c"}"#),
            (#"{"a":"c"}"#, #"{"a":["b"]}"#, #"{"a":["b"]}"#),
            (#"{"a":{"b":"c"}}"#, #"{"a":{"b":"d","c":null}}"#, #"{"a":{"b":"d"}}"#),
            (#"{"a":[{"b":"c"}]}"#, #"{"a":[1]}"#, #"{"a":[1]}"#),
            (#"{"e":null}"#, #"{"a":1}"#, #"{"e":null,"a":1}"#),
            (#"{}"#, #"{"a":{"bb":{"ccc":null}}}"#, #"{"a":{"bb":{}}}"#),
        ])
    func merge(object: String, patch: String, wanted: String) throws {
        let patch = try Patch(
            contentType: "application/merge-patch+json; charset=utf-8", body: Array(patch.utf8), kind: served("Pod"))
        #expect(try patch.applied(to: tree(object)) == tree(wanted))
    }

    @Test("what is merged twice is merged once, and a difference leads from one object to the other", arguments: 0..<200)
    func mergeLaws(seed: Int) throws {
        var random = RandomObjects(seed)
        let (old, new) = (random.plain(depth: 3), random.plain(depth: 3))
        let patch = Patch.merge(Patch.mergeDifference(from: old, to: new))
        let once = try patch.applied(to: old)
        #expect(once == new, "seed \(seed)")
        #expect(try patch.applied(to: once) == once, "seed \(seed)")
        #expect(try Patch.merge([:]).applied(to: old) == old, "seed \(seed)")
    }

    @Test(
        "JSON patch operations do what RFC 6902 says",
        arguments: [
            (#"[{"op":"add","path":"/b","value":2}]"#, #"{"a":[1,2],"m/n":{"~":0},"b":2}"#),
            (#"[{"op":"add","path":"/a/1","value":9}]"#, #"{"a":[1,9,2],"m/n":{"~":0}}"#),
            (#"[{"op":"add","path":"/a/-","value":9}]"#, #"{"a":[1,2,9],"m/n":{"~":0}}"#),
            (#"[{"op":"remove","path":"/a/0"}]"#, #"{"a":[2],"m/n":{"~":0}}"#),
            (#"[{"op":"replace","path":"/m~1n/~0","value":5}]"#, #"{"a":[1,2],"m/n":{"~":5}}"#),
            (#"[{"op":"move","from":"/a","path":"/c"}]"#, #"{"c":[1,2],"m/n":{"~":0}}"#),
            (#"[{"op":"copy","from":"/a/0","path":"/a/-"}]"#, #"{"a":[1,2,1],"m/n":{"~":0}}"#),
            (#"[{"op":"test","path":"/a/0","value":1.0},{"op":"remove","path":"/m~1n"}]"#, #"{"a":[1,2]}"#),
            (#"[{"op":"add","path":"","value":{"x":1}}]"#, #"{"x":1}"#),
            ("[]", #"{"a":[1,2],"m/n":{"~":0}}"#),
        ])
    func json(patch: String, wanted: String) throws {
        let patch = try Patch(contentType: "application/json-patch+json", body: Array(patch.utf8), kind: served("Pod"))
        #expect(try patch.applied(to: tree(#"{"a":[1,2],"m/n":{"~":0}}"#)) == tree(wanted))
    }

    @Test(
        "a JSON patch that does not fit is refused with the operation and the reason",
        arguments: [
            (#"[{"op":"remove","path":"/b"}]"#, #"operation 0 (remove /b): there is no member "b""#),
            (#"[{"op":"replace","path":"/a/2","value":1}]"#, "operation 0 (replace /a/2): position 2 is outside a list of 2"),
            (#"[{"op":"add","path":"/a/3","value":1}]"#, "operation 0 (add /a/3): position 3 is outside a list of 3"),
            (#"[{"op":"add","path":"/a/01","value":1}]"#, #"operation 0 (add /a/01): "01" is no position in a list"#),
            (#"[{"op":"add","path":"/x/y","value":1}]"#, #"operation 0 (add /x/y): there is no member "x""#),
            (#"[{"op":"add","path":"/a/0/y","value":1}]"#, #"operation 0 (add /a/0/y): "y" cannot be looked for in a number"#),
            (#"[{"op":"test","path":"/a/0","value":"1"}]"#, #"operation 0 (test /a/0): the value is 1, not "1""#),
            (#"[{"op":"move","from":"/a","path":"/a/0"}]"#, "operation 0 (move /a to /a/0): a value cannot be moved into itself"),
            (
                #"[{"op":"add","path":"/b","value":1},{"op":"remove","path":"/c"}]"#,
                #"operation 1 (remove /c): there is no member "c""#
            ),
        ])
    func jsonMisfits(patch: String, message: String) throws {
        let patch = try Patch(contentType: "application/json-patch+json", body: Array(patch.utf8), kind: served("Pod"))
        let error = #expect(throws: PatchError.self) { try patch.applied(to: tree(#"{"a":[1,2]}"#)) }
        #expect(error?.message == message)
        #expect(error?.status.code == 422)
    }

    @Test(
        "a body that is no patch is refused before anything is looked at",
        arguments: [
            ("application/json-patch+json", "{}", 400), ("application/json-patch+json", "[1]", 400),
            ("application/json-patch+json", #"[{"op":"add","path":"/a"}]"#, 400),
            ("application/json-patch+json", #"[{"op":"hop","path":"/a"}]"#, 400),
            ("application/json-patch+json", #"[{"op":"remove","path":"a"}]"#, 400),
            ("application/json-patch+json", #"[{"op":"remove","path":"/~2"}]"#, 400),
            ("application/json-patch+json", #"[{"op":"move","path":"/a"}]"#, 400),
            ("application/merge-patch+json", "[]", 400), ("application/merge-patch+json", "{", 400),
            ("application/strategic-merge-patch+json", "7", 400), ("application/json", "{}", 415), ("", "{}", 415),
            ("application/apply-patch+yaml", "{}", 415),
        ])
    func malformed(type: String, body: String, status: Int) throws {
        let kind = try served("Pod")
        let error = #expect(throws: PatchError.self) { try Patch(contentType: type, body: Array(body.utf8), kind: kind) }
        #expect(error?.status.code == status)
    }

    @Test("a custom kind takes no strategic merge patch, and says what it takes")
    func customStrategic() throws {
        let kind = try #require(ServedKind(crd: ["spec": tree(Sample.definitionSpec)]))
        let error = #expect(throws: PatchError.self) {
            try Patch(contentType: "application/strategic-merge-patch+json", body: Array("{}".utf8), kind: kind)
        }
        #expect(error?.status.code == 415)
        #expect(error?.message.hasSuffix("application/json-patch+json, application/merge-patch+json") == true)
    }

    @Test("copies that would fill the memory are stopped")
    func copies() throws {
        var operations = (0..<40).map { _ in #"{"op":"copy","from":"/a","path":"/a/-"}"# }
        operations.insert(#"{"op":"add","path":"/a","value":[1,2,3]}"#, at: 0)
        let body = "[\(operations.joined(separator: ","))]"
        let patch = try Patch(contentType: "application/json-patch+json", body: Array(body.utf8), kind: served("Pod"))
        let error = #expect(throws: PatchError.self) { try patch.applied(to: [:]) }
        #expect(error?.status.code == 413)
    }
}

/// Random trees without nulls, from a seed.
struct RandomObjects {
    private var random: SeededGenerator

    init(_ seed: Int) { random = SeededGenerator(state: UInt64(seed)) }

    mutating func number(_ range: Range<Int>) -> Int { Int.random(in: range, using: &random) }

    mutating func plain(depth: Int) -> JSONValue {
        var object = JSONObject()
        for key in ["a", "b", "c", "d"] where number(0..<3) > 0 { object[key] = value(depth: depth - 1) }
        return .object(object)
    }

    private mutating func value(depth: Int) -> JSONValue {
        switch number(0..<(depth > 0 ? 6 : 3)) {
        case 0: return .string("s\(number(0..<3))")
        case 1: return .number(JSONNumber(Int64(number(0..<3))))
        case 2: return .bool(number(0..<2) == 0)
        case 3: return .array((0..<number(0..<3)).map { _ in value(depth: depth - 1) })
        default: return plain(depth: depth)
        }
    }
}
