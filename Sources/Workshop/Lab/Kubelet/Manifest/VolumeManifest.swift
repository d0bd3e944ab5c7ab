import KubeAPI

/// A volume of a pod.
public struct VolumeManifest: Hashable, Sendable {
    public indirect enum Content: Hashable, Sendable {
        case empty
        case host(path: String, kind: String)
        case configMap(Reference)
        case secret(Reference)
        case downward([Item], mode: UInt32)
        case token(path: String, audience: String, expiration: Int64, mode: UInt32)
        case projected([Content])
        /// A kind that is not here, by its name in the API.
        case unknown(String)
    }

    public struct Reference: Hashable, Sendable {
        public var name: String
        public var isOptional: Bool
        /// Empty: every key, under its own name.
        public var items: [Item]
        /// Permissions of a file whose item has none.
        public var mode: UInt32
    }

    public struct Item: Hashable, Sendable {
        /// A key, or the path of a field of the pod.
        public var key: String
        public var path: String
        /// Permissions of the file; `nil`: those of the volume.
        public var mode: UInt32?
        /// In place of a field: a request or limit of a container.
        public var resource: Resource?
    }

    public struct Resource: Hashable, Sendable {
        public var container: String
        public var name: String
        public var divisor: String
    }

    public var name: String
    public var content: Content

    /// What is written into it is another object's, and follows it.
    var followsObjects: Bool {
        switch content {
        case .configMap, .secret, .downward, .projected: true
        case .empty, .host, .token, .unknown: false
        }
    }

    init(_ tree: JSONValue) {
        name = tree["name"]?.string ?? ""
        content = Self.content(tree, mode: 0o644)
    }

    /// - Parameter mode: permissions of files for which nothing else is said.
    private static func content(_ tree: JSONValue, mode: UInt32) -> Content {
        if tree["emptyDir"] != nil { return .empty }
        if let host = tree["hostPath"] { return .host(path: host["path"]?.string ?? "/", kind: host["type"]?.string ?? "") }
        if let map = tree["configMap"] { return .configMap(reference(map, "name", mode)) }
        if let secret = tree["secret"] {
            return .secret(reference(secret, secret["secretName"] != nil ? "secretName" : "name", mode))
        }
        if let token = tree["serviceAccountToken"] {
            return .token(
                path: token["path"]?.string ?? "token", audience: token["audience"]?.string ?? "",
                expiration: token["expirationSeconds"]?.number?.integer ?? 3600, mode: mode)
        }
        if let downward = tree["downwardAPI"] {
            return .downward(
                (downward["items"]?.array ?? []).map(item), mode: permissions(downward["defaultMode"]) ?? mode)
        }
        if let projected = tree["projected"] {
            let mode = permissions(projected["defaultMode"]) ?? mode
            return .projected((projected["sources"]?.array ?? []).map { content($0, mode: mode) })
        }
        let kind = tree.object?.keys.first { $0 != "name" }
        // A volume without a kind is an emptyDir, says the API server's defaulting.
        return kind.map(Content.unknown) ?? .empty
    }

    private static func permissions(_ tree: JSONValue?) -> UInt32? { tree?.number?.integer.map { UInt32(clamping: $0) & 0o777 } }

    private static func item(_ tree: JSONValue) -> Item {
        let resource = tree["resourceFieldRef"].map {
            Resource(
                container: $0["containerName"]?.string ?? "", name: $0["resource"]?.string ?? "",
                divisor: $0["divisor"]?.string ?? "1")
        }
        return Item(
            key: tree["key"]?.string ?? tree["fieldRef"]?["fieldPath"]?.string ?? "", path: tree["path"]?.string ?? "",
            mode: permissions(tree["mode"]), resource: resource)
    }

    private static func reference(_ tree: JSONValue, _ name: String, _ mode: UInt32) -> Reference {
        Reference(
            name: tree[name]?.string ?? "", isOptional: tree["optional"]?.bool ?? false,
            items: (tree["items"]?.array ?? []).map(item), mode: permissions(tree["defaultMode"]) ?? mode)
    }
}
