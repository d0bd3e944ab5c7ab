/// The types of the built-in kinds: their fields, the forms of them, and how lists of them are merged.
///
/// One table is the source of four things that must not contradict one another: strategic merge patches (``MergeSchema``),
/// strict decoding (``Decoding``), the OpenAPI documents, and what `kubectl explain` says. It is written as text, one type
/// after the other, because that is how a person can compare it with the published API:
///
/// ```
/// package io.k8s.api.core.v1
/// ServiceSpec
///   ports [ServicePort] merge(port) keys(port,protocol); selector {string} atomic; type string
/// ```
/// `!` behind a name: required. `[X]` is a list, `{X}` a map. `merge(key)`, `replace`, `retainKeys`: how a strategic merge patch
/// treats the field. `keys(…)`, `set`, `atomic`: how server-side apply sees the list.
public struct TypeTable: Sendable {
    /// By short name; no two types of the table share one.
    public let types: [String: TypeDefinition]
    /// In the order of the text.
    public let names: [String]

    /// Every built-in type.
    public static let standard = TypeTable(
        text: [
            coreTypes, podTypes, volumesTypes, appsTypes, networkingTypes, rightsTypes, extensionsTypes, metaTypes, reviewTypes,
        ])
}

public struct TypeDefinition: Hashable, Sendable {
    public var name: String
    /// Such as `io.k8s.api.core.v1`: the first part of the schema's name in OpenAPI.
    public var package: String
    public var fields: [FieldDefinition]

    /// What stands behind a slash in the name tells two types of one name apart.
    public var schemaName: String { "\(package).\(name.prefix { $0 != "/" })" }
    public func field(_ name: String) -> FieldDefinition? { fields.first { $0.name == name } }
}

public struct FieldDefinition: Hashable, Sendable {
    public var name: String
    public var form: FieldForm
    public var isRequired = false
    public var merge = MergeStrategy()
    public var listKind = ListKind.none

    /// How a strategic merge patch treats the field.
    public struct MergeStrategy: Hashable, Sendable {
        /// Lists are merged instead of replaced.
        public var mergesLists = false
        /// Which field of an element names it; `nil` for plain values, and where lists are replaced.
        public var key: String?
        /// A patch may say which members stay (`$retainKeys`).
        public var retainsKeys = false
    }

    /// What `x-kubernetes-list-type` says.
    public enum ListKind: Hashable, Sendable {
        case none, atomic, set
        case map(keys: [String])
    }
}

public indirect enum FieldForm: Hashable, Sendable {
    case string, bytes, time, microTime, quantity, integerOrString
    case integer32, integer64, number, boolean
    /// Anything goes.
    case any
    /// A type of the table.
    case structure(String)
    case list(FieldForm)
    case map(FieldForm)
}
