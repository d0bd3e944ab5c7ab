import KubeAPI

extension Validation {
    /// A custom resource definition.
    static func definition(_ top: inout Checker, _ old: JSONValue?) {
        if top.isMissing("spec") { top.report(.required(top.path("spec"))) }
        let name = top.object["metadata"]?["name"]?.string ?? ""
        top.inside("spec") { spec in
            spec.require("group")
            spec.name("group", .dnsSubdomain)
            if !spec.string("group").isEmpty, !spec.string("group").utf8.contains(UInt8(ascii: ".")) {
                let value = JSONValue.string(spec.string("group"))
                spec.report(.invalid(spec.path("group"), value, "should be a domain with at least one dot"))
            }
            spec.require("scope")
            spec.word("scope", ["Cluster", "Namespaced"])
            let plural = spec.object["names"]?["plural"]?.string ?? ""
            names(&spec)
            let wanted = "\(plural).\(spec.string("group"))"
            if !plural.isEmpty, name != wanted {
                spec.report(
                    .invalid(FieldPath("metadata", "name"), .string(name), "must be spec.names.plural+\".\"+spec.group"))
            }
            versions(&spec)
            guard let old = old?["spec"] else { return }
            spec.keep("group", "scope", from: old)
            spec.inside("names") { $0.keep("plural", "kind", from: old["names"]) }
        }
    }

    private static func names(_ spec: inout Checker) {
        if spec.isMissing("names") { spec.report(.required(spec.path("names"))) }
        spec.inside("names") { names in
            for field in ["plural", "kind"] { names.require(field) }
            for field in ["plural", "singular"] { names.name(field, .dnsLabel) }
            for field in ["kind", "listKind"] {
                let text = names.string(field)
                guard !text.isEmpty else { continue }
                names.report(
                    NameRule.dnsLabel.faults(in: text.lowercased()).map {
                        .invalid(names.path(field), .string(text), "may have mixed case, but should otherwise match: \($0)")
                    })
            }
            if !names.string("kind").isEmpty, names.string("kind") == names.string("listKind") {
                let value = JSONValue.string(names.string("listKind"))
                names.report(.invalid(names.path("listKind"), value, "kind and listKind may not be the same"))
            }
        }
    }

    private static func versions(_ spec: inout Checker) {
        let versions = spec.object.objects("versions")
        if versions.isEmpty { spec.report(.required(spec.path("versions"))) }
        let stored = versions.count { $0["storage"]?.bool == true }
        if !versions.isEmpty, stored != 1 {
            let value = spec.object["versions"].map { _ in JSONValue.integer(stored) } ?? .null
            spec.report(
                .invalid(spec.path("versions"), value, "must have exactly one version marked as storage version"))
        }
        var seen: Set<String> = []
        spec.each("versions") { version, _ in
            version.require("name")
            version.name("name", .dnsLabel)
            if !seen.insert(version.string("name")).inserted {
                version.report(.duplicate(version.path("name"), .string(version.string("name"))))
            }
            let path = version.path("schema").child("openAPIV3Schema")
            guard let schema = version.object["schema"]?.at("openAPIV3Schema") else {
                version.report(.required(path, "schemas are required"))
                return
            }
            if schema["type"]?.string != "object" {
                let value = JSONValue.string(schema["type"]?.string ?? "")
                version.report(.invalid(path.child("type"), value, "must be object at the root"))
            }
            version.report(structureFaults(schema, at: path, isRoot: true))
            version.each("additionalPrinterColumns") { column, _ in
                column.require("name")
                column.require("type")
                column.word("type", ["boolean", "date", "integer", "number", "string"])
                let text = column.string("jsonPath")
                if JSONPath(text) == nil || text.isEmpty {
                    column.report(.invalid(column.path("jsonPath"), .string(text), "is an invalid json path"))
                }
            }
        }
    }

    /// What makes a schema structural: every place has a type, and nothing is both named and free.
    private static func structureFaults(_ schema: JSONValue, at path: FieldPath, isRoot: Bool = false) -> [FieldError] {
        var faults: [FieldError] = []
        let type = schema["type"]?.string ?? ""
        let isFree =
            schema["x-kubernetes-preserve-unknown-fields"]?.bool == true || schema["x-kubernetes-int-or-string"]?.bool == true
        let known = ["array", "boolean", "integer", "number", "object", "string"]
        if type.isEmpty, !isFree {
            faults.append(.required(path.child("type"), "must not be empty for specified object fields"))
        } else if !type.isEmpty, !known.contains(type) {
            faults.append(.notSupported(path.child("type"), .string(type), known))
        }
        if schema["properties"]?.object?.isEmpty == false, schema["additionalProperties"]?.object != nil {
            faults.append(
                .forbidden(path.child("additionalProperties"), "additionalProperties and properties are mutual exclusive"))
        }
        if type == "array", schema["items"]?.object == nil {
            faults.append(.required(path.child("items"), "must be specified"))
        }
        if let pattern = schema["pattern"]?.string { faults += patternFaults(pattern, at: path.child("pattern")) }
        for field in ["allOf", "anyOf", "oneOf"] {
            for (position, part) in (schema[field]?.array ?? []).enumerated() {
                faults += partFaults(part, at: path.child(field).index(position))
            }
        }
        if let part = schema["not"] { faults += partFaults(part, at: path.child("not")) }
        for member in schema["properties"]?.object?.members ?? [] {
            if isRoot, ["apiVersion", "kind", "metadata"].contains(member.key) { continue }
            faults += structureFaults(member.value, at: path.child("properties").key(member.key))
        }
        if let items = schema["items"], items.object != nil { faults += structureFaults(items, at: path.child("items")) }
        if let more = schema["additionalProperties"], more.object != nil {
            faults += structureFaults(more, at: path.child("additionalProperties"))
        }
        if let initial = schema["default"] {
            faults += StructuralSchema(schema).faults(of: initial, at: path.child("default"))
        }
        return faults
    }

    /// Inside `allOf`, `anyOf`, `oneOf` and `not` nothing needs a type, and patterns are patterns all the same.
    private static func partFaults(_ schema: JSONValue, at path: FieldPath) -> [FieldError] {
        var faults: [FieldError] = []
        if let pattern = schema["pattern"]?.string { faults += patternFaults(pattern, at: path.child("pattern")) }
        for member in schema["properties"]?.object?.members ?? [] {
            faults += partFaults(member.value, at: path.child("properties").key(member.key))
        }
        for field in ["items", "additionalProperties", "not"] {
            if let part = schema[field], part.object != nil { faults += partFaults(part, at: path.child(field)) }
        }
        for field in ["allOf", "anyOf", "oneOf"] {
            for (position, part) in (schema[field]?.array ?? []).enumerated() {
                faults += partFaults(part, at: path.child(field).index(position))
            }
        }
        return faults
    }

    private static func patternFaults(_ pattern: String, at path: FieldPath) -> [FieldError] {
        do {
            _ = try LinearPattern(pattern)
            return []
        } catch {
            return [.invalid(path, .string(pattern), "must be a valid regular expression, but isn't: \(error)")]
        }
    }
}
