import APIServer
import KubeAPI
import Testing

@Suite struct SchemaTests {
    private func boat() throws -> (ServedKind, StructuralSchema) {
        let kind = try #require(ServedKind(crd: ["spec": tree(Sample.definitionSpec)]))
        return (kind, try #require(kind.custom?.schema))
    }

    @Test(
        "a custom object is held to its schema",
        arguments: [
            (#"{"spec": {"crew": 3}}"#, []),
            ("{}", ["spec: Required value"]),
            (#"{"spec": {}}"#, ["spec.crew: Required value"]),
            (
                #"{"spec": {"crew": "x"}}"#,
                [#"spec.crew: Invalid value: "string": spec.crew in body must be of type integer: "string""#]
            ),
            (
                #"{"spec": {"crew": 1.5}}"#,
                [#"spec.crew: Invalid value: "number": spec.crew in body must be of type integer: "number""#]
            ),
            (#"{"spec": {"crew": 0}}"#, ["spec.crew: Invalid value: 0: spec.crew in body should be greater than or equal to 1"]),
            (#"{"spec": {"crew": 13}}"#, ["spec.crew: Invalid value: 13: spec.crew in body should be less than or equal to 12"]),
            (
                #"{"spec": {"crew": 3, "color": "green"}}"#,
                [#"spec.color: Unsupported value: "green": supported values: "red", "blue""#]
            ),
            (
                #"{"spec": {"crew": 3, "name": "A"}}"#,
                [#"spec.name: Invalid value: "A": spec.name in body should match '^[a-z]+$'"#]
            ),
            (#"{"spec": {"crew": 3, "name": "abcdefghi"}}"#, ["spec.name: Too long: may not be more than 8 bytes"]),
            (#"{"spec": {"crew": 3, "name": null}}"#, []),
            (
                #"{"spec": {"crew": 3, "color": null}}"#,
                [#"spec.color: Invalid value: "null": spec.color in body must be of type string: "null""#]
            ),
            (
                #"{"spec": {"crew": 3, "built": "soon"}}"#,
                [#"spec.built: Invalid value: "soon": spec.built in body must be of type date-time: "soon""#]
            ),
            (#"{"spec": {"crew": 3, "port": "web"}}"#, []), (#"{"spec": {"crew": 3, "port": 80}}"#, []),
            (
                #"{"spec": {"crew": 3, "port": true}}"#,
                [#"spec.port: Invalid value: "boolean": spec.port in body must be of type integer,string: "boolean""#]
            ),
            (
                #"{"spec": {"crew": 3, "tags": {"a": 1}}}"#,
                [#"spec.tags.a: Invalid value: "number": spec.tags.a in body must be of type string: "number""#]
            ),
            (#"{"spec": {"crew": 3, "masts": [{"id": "a"}, {"id": "a"}]}}"#, [#"spec.masts[1]: Duplicate value: {"id":"a"}"#]),
            (
                #"{"spec": {"crew": 3, "masts": [{}, {"id": "a"}, {"id": "b"}, {"id": "c"}]}}"#,
                ["spec.masts: Too many: 4: must have at most 3 items"]
            ),
        ])
    func faults(object: String, faults: [String]) throws {
        #expect(try boat().1.faults(of: tree(object)).map(\.description) == faults)
    }

    @Test("unknown fields are cut and named, free ones stay")
    func pruning() throws {
        let object = tree(
            #"{"kind": "Boat", "metadata": {"x": 1}, "extra": 1, "spec": {"crew": 3, "sail": 1, "free": {"a": {"b": 1}}, "tags": {"t": "u"}, "masts": [{"id": "a", "y": 2}]}, "status": {"z": 1}}"#
        )
        let (value, unknown) = try boat().1.pruned(object)
        #expect(unknown.map(\.description) == ["extra", "spec.sail", "spec.masts[0].y"])
        #expect(
            value
                == tree(
                    #"{"kind": "Boat", "metadata": {"x": 1}, "spec": {"crew": 3, "free": {"a": {"b": 1}}, "tags": {"t": "u"}, "masts": [{"id": "a"}]}, "status": {"z": 1}}"#
                ))
        #expect(try boat().1.pruned(value).value == value)
    }

    @Test("defaults go in where a field is missing, also inside lists")
    func defaulting() throws {
        let (kind, _) = try boat()
        let object = Defaults.applied(
            to: tree(#"{"spec": {"color": null, "masts": [{"id": "a"}, {"id": "b", "sails": 3}]}}"#), kind)
        #expect(
            object == tree(#"{"spec": {"crew": 2, "color": "red", "masts": [{"id": "a", "sails": 1}, {"id": "b", "sails": 3}]}}"#)
        )
        #expect(Defaults.applied(to: object, kind) == object)
    }

    @Test(
        "schemas that are joined hold as their word says",
        arguments: [
            (#"{"anyOf": [{"type": "string"}, {"type": "integer"}]}"#, "true", ["must validate at least one schema (anyOf)"]),
            (#"{"anyOf": [{"type": "string"}, {"type": "integer"}]}"#, "1", []),
            (
                #"{"oneOf": [{"minimum": 1}, {"minimum": 2}]}"#, "3",
                ["must validate one and only one schema (oneOf). Found 2 valid alternatives"]
            ),
            (#"{"oneOf": [{"minimum": 1}, {"minimum": 2}]}"#, "1", []),
            (#"{"not": {"type": "string"}}"#, #""x""#, ["must not validate the schema (not)"]),
            (#"{"allOf": [{"minimum": 5}]}"#, "4", ["a in body should be greater than or equal to 5"]),
            (#"{"type": "number", "maximum": 5, "exclusiveMaximum": true}"#, "5", ["a in body should be less than 5"]),
            (#"{"type": "number", "multipleOf": 3}"#, "4", ["a in body should be a multiple of 3"]),
            (#"{"type": "array", "items": {}, "x-kubernetes-list-type": "set"}"#, "[1, 2, 1]", [""]),
            (#"{"type": "object", "minProperties": 1}"#, "{}", ["a in body should have at least 1 properties"]),
        ])
    func joined(schema: String, value: String, details: [String]) {
        let faults = StructuralSchema(tree(schema)).faults(of: tree(value), at: FieldPath("a"))
        #expect(faults.map { $0.detail.replacing("\"a\" ", with: "") } == details)
    }
}
