import KubeAPI
import Logging

/// What is there before the first request: the namespaces that are always there, and the kinds that were defined before.
struct Opening: Sendable {
    let api: ObjectAPI
    let logger: Logger

    func run() async throws {
        for kind in api.kinds.all where kind.isService {
            let services = try await api.store.list(Selection(resource: kind.storage)).objects.compactMap {
                try? ObjectAPI.tree($0, as: kind)
            }
            for problem in api.desk.learn(services) { logger.warning("\(problem)") }
        }
        for kind in api.kinds.all where kind.isDefinition {
            for stored in try await api.store.list(Selection(resource: kind.storage)).objects {
                // One that cannot be read defines nothing, and can be deleted.
                if let definition = try? ObjectAPI.tree(stored, as: kind) { api.kinds.set(definition: definition) }
            }
        }
        try await learnKey()
        let namespace = ServedKinds.namespace
        for name in ObjectAPI.eternal where try await api.store.object(namespace.key("", name)) == nil {
            let object: JSONValue = [
                "apiVersion": "v1", "kind": "Namespace",
                "metadata": ["name": .string(name), "labels": ["kubernetes.io/metadata.name": .string(name)]],
            ]
            _ = try await api.create(namespace, object)
        }
    }

    /// The key that tokens are signed with is no object that anybody is served.
    private func learnKey() async throws {
        let key = ObjectKey(resource: "tulle/keys", name: "tokens")
        if let stored = try await api.store.object(key) { return api.issuer.use(key: stored.body) }
        let bytes = (0..<4).flatMap { _ in withUnsafeBytes(of: api.surroundings.random()) { Array($0) } }
        api.issuer.use(key: try await api.store.create(key, Body(bytes)).body)
    }
}
