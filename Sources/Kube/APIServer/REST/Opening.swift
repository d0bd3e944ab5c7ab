import KubeAPI
import Logging

/// What is there before the first request: the namespaces that are always there, and the kinds that were defined before.
struct Opening: Sendable {
    let api: ObjectAPI
    let logger: Logger

    func run() async throws {
        for kind in api.kinds.all where kind.isService {
            let services = try await api.store.list(Selection(resource: kind.storage)).objects.map {
                try ObjectAPI.tree($0, as: kind)
            }
            for problem in api.desk.learn(services) { logger.warning("\(problem)") }
        }
        for kind in api.kinds.all where kind.isDefinition {
            for stored in try await api.store.list(Selection(resource: kind.storage)).objects {
                api.kinds.set(definition: try ObjectAPI.tree(stored, as: kind))
            }
        }
        let namespace = ServedKinds.namespace
        for name in ObjectAPI.eternal where try await api.store.object(namespace.key("", name)) == nil {
            let object: JSONValue = [
                "apiVersion": "v1", "kind": "Namespace",
                "metadata": ["name": .string(name), "labels": ["kubernetes.io/metadata.name": .string(name)]],
            ]
            _ = try await api.create(namespace, object)
        }
    }
}
