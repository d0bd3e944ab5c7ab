import KubeAPI

/// The schemas of some kinds and of everything they are made of, by their names in OpenAPI.
struct SchemaSet {
    private(set) var schemas = JSONObject()

    init(_ kinds: [ServedKind]) {
        for kind in kinds {
            if let custom = kind.custom {
                schemas[kind.schemaName] = custom.document(of: kind)
                add("ObjectMeta")
            } else {
                add(kind.typeName, as: kind)
            }
        }
        for kind in Set(kinds.flatMap(\.subresources).compactMap(\.kind?.kind)).sorted() { add(kind) }
    }

    private mutating func add(_ name: String, as kind: ServedKind? = nil) {
        guard let type = TypeTable.standard.types[name] else {
            // A kind that is known and refused.
            guard let kind else { return }
            schemas[kind.schemaName] = [
                "type": "object", "x-kubernetes-group-version-kind": [kind.groupVersionKind.tree],
                "description": .string("Not served: \(kind.refusal ?? "")."),
            ]
            return
        }
        guard schemas[type.schemaName] == nil else { return }
        var properties = JSONObject()
        if kind != nil {
            properties["apiVersion"] = ["type": "string", "description": .string(Descriptions.apiVersion)]
            properties["kind"] = ["type": "string", "description": .string(Descriptions.kind)]
        }
        for field in type.fields { properties[field.name] = .object(field.schema(of: name)) }
        var schema: JSONObject = ["type": "object", "properties": .object(properties)]
        if let text = Descriptions.texts[name] { schema["description"] = .string(text) }
        let required = type.fields.filter(\.isRequired).map { JSONValue.string($0.name) }
        if !required.isEmpty { schema["required"] = .array(required) }
        if let kind { schema["x-kubernetes-group-version-kind"] = [kind.groupVersionKind.tree] }
        // Before its parts, so that a type that holds itself ends.
        schemas[type.schemaName] = .object(schema)
        for part in type.fields.compactMap(\.form.part) { add(part) }
    }
}

extension ServedKind {
    /// `io.k8s.api.apps.v1.Deployment`; a custom one is named by its group backwards.
    var schemaName: String {
        guard isCustom else { return TypeTable.standard.types[typeName]?.schemaName ?? kind }
        return (group.split(separator: ".").reversed().map(String.init) + [version, kind]).joined(separator: ".")
    }
}

extension CustomKind {
    fileprivate func document(of kind: ServedKind) -> JSONValue {
        guard var schema = schemaTree.object else { return ["type": "object"] }
        schema.editOrMake("properties") { properties in
            properties["apiVersion"] = ["type": "string", "description": .string(Descriptions.apiVersion)]
            properties["kind"] = ["type": "string", "description": .string(Descriptions.kind)]
            properties["metadata"] = FieldForm.structure("ObjectMeta").schema
        }
        schema["x-kubernetes-group-version-kind"] = [kind.groupVersionKind.tree]
        return .object(schema)
    }
}

extension FieldForm {
    /// The type of the table that is inside, through lists and maps.
    var part: String? {
        switch self {
        case .structure(let name): name
        case .list(let element), .map(let element): element.part
        default: nil
        }
    }

    var schema: JSONValue {
        switch self {
        case .string: ["type": "string"]
        case .bytes: ["type": "string", "format": "byte"]
        case .time, .microTime: ["type": "string", "format": "date-time"]
        case .quantity: ["oneOf": [["type": "string"], ["type": "number"]]]
        case .integerOrString: ["oneOf": [["type": "integer"], ["type": "string"]], "format": "int-or-string"]
        case .integer32: ["type": "integer", "format": "int32"]
        case .integer64: ["type": "integer", "format": "int64"]
        case .number: ["type": "number", "format": "double"]
        case .boolean: ["type": "boolean"]
        case .any: ["type": "object", "x-kubernetes-preserve-unknown-fields": true]
        case .structure(let name):
            // The reference stands inside `allOf`, because nothing may stand beside a bare one.
            ["allOf": [["$ref": .string("#/components/schemas/\(TypeTable.standard.types[name]?.schemaName ?? name)")]]]
        case .list(let element): ["type": "array", "items": element.schema]
        case .map(let value): ["type": "object", "additionalProperties": value.schema]
        }
    }
}

extension FieldDefinition {
    fileprivate func schema(of type: String) -> JSONObject {
        var schema = form.schema.object ?? JSONObject()
        if let text = Descriptions.texts["\(type).\(name)"] ?? Descriptions.anywhere[name] {
            schema["description"] = .string(text)
        }
        let strategies = (merge.retainsKeys ? ["retainKeys"] : []) + (merge.mergesLists ? ["merge"] : [])
        if !strategies.isEmpty { schema["x-kubernetes-patch-strategy"] = .string(strategies.sorted().joined(separator: ",")) }
        if let key = merge.key { schema["x-kubernetes-patch-merge-key"] = .string(key) }
        switch listKind {
        case .none: break
        case .atomic where form.isMap: schema["x-kubernetes-map-type"] = "atomic"
        case .atomic: schema["x-kubernetes-list-type"] = "atomic"
        case .set: schema["x-kubernetes-list-type"] = "set"
        case .map(let keys):
            schema["x-kubernetes-list-type"] = "map"
            schema["x-kubernetes-list-map-keys"] = .array(keys.map(JSONValue.string))
        }
        return schema
    }
}

extension FieldForm {
    fileprivate var isMap: Bool { if case .map = self { true } else { false } }
}
