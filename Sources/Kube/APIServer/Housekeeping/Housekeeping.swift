import KubeAPI
import Logging

/// Carries out what ``Ownership`` finds: garbage collection, the end of namespaces and of definitions.
///
/// In a cluster the controller manager does this; here it lives in the server, because without it deleting does not work.
struct Housekeeping: Sendable {
    let api: ObjectAPI
    let logger: Logger

    /// Until the watches end or the task is cancelled.
    func run() async {
        while !Task.isCancelled {
            do {
                try await follow()
                return
            } catch let error as StoreError where error.code == .expired {
                // It was too slow, and begins again with what is there.
                continue
            } catch {
                logger.error("housekeeping ended", metadata: ["error": "\(error)"])
                return
            }
        }
    }

    private func follow() async throws {
        let watch = try await api.store.watch(.everything, after: try await api.store.revision())
        var world = Ownership()
        for kind in api.kinds.stored {
            for stored in try await api.store.list(Selection(resource: kind.storage)).objects {
                let object = (try? ObjectAPI.tree(stored, as: kind)) ?? JSONValue.remnant(of: stored, kind)
                world.put(stored.key, object, at: stored.revision)
            }
        }
        await tidy(&world)
        while let changes = try await watch.next(atMost: 1024) {
            for change in changes {
                switch change.kind {
                case .deleted: world.remove(change.key, at: change.revision)
                case .added, .modified:
                    let read = try? JSONReader(depth: 1024).document(change.object.body).value
                    guard let object = read ?? remnant(change.object) else { continue }
                    world.put(change.key, object, at: change.revision)
                }
            }
            await tidy(&world)
        }
    }

    private func remnant(_ stored: StoredObject) -> JSONValue? {
        (try? kind(stored.key)).map { .remnant(of: stored, $0) }
    }

    private func tidy(_ world: inout Ownership) async {
        let chores = world.chores { api.kinds.kind(group: $0.group, kind: $0.kind) != nil }
        guard !chores.isEmpty else { return }
        var failed: [String] = []
        await withTaskGroup(of: String?.self) { group in
            var waiting = chores[...]
            for chore in waiting.prefix(Self.atOnce) { group.addTask { await attempt(chore) } }
            waiting = waiting.dropFirst(Self.atOnce)
            while let result = await group.next() {
                if let result { failed.append(result) }
                if let chore = waiting.popFirst() { group.addTask { await attempt(chore) } }
            }
        }
        world.mark(failed)
    }

    /// So many writes share a commit, and a thousand of them do not keep requests out.
    private static let atOnce = 32

    /// The uid of what must be tried again; `nil` when it is done, or there is nothing to do any more.
    private func attempt(_ chore: Ownership.Chore) async -> String? {
        do {
            try await perform(chore)
            return nil
        } catch let status as Status where status.code == 404 {
            return nil
        } catch let status as Status where status.code == 409 && status.message.contains("Precondition") {
            return nil
        } catch {
            logger.debug("housekeeping", metadata: ["chore": "\(chore)", "error": "\(error)"])
            return chore.uid
        }
    }

    private func perform(_ chore: Ownership.Chore) async throws {
        switch chore {
        case .delete(let key, let uid, let propagation):
            var options = DeleteOptions()
            (options.uid, options.propagation) = (uid, propagation)
            _ = try await api.delete(try kind(key), key.namespace, key.name, options)
        case .removeOwners(let key, let uid, let owners):
            try await edit(key, uid) { object in
                let kept = (object.at("metadata", "ownerReferences")?.array ?? []).filter {
                    !owners.contains($0["uid"]?.string ?? "")
                }
                object.set(kept.isEmpty ? JSONValue?.none : .array(kept), at: "metadata", "ownerReferences")
            }
        case .removeFinalizer(let key, let uid, let finalizer):
            try await edit(key, uid) { object in
                let kept = object.finalizers.filter { $0 != finalizer }
                object.set(kept.isEmpty ? JSONValue?.none : .array(kept.map(JSONValue.string)), at: "metadata", "finalizers")
            }
        case .finishNamespace(let name, let uid):
            try await edit(ServedKinds.namespace.key("", name), uid, part: .finalizers) { $0.set([], at: "spec", "finalizers") }
        }
    }

    private func edit(
        _ key: ObjectKey, _ uid: String, part: ObjectLife.Part = .main, _ change: @escaping @Sendable (inout JSONValue) -> Void
    ) async throws {
        _ = try await api.change(try kind(key), key.namespace, key.name, part: part) { object in
            guard object.uid == uid else { return object }
            var object = object
            change(&object)
            return object
        }
    }

    private func kind(_ key: ObjectKey) throws(Status) -> ServedKind {
        guard let kind = api.kinds.stored.first(where: { $0.storage == key.resource }) else { throw .unknownPath }
        return kind
    }
}
