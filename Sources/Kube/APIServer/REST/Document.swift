import KubeAPI

/// What is asked for when something about the server itself is: a path, and for discovery the form of it.
struct DocumentName: Hashable, Sendable {
    var parts: [String]
    /// The version of aggregated discovery that the client takes; `nil` for the plain one.
    var aggregation: String?

    init(path: String, accept: String) {
        parts = path.split(separator: "/").map(String.init)
        aggregation = parts == ["api"] || parts == ["apis"] ? Discovery.aggregation(accept: accept) : nil
    }
}

/// An answer that depends on the served kinds alone: version, discovery, OpenAPI.
struct Document: Sendable {
    var contentType = "application/json"
    var bytes: [UInt8]

    /// `nil` for a path that is none of these, or a group nobody serves.
    init?(_ name: DocumentName, _ discovery: Discovery) {
        if let version = name.aggregation {
            contentType = Discovery.aggregationType(version)
            let isCore = name.parts == ["api"]
            bytes = JSONWriter().bytes(of: isCore ? discovery.aggregatedCore(version) : discovery.aggregatedGroups(version))
            return
        }
        if name.parts == ["openapi", "v2"] {
            (contentType, bytes) = (Discovery.openAPIv2Type, discovery.openAPIv2)
            return
        }
        guard let tree = Self.tree(name.parts, discovery) else { return nil }
        bytes = JSONWriter().bytes(of: tree)
    }

    private static func tree(_ parts: [String], _ discovery: Discovery) -> JSONValue? {
        switch (parts.first, parts.count) {
        case ("version", 1): Discovery.version
        case ("api", 1): discovery.coreVersions
        case ("api", 2): discovery.resources(group: "", version: parts[1])
        case ("apis", 1): discovery.groupList
        case ("apis", 2): discovery.group(parts[1])
        case ("apis", 3): discovery.resources(group: parts[1], version: parts[2])
        case ("openapi", 2) where parts[1] == "v3": discovery.openAPIIndex
        case ("openapi", 4) where parts[1] == "v3" && parts[2] == "api": discovery.openAPI(group: "", version: parts[3])
        case ("openapi", 5) where parts[1] == "v3" && parts[2] == "apis":
            discovery.openAPI(group: parts[3], version: parts[4])
        default: nil
        }
    }
}
