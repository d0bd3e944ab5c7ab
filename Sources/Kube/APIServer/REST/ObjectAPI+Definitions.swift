import KubeAPI

// The names of custom resource definitions, which are given when they are written.

extension ObjectAPI {
    /// Gives a definition its names inside the transaction that writes it: two cannot take the same.
    func ledger(definition: JSONValue) -> WriteLedger {
        WriteLedger(
            completed: { [surroundings] view throws(StoreError) in
                let others = try view.objects(Ownership.definitions).compactMap {
                    try? JSONReader(depth: 1024).document($0.body).value
                }
                return StampedBody(DefinitionNames.settled(definition, among: others, now: surroundings.now)).body
            },
            undone: {})
    }

    func tried(definition: JSONValue, _ kind: ServedKind) async throws -> JSONValue {
        DefinitionNames.settled(definition, among: try await definitions(), now: surroundings.now)
    }

    private func definitions() async throws -> [JSONValue] {
        try await store.list(Selection(resource: Ownership.definitions)).objects.compactMap {
            try? JSONReader(depth: 1024).document($0.body).value
        }
    }

    /// Gives definitions names that have become free, as when the one that had them is gone.
    func settleDefinitions() async throws {
        let all = try await definitions()
        guard let kind = kinds.kind(group: "apiextensions.k8s.io", kind: "CustomResourceDefinition") else { return }
        for definition in all where !DefinitionNames.areAccepted(definition) {
            guard DefinitionNames.settled(definition, among: all, now: surroundings.now) != definition else { continue }
            // The write itself settles them.
            _ = try await change(kind, "", definition.name, part: .status) { old in
                var new = old
                let kept = (old.at("status", "conditions")?.array ?? []).filter { $0["type"] != "NamesAccepted" }
                new.set(.array(kept), at: "status", "conditions")
                return new
            }
        }
    }
}
