import KubeAPI

/// A volume of a pod.
public struct VolumeManifest: Hashable, Sendable {
    public indirect enum Content: Hashable, Sendable {
        case empty
        case host(path: String, kind: String)
        case configMap(Reference)
        case secret(Reference)
        case downward([Item])
        case token(path: String, audience: String, expiration: Int64)
        case projected([Content])
        /// A kind that is not here, by its name in the API.
        case unknown(String)
    }

    public struct Reference: Hashable, Sendable {
        public var name: String
        public var isOptional: Bool
        /// Empty: every key, under its own name.
        public var items: [Item]
    }

    public struct Item: Hashable, Sendable {
        /// A key, or the path of a field of the pod.
        public var key: String
        public var path: String
    }

    public var name: String
    public var content: Content

    init(_ tree: JSONValue) {
        name = tree["name"]?.string ?? ""
        content = Self.content(tree)
    }

    private static func content(_ tree: JSONValue) -> Content {
        if tree["emptyDir"] != nil { return .empty }
        if let host = tree["hostPath"] { return .host(path: host["path"]?.string ?? "/", kind: host["type"]?.string ?? "") }
        if let map = tree["configMap"] { return .configMap(reference(map, "name")) }
        if let secret = tree["secret"] {
            return .secret(reference(secret, tree["secret"]?["secretName"] != nil ? "secretName" : "name"))
        }
        if let token = tree["serviceAccountToken"] {
            return .token(
                path: token["path"]?.string ?? "token", audience: token["audience"]?.string ?? "",
                expiration: token["expirationSeconds"]?.number?.integer ?? 3600)
        }
        if let downward = tree["downwardAPI"] {
            return .downward(
                (downward["items"]?.array ?? []).compactMap { item in
                    guard let field = item["fieldRef"]?["fieldPath"]?.string else { return nil }
                    return Item(key: field, path: item["path"]?.string ?? field)
                })
        }
        if let projected = tree["projected"] { return .projected((projected["sources"]?.array ?? []).map(content)) }
        let kind = tree.object?.keys.first { $0 != "name" }
        // A volume without a kind is an emptyDir, says the API server's defaulting.
        return kind.map(Content.unknown) ?? .empty
    }

    private static func reference(_ tree: JSONValue, _ name: String) -> Reference {
        Reference(
            name: tree[name]?.string ?? "", isOptional: tree["optional"]?.bool ?? false,
            items: (tree["items"]?.array ?? []).map { Item(key: $0["key"]?.string ?? "", path: $0["path"]?.string ?? "") })
    }
}
