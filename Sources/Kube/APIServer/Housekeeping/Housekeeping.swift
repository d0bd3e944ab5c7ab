import KubeAPI
import Logging

/// Carries out what ``Ownership`` and ``EventAges`` find: garbage collection, the end of namespaces and of definitions, and of
/// events that are old.
///
/// In a cluster the controller manager does this; here it lives in the server, because without it deleting does not work.
struct Housekeeping: Sendable {
    let api: ObjectAPI
    let logger: Logger
    var pause: @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }

    /// Until the watches end or the task is cancelled.
    func run() async {
        var wait = Self.firstWait
        while !Task.isCancelled {
            do {
                try await follow { wait = Self.firstWait }
                return
            } catch let error as StoreError where error.code == .expired {
                // It was too slow, and begins again with what is there.
                continue
            } catch {
                // A full disk is emptied some day: nothing that was deleted would go, if nobody came back then.
                logger.error("housekeeping begins again", metadata: ["error": "\(error)", "after": "\(wait)"])
                do { try await pause(wait) } catch { return }
                wait = min(wait * 2, Self.longestWait)
            }
        }
    }

    private static let firstWait = Duration.seconds(1)
    private static let longestWait = Duration.seconds(60)

    /// How often it is looked for events that are old, when nothing else happens.
    private static let round = Duration.seconds(60)

    /// - Parameter begun: called when everything there is was looked at.
    private func follow(begun: () -> Void) async throws {
        let watch = try await api.store.watch(.everything, after: try await api.store.revision())
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                while !Task.isCancelled {
                    do { try await pause(Self.round) } catch { return }
                    watch.nudge()
                }
            }
            defer { group.cancelAll() }
            try await follow(watch, begun: begun)
        }
    }

    private func follow(_ watch: Watch, begun: () -> Void) async throws {
        var (world, ages) = (Ownership(), EventAges())
        for kind in api.kinds.stored {
            for stored in try await api.store.list(Selection(resource: kind.storage)).objects {
                let object = (try? ObjectAPI.tree(stored, as: kind)) ?? JSONValue.remnant(of: stored, kind)
                world.put(stored.key, object, at: stored.revision)
                note(object, stored, &ages)
            }
        }
        await tidy(&world, &ages)
        try await settleDefinitions()
        begun()
        while let step = try await watch.step(atMost: 1024) {
            var changes: [Change] = []
            if case .changes(let found) = step { changes = found }
            for change in changes {
                switch change.kind {
                case .deleted:
                    world.remove(change.key, at: change.revision)
                    if change.key.resource == EventAges.resource { ages.remove(change.key) }
                case .added, .modified:
                    let read = try? JSONReader(depth: 1024).document(change.object.body).value
                    guard let object = read ?? remnant(change.object) else { continue }
                    world.put(change.key, object, at: change.revision)
                    note(object, change.object, &ages)
                }
            }
            await tidy(&world, &ages)
            if changes.contains(where: { $0.key.resource == Ownership.definitions }) { try await settleDefinitions() }
        }
    }

    private func settleDefinitions() async throws {
        do { try await api.settleDefinitions() } catch let status as Status {
            // Somebody was quicker: that change comes here too.
            logger.debug("housekeeping", metadata: ["error": "\(status)"])
        }
    }

    private func note(_ object: JSONValue, _ stored: StoredObject, _ ages: inout EventAges) {
        guard stored.key.resource == EventAges.resource else { return }
        ages.put(stored.key, object, at: stored.revision, now: api.surroundings.now)
    }

    private func remnant(_ stored: StoredObject) -> JSONValue? {
        (try? kind(stored.key)).map { .remnant(of: stored, $0) }
    }

    private func tidy(_ world: inout Ownership, _ ages: inout EventAges) async {
        let chores = world.chores { api.kinds.kind(group: $0.group, kind: $0.kind) != nil }
        world.mark(await inParallel(chores) { await attempt($0) })
        // One that did not go is asked for again by its age.
        _ = await inParallel(ages.take(now: api.surroundings.now)) { aged in
            await attempt(aged)
            return nil
        }
    }

    /// - Returns: what the work on some of them gave.
    private func inParallel<Item: Sendable>(
        _ items: [Item], _ work: @escaping @Sendable (Item) async -> String?
    ) async -> [String] {
        var results: [String] = []
        await withTaskGroup(of: String?.self) { group in
            var waiting = items[...]
            for item in waiting.prefix(Self.atOnce) { group.addTask { await work(item) } }
            waiting = waiting.dropFirst(Self.atOnce)
            while let result = await group.next() {
                if let result { results.append(result) }
                if let item = waiting.popFirst() { group.addTask { await work(item) } }
            }
        }
        return results
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

    private func attempt(_ aged: EventAges.Aged) async {
        var options = DeleteOptions()
        (options.uid, options.resourceVersion) = (aged.uid, aged.revision.description)
        do {
            _ = try await api.delete(try kind(aged.key), aged.key.namespace, aged.key.name, options)
        } catch {
            logger.debug("housekeeping", metadata: ["event": "\(aged.key)", "error": "\(error)"])
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
