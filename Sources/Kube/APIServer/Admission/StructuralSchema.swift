public import KubeAPI

/// The schema of a custom kind: the structural part of OpenAPI v3 that `apiextensions.k8s.io/v1` allows.
///
/// CEL rules (`x-kubernetes-validations`) are noticed, not evaluated.
public struct StructuralSchema: Hashable, Sendable {
    /// Empty for none, as with `x-kubernetes-int-or-string`.
    var type = ""
    var properties: [String: StructuralSchema] = [:]
    var required: [String] = []
    /// One at most: an array, because a structure cannot hold itself.
    var items: [StructuralSchema] = []
    var additional: [StructuralSchema] = []
    /// `additionalProperties: true`.
    var allowsAnyMember = false
    var preservesUnknown = false
    var isIntegerOrString = false
    var isEmbedded = false
    var isNullable = false
    var initial: JSONValue?
    var limits = Limits()
    var allOf: [StructuralSchema] = []
    var anyOf: [StructuralSchema] = []
    var oneOf: [StructuralSchema] = []
    var not: [StructuralSchema] = []
    /// `x-kubernetes-list-map-keys`; no two elements may agree in all of them.
    var listKeys: [String] = []
    var isSet = false
    var hasRules = false

    struct Limits: Hashable, Sendable {
        var allowed: [JSONValue]?
        var pattern: String?
        /// `nil` also for a pattern that is none: a definition of before is not refused for it, and holds nothing against objects.
        var matcher: LinearPattern?
        var format: String?
        var minimum, maximum, multipleOf: JSONNumber?
        var excludesMinimum = false, excludesMaximum = false
        var minLength, maxLength, minItems, maxItems, minProperties, maxProperties: Int?
        var wantsUnique = false
    }

    /// Reads `openAPIV3Schema`; what is not understood is passed over.
    public init(_ tree: JSONValue) {
        func many(_ field: String) -> [StructuralSchema] { tree[field]?.array?.map(StructuralSchema.init) ?? [] }
        func flag(_ field: String) -> Bool { tree[field]?.bool == true }
        type = tree["type"]?.string ?? ""
        for member in tree["properties"]?.object?.members ?? [] { properties[member.key] = StructuralSchema(member.value) }
        required = tree["required"]?.array?.compactMap(\.string) ?? []
        if let schema = tree["items"], schema.object != nil { items = [StructuralSchema(schema)] }
        if let schema = tree["additionalProperties"] {
            if schema.object != nil { additional = [StructuralSchema(schema)] } else { allowsAnyMember = schema.bool == true }
        }
        preservesUnknown = flag("x-kubernetes-preserve-unknown-fields")
        isIntegerOrString = flag("x-kubernetes-int-or-string")
        isEmbedded = flag("x-kubernetes-embedded-resource")
        isNullable = flag("nullable")
        initial = tree["default"]
        limits = Limits(tree)
        (allOf, anyOf, oneOf) = (many("allOf"), many("anyOf"), many("oneOf"))
        if let schema = tree["not"] { not = [StructuralSchema(schema)] }
        switch tree["x-kubernetes-list-type"]?.string {
        case "map": listKeys = tree["x-kubernetes-list-map-keys"]?.array?.compactMap(\.string) ?? []
        case "set": isSet = true
        default: break
        }
        hasRules = tree["x-kubernetes-validations"]?.array?.isEmpty == false
    }

    /// Where CEL rules stand that are not evaluated, for the definition's status. Empty when there are none.
    public var rulePaths: [FieldPath] { rulePaths(at: .root).sorted { $0.description < $1.description } }

    private func rulePaths(at path: FieldPath) -> [FieldPath] {
        (hasRules ? [path] : []) + properties.flatMap { $1.rulePaths(at: path.child($0)) }
            + items.flatMap { $0.rulePaths(at: path.key("*")) } + additional.flatMap { $0.rulePaths(at: path.key("*")) }
    }
}

extension StructuralSchema.Limits {
    fileprivate init(_ tree: JSONValue) {
        func count(_ field: String) -> Int? { tree[field]?.integer.map(Int.init(clamping:)) }
        allowed = tree["enum"]?.array
        pattern = tree["pattern"]?.string
        matcher = pattern.flatMap { try? LinearPattern($0) }
        format = tree["format"]?.string
        (minimum, maximum, multipleOf) = (tree["minimum"]?.number, tree["maximum"]?.number, tree["multipleOf"]?.number)
        excludesMinimum = tree["exclusiveMinimum"]?.bool == true
        excludesMaximum = tree["exclusiveMaximum"]?.bool == true
        (minLength, maxLength) = (count("minLength"), count("maxLength"))
        (minItems, maxItems) = (count("minItems"), count("maxItems"))
        (minProperties, maxProperties) = (count("minProperties"), count("maxProperties"))
        wantsUnique = tree["uniqueItems"]?.bool == true
    }
}
