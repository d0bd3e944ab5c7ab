import KubeAPI

/// What the server itself writes into a custom resource definition. Pure.
enum CustomDefinition {
    /// The definition with the versions that objects may be stored in, and held until its objects are gone. What becomes of its
    /// names is for ``DefinitionNames``.
    static func established(_ definition: JSONValue) -> JSONValue {
        var result = definition
        if !definition.isBeingDeleted, !definition.finalizers.contains(Finalizer.definition) {
            let finalizers = definition.finalizers + [Finalizer.definition]
            result.set(.array(finalizers.map(JSONValue.string)), at: "metadata", "finalizers")
        }
        let stored = definition.at("spec", "versions")?.objects.filter { $0["storage"] == true }.map { $0.string("name") } ?? []
        let before = definition.at("status", "storedVersions")?.array?.compactMap(\.string) ?? []
        let all = before + stored.filter { !before.contains($0) }
        result.set(.array(all.map(JSONValue.string)), at: "status", "storedVersions")
        return result
    }
}
