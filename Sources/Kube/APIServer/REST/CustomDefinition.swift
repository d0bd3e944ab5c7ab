import KubeAPI

/// What the server itself writes into a custom resource definition. Pure.
enum CustomDefinition {
    /// The definition with the status of one that is served, and held until its objects are gone.
    static func established(_ definition: JSONValue, now: Timestamp) -> JSONValue {
        var result = definition
        if !definition.isBeingDeleted, !definition.finalizers.contains(Finalizer.definition) {
            let finalizers = definition.finalizers + [Finalizer.definition]
            result.set(.array(finalizers.map(JSONValue.string)), at: "metadata", "finalizers")
        }
        result.set(definition.at("spec", "names"), at: "status", "acceptedNames")
        let stored = definition.at("spec", "versions")?.objects.filter { $0["storage"] == true }.map { $0.string("name") } ?? []
        let before = definition.at("status", "storedVersions")?.array?.compactMap(\.string) ?? []
        let all = before + stored.filter { !before.contains($0) }
        result.set(.array(all.map(JSONValue.string)), at: "status", "storedVersions")
        let conditions = definition.at("status", "conditions")?.array ?? []
        if !conditions.contains(where: { $0["type"] == "Established" }) {
            let made: [JSONValue] = [
                condition("NamesAccepted", "NoConflicts", "no conflicts found", now),
                condition("Established", "InitialNamesAccepted", "the initial names have been accepted", now),
            ]
            result.set(.array(conditions + made), at: "status", "conditions")
        }
        return result
    }

    private static func condition(_ type: String, _ reason: String, _ message: String, _ now: Timestamp) -> JSONValue {
        [
            "type": .string(type), "status": "True", "lastTransitionTime": .string(now.description),
            "reason": .string(reason), "message": .string(message),
        ]
    }
}
