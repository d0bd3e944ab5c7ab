public import KubeAPI

/// Everything in one document, which kubectl from 1.26 asks for at `/api` and `/apis`.
extension Discovery {
    /// The version of the document that an `Accept` header asks for: `v2` or `v2beta1`; `nil` for the legacy documents.
    ///
    /// The first that is understood wins, as the client's preference is the order.
    public static func aggregation(accept: String) -> String? {
        for type in accept.split(separator: ",") {
            let parts = type.split(separator: ";").map { $0.filter { $0 != " " } }
            guard let first = parts.first, first == "application/json" else { continue }
            let wanted = Set(parts.dropFirst())
            guard wanted.contains("as=APIGroupDiscoveryList"), wanted.contains("g=apidiscovery.k8s.io") else { return nil }
            if wanted.contains("v=v2") { return "v2" }
            if wanted.contains("v=v2beta1") { return "v2beta1" }
        }
        return nil
    }

    /// The `Content-Type` of the answer, which kubectl compares.
    public static func aggregationType(_ version: String) -> String {
        "application/json;g=apidiscovery.k8s.io;v=\(version);as=APIGroupDiscoveryList"
    }

    /// `/api`, aggregated.
    public func aggregatedCore(_ version: String) -> JSONValue { aggregated([""], version) }

    /// `/apis`, aggregated.
    public func aggregatedGroups(_ version: String) -> JSONValue { aggregated(groups, version) }

    private func aggregated(_ groups: [String], _ version: String) -> JSONValue {
        [
            "kind": "APIGroupDiscoveryList", "apiVersion": .string("apidiscovery.k8s.io/\(version)"), "metadata": [:],
            "items": .array(groups.map(item)),
        ]
    }

    private func item(_ group: String) -> JSONValue {
        let versions = versions(of: group).map { version -> JSONValue in
            [
                "version": .string(version), "resources": .array(kinds(group, version).map(\.discovered)),
                "freshness": "Current",
            ]
        }
        let metadata: JSONValue = group.isEmpty ? [:] : ["name": .string(group)]
        return ["metadata": metadata, "versions": .array(versions)]
    }
}

extension ServedKind {
    fileprivate var discovered: JSONValue {
        var entry: JSONObject = [
            "resource": .string(plural), "responseKind": groupVersionKind.tree,
            "scope": isNamespaced ? "Namespaced" : "Cluster", "singularResource": .string(singular),
            "verbs": .array(verbs.map(JSONValue.string)),
        ]
        if !shortNames.isEmpty { entry["shortNames"] = .array(shortNames.map(JSONValue.string)) }
        if !categories.isEmpty { entry["categories"] = .array(categories.map(JSONValue.string)) }
        if !subresources.isEmpty {
            entry["subresources"] = .array(
                subresources.map { part in
                    [
                        "subresource": .string(part.name), "responseKind": (part.kind ?? groupVersionKind).tree,
                        "verbs": .array(part.verbs.map(JSONValue.string)),
                    ]
                })
        }
        return .object(entry)
    }
}

extension GroupVersionKind {
    var tree: JSONValue { ["group": .string(group), "version": .string(version), "kind": .string(kind)] }
}
