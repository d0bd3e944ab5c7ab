import KubeAPI
import KubeClient
import Logging

/// Carries the controllers' writes out against an API server.
///
/// A server that is away delays a write and does not fail it: a hundred keys that fail and back off would come back late. A write
/// whose answer was lost is not repeated blindly. A creation is looked for by its name; anything else is refused, and the object is
/// looked at again.
struct APIWriter: ObjectWriter {
    let client: APIClient
    /// By the controllers' names.
    let recorders: [String: EventRecorder]
    let circumstances: Circumstances
    let logger: Logger

    /// How often a server that is away is asked whether it is back.
    private static let pause = Duration.milliseconds(250)

    func carryOut(_ write: Write) async throws -> JSONValue? {
        while true {
            do {
                return try await send(write)
            } catch let failure as APIFailure where failure.cause is ConnectionFailure {
                // Nothing was asked yet.
                try await circumstances.sleep(Self.pause)
            } catch let failure as APIFailure where failure.isUnclear {
                if let found = try await present(write.key) {
                    if case .create(let tree) = write, Self.isSame(found, tree) { return found }
                } else if case .delete = write {
                    return nil
                }
                throw failure
            } catch {
                logger.debug("a write was refused", metadata: ["write": "\(write)", "failure": "\(error)"])
                complain(write, error)
                throw error
            }
        }
    }

    func tell(_ notice: Notice) async {
        let subject = EventNote.Subject(
            GroupVersionKind(notice.about.key), namespace: notice.about.namespace, name: notice.about.name, uid: notice.about.uid)
        recorders[notice.source]?.record(
            EventNote(
                subject, notice.severity == .normal ? .normal : .warning, reason: notice.reason, notice.message))
    }
}

extension APIWriter {
    private func send(_ write: Write) async throws -> JSONValue? {
        switch write {
        case .create(let tree): return try await client.create(tree, of: Self.resource(tree))
        case .update(let tree): return try await client.update(tree, of: Self.resource(tree))
        case .updateStatus(let tree): return try await client.update(tree, of: Self.resource(tree), subresource: .status)
        case .bind(let pod, let uid, let node):
            let binding: JSONValue = [
                "apiVersion": "v1", "kind": "Binding",
                "metadata": ["name": .string(pod.name), "namespace": .string(pod.namespace), "uid": .string(uid)],
                "target": ["apiVersion": "v1", "kind": "Node", "name": .string(node)],
            ]
            try await client.create(
                binding, of: Kinds.resource(of: pod), in: pod.namespace, named: pod.name, subresource: .binding)
            // The answer says only that it was done.
            return try await present(pod)
        case .delete(let key, let uid, let grace):
            return try await delete(key, uid, grace)
        }
    }

    private func delete(_ key: ObjectKey, _ uid: String, _ grace: Duration?) async throws -> JSONValue? {
        let options = DeletionOptions(grace: grace, propagation: .background, uid: uid.isEmpty ? nil : uid)
        do {
            let answer = try await client.delete(
                Kinds.resource(of: key), key.name, in: key.namespace.isEmpty ? nil : key.namespace, options: options)
            // A `Status`, or the object: as it stays for its grace or its finalizers, or as it was before it went.
            guard answer["kind"]?.string != "Status", let item = Item(answer), item.isBeingDeleted, item.uid == uid else {
                return nil
            }
            return answer
        } catch APIFailure.notFound {
            return nil
        }
    }

    /// The object as it is; waits for a server that is away.
    private func present(_ key: ObjectKey?) async throws -> JSONValue? {
        guard let key else { return nil }
        while true {
            do {
                return try await client.get(
                    Kinds.resource(of: key), key.name, in: key.namespace.isEmpty ? nil : key.namespace)
            } catch APIFailure.notFound {
                return nil
            } catch let failure as APIFailure where failure.isUnclear {
                try await circumstances.sleep(Self.pause)
            }
        }
    }

    /// Whether an object that is there is the one that was to be made: by the same owner.
    private static func isSame(_ found: JSONValue, _ wanted: JSONValue) -> Bool {
        found[field: "metadata", "ownerReferences"] == wanted[field: "metadata", "ownerReferences"]
    }

    private static func resource(_ tree: JSONValue) -> ResourceType {
        let kind = GroupVersionKind(apiVersion: tree["apiVersion"]?.string ?? "", kind: tree["kind"]?.string ?? "")
        return Kinds.resource(kind ?? GroupVersionKind(version: "v1", kind: tree["kind"]?.string ?? ""))
    }

    /// A pod that the server does not take is told at who wants it: nobody else would hear of it.
    private func complain(_ write: Write, _ error: any Error) {
        guard case .create(let tree) = write, let failure = error as? APIFailure,
            failure.code == APIFailure.invalid || failure.code == APIFailure.forbidden || failure.code == APIFailure.badRequest,
            let item = Item(tree), let owner = item.metadata.controller,
            let kind = GroupVersionKind(apiVersion: owner.apiVersion, kind: owner.kind)
        else { return }
        let subject = EventNote.Subject(kind, namespace: item.namespace, name: owner.name, uid: owner.uid)
        recorders["\(owner.kind.lowercased())-controller"]?.record(
            EventNote(subject, .warning, reason: "FailedCreate", "Error creating: \(failure.message)"))
    }
}

extension APIFailure {
    /// It may have been done or not.
    var isUnclear: Bool {
        code == APIFailure.unreachable || code == APIFailure.timeout || code == APIFailure.unavailable
            || code == APIFailure.unreadable
    }
}

extension GroupVersionKind {
    /// Of a key, whose version is the one we speak.
    init(_ key: ObjectKey) { self.init(group: key.group, version: "v1", kind: key.kind) }
}
