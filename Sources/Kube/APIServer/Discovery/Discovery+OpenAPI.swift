public import KubeAPI

/// OpenAPI v3, one document per group and version.
///
/// kubectl takes four things from it: whether the server validates fields (a patch operation of the kind with a parameter
/// `fieldValidation`), whether it takes strategic merge patches (the body's media types), how their lists merge, and what
/// `kubectl explain` prints. The paths are there for these alone, and say no more.
extension Discovery {
    /// `/openapi/v3`. The hash is of the document, so that clients may keep one as long as its address stands.
    public var openAPIIndex: JSONValue {
        var paths = JSONObject()
        for (group, version) in groupVersions {
            guard let document = openAPI(group: group, version: version) else { continue }
            let path = Self.root(group, version)
            let hash = String(fingerprint(JSONWriter().bytes(of: document)), radix: 16)
            paths[path] = ["serverRelativeURL": .string("/openapi/v3/\(path)?hash=\(hash)")]
        }
        return ["paths": .object(paths)]
    }

    /// `/openapi/v3/api/v1` and `/openapi/v3/apis/GROUP/VERSION`; `nil` for one nobody serves.
    public func openAPI(group: String, version: String) -> JSONValue? {
        let kinds = kinds(group, version)
        guard !kinds.isEmpty else { return nil }
        var paths = JSONObject()
        for kind in kinds {
            for (path, item) in kind.paths { paths[path] = item }
        }
        return [
            "openapi": "3.0.0", "info": ["title": "Kubernetes", "version": Self.version["gitVersion"] ?? ""],
            "paths": .object(paths), "components": ["schemas": .object(SchemaSet(kinds).schemas)],
        ]
    }

    var groupVersions: [(group: String, version: String)] {
        ([""] + groups).flatMap { group in versions(of: group).map { (group, $0) } }
    }

    static func root(_ group: String, _ version: String) -> String {
        group.isEmpty ? "api/\(version)" : "apis/\(group)/\(version)"
    }
}

extension ServedKind {
    fileprivate var paths: [(String, JSONValue)] {
        let root = "/" + Discovery.root(group, version)
        let collection = isNamespaced ? "\(root)/namespaces/{namespace}/\(plural)" : "\(root)/\(plural)"
        let list: JSONValue = ["get": operation("list", patches: false)]
        let object: JSONValue = ["get": operation("get", patches: false), "patch": operation("patch", patches: true)]
        let all = isNamespaced ? [("\(root)/\(plural)", list)] : []
        return all + [(collection, list), ("\(collection)/{name}", object)]
    }

    private func operation(_ action: String, patches: Bool) -> JSONValue {
        var operation: JSONObject = [
            "x-kubernetes-action": .string(action), "x-kubernetes-group-version-kind": groupVersionKind.tree,
            "responses": ["200": ["description": "OK"]],
        ]
        guard patches else { return .object(operation) }
        operation["parameters"] = [
            ["name": "dryRun", "in": "query", "schema": ["type": "string", "uniqueItems": true]],
            ["name": "fieldValidation", "in": "query", "schema": ["type": "string", "uniqueItems": true]],
        ]
        var content = JSONObject()
        for type in Patch.contentTypes(for: self) { content[type] = ["schema": ["type": "object"]] }
        operation["requestBody"] = ["content": .object(content)]
        return .object(operation)
    }
}

/// FNV-1a in 64 bits: the same on every machine and in every run, which Swift's own hashes are not.
func fingerprint(_ bytes: [UInt8]) -> UInt64 {
    bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
}
