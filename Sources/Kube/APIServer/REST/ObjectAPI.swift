import KubeAPI

/// Reads and writes objects under the API's rules: between requests above and the store below. The housekeeping writes through
/// it as well.
struct ObjectAPI: Sendable {
    let store: Store
    let kinds: KindBoard
    let rules: APIRules
    let surroundings: Surroundings
    let desk: ServiceDesk
    let issuer = TokenIssuer()
    /// Whether new pods get what ``PodAdmission`` adds.
    let givesAccounts: Bool

    init(
        store: Store, kinds: KindBoard, rules: APIRules, services: ServiceRanges = .standard, givesAccounts: Bool = false,
        surroundings: Surroundings
    ) {
        self.givesAccounts = givesAccounts
        (self.store, self.kinds, self.rules, self.surroundings) = (store, kinds, rules, surroundings)
        desk = ServiceDesk(services, surroundings: surroundings)
    }

    /// What a write came to.
    struct Outcome: Sendable {
        var object: JSONValue
        /// Whether the object is there no more.
        var isGone = false
        /// What is to be said to who changed it.
        var warnings: [String] = []
    }

    /// - Throws: 404.
    func object(_ kind: ServedKind, _ namespace: String, _ name: String) async throws -> JSONValue {
        guard let stored = try await store.object(kind.key(namespace, name)) else { throw Status.notFound(kind, name) }
        return try Self.tree(stored, as: kind)
    }

    /// A stored body is one that we wrote; an object of a kind with several versions is shown in the one that is asked for.
    static func tree(_ stored: StoredObject, as kind: ServedKind) throws -> JSONValue {
        var tree: JSONValue
        do { tree = try JSONReader(depth: 1024).document(stored.body).value } catch {
            throw Status.internalError("\(stored.key) in the store is no JSON: \(error)")
        }
        if kind.isCustom, tree["apiVersion"] != .string(kind.apiVersion) { tree.set(.string(kind.apiVersion), at: "apiVersion") }
        if kind.isNewEvent { tree = EventForm.shown(tree) }
        return tree
    }
}

// MARK: - Creating

extension ObjectAPI {
    /// - Parameter submitted: checked already for its place.
    func create(_ kind: ServedKind, _ submitted: JSONValue, isDryRun: Bool = false) async throws -> JSONValue {
        guard submitted.resourceVersion.isEmpty else {
            throw Status.badRequest("resourceVersion should not be set on objects to be created")
        }
        // A generated name can be taken by chance: another one is tried.
        for _ in 0..<8 {
            do {
                return try await create(named: try named(submitted, kind), kind, isDryRun)
            } catch let error as StoreError {
                guard case .alreadyExists = error.code else { throw error }
                guard submitted.name.isEmpty else { throw Status.alreadyExists(kind, submitted.name) }
            }
        }
        var status = Status.alreadyExists(kind, submitted.at("metadata", "generateName")?.string ?? "")
        status.message += ", the server was not able to generate a unique name for the object"
        throw status
    }

    private func named(_ object: JSONValue, _ kind: ServedKind) throws(Status) -> JSONValue {
        guard object.name.isEmpty else { return object }
        guard let prefix = object.at("metadata", "generateName")?.string, !prefix.isEmpty else {
            let fault = FieldError.required(FieldPath("metadata", "name"), "name or generateName is required")
            throw .invalid(kind, "", [fault])
        }
        var object = object
        // 63 characters less the five of the suffix.
        object.set(.string(String(prefix.prefix(58)) + surroundings.suffix()), at: "metadata", "name")
        return object
    }

    private func create(named object: JSONValue, _ kind: ServedKind, _ isDryRun: Bool) async throws -> JSONValue {
        try ObjectLimits.checkDepth(object, kind)
        let life = ObjectLife(kind: kind)
        var made = life.made(object, uid: surroundings.uid(), now: surroundings.now)
        made = rules.defaulted(made, kind)
        if kind.isDefinition { made = CustomDefinition.established(made) }
        if givesAccounts, kind.isPod { made = try await admitted(made, kind) }
        if kind.isService { made = try desk.settled(made, replacing: nil, kind) }
        let faults = rules.faults(made, nil, kind)
        guard faults.isEmpty else { throw Status.invalid(kind, made.name, faults) }
        let text = StampedBody(kind.stored(made))
        try ObjectLimits.checkSize(text)
        let key = kind.key(made.namespace, made.name)
        let condition = kind.isNamespaced ? Self.open(key, kind) : nil
        if isDryRun {
            if try await store.object(key) != nil { throw Status.alreadyExists(kind, made.name) }
            if let condition { try await store.read("try \(key)") { try condition.check(StoreView(db: $0)) } }
            if kind.isDefinition { return try await tried(definition: made, kind) }
            return kind.isService ? try desk.tried(made, replacing: nil, kind) : made
        }
        let ledger =
            kind.isService ? desk.ledger(for: made, replacing: nil, kind) : kind.isDefinition ? ledger(definition: made) : nil
        let stored = try await store.write(
            Write(key: key, action: .create(text.body), condition: condition, ledger: ledger))
        if ledger != nil { return try completed(stored, kind) }
        made.set(.string(stored.revision.description), at: "metadata", "resourceVersion")
        return made
    }

    /// What a ledger made of an object.
    private func completed(_ stored: StoredObject, _ kind: ServedKind) throws -> JSONValue {
        let object = try Self.tree(stored, as: kind)
        if kind.isDefinition { kinds.set(definition: object) }
        return object
    }

    private func admitted(_ pod: JSONValue, _ kind: ServedKind) async throws -> JSONValue {
        var account: StoredObject?
        if let accounts = kinds.kind(group: "", kind: "ServiceAccount") {
            account = try await store.object(accounts.key(pod.namespace, PodAdmission.accountName(of: pod)))
        }
        let tree = try account.map { try JSONReader().document($0.body).value }
        return try PodAdmission(account: tree, suffix: surroundings.suffix()).admitted(pod, kind)
    }

    /// Its namespace is there, and not on its way out: else a namespace could go with something still in it.
    private static func open(_ key: ObjectKey, _ kind: ServedKind) -> WriteCondition {
        WriteCondition { view throws(StoreError) in
            let namespace = ServedKinds.namespace
            guard let stored = try view.object(ObjectKey(resource: namespace.storage, name: key.namespace)) else {
                throw .refused(.notFound(namespace, key.namespace))
            }
            guard let tree = try? JSONReader().document(stored.body).value, tree.isBeingDeleted else { return }
            let why = "unable to create new content in namespace \(key.namespace) because it is being terminated"
            let cause = Status.Cause(
                reason: "NamespaceTerminating", message: "namespace \(key.namespace) is being terminated",
                field: "metadata.namespace")
            throw .refused(.forbidden(kind, key.name, why, causes: [cause]))
        }
    }
}

extension StoreError {
    static func refused(_ status: Status) -> StoreError { StoreError(.refused, status.message, cause: status) }
}

extension ServedKinds {
    /// Every other namespaced kind depends on this one.
    static let namespace =
        kind(group: "", version: "v1", plural: "namespaces")
        ?? ServedKind(
            group: "", version: "v1", kind: "Namespace", plural: "namespaces", singular: "namespace", isNamespaced: false,
            listKind: "NamespaceList")
}

// MARK: - Changing

extension ObjectAPI {
    /// Reads, changes and writes back, again and again while others come between: a change that names the version it was made
    /// from is refused as soon as that version is not the newest.
    ///
    /// - Parameter edit: from the object as it is to the object as it is wanted; called once for every try.
    func change(
        _ kind: ServedKind, _ namespace: String, _ name: String, part: ObjectLife.Part = .main, isDryRun: Bool = false,
        _ edit: @Sendable (JSONValue) throws -> JSONValue
    ) async throws -> Outcome {
        try await change(kind, namespace, name, part: part, isDryRun: isDryRun) { Submission.Reading(object: try edit($0)) }
    }

    /// The same, with what is to be said of the object that was wanted.
    func change(
        _ kind: ServedKind, _ namespace: String, _ name: String, part: ObjectLife.Part = .main, isDryRun: Bool = false,
        _ edit: @Sendable (JSONValue) throws -> Submission.Reading
    ) async throws -> Outcome {
        let key = kind.key(namespace, name)
        let life = ObjectLife(kind: kind)
        while true {
            guard let stored = try await store.object(key) else { throw Status.notFound(kind, name) }
            let old = try Self.tree(stored, as: kind)
            let reading = try edit(old)
            let new = reading.object
            try ObjectLimits.checkDepth(new, kind)
            try Self.check(new, replaces: old, kind)
            // Defaults first: what a client left out is no change of what was filled in before.
            var result = life.changed(rules.defaulted(new, kind), over: old, part: part)
            if kind.isDefinition, part == .main { result = CustomDefinition.established(result) }
            if kind.isService, part == .main {
                result = life.changed(try desk.settled(result, replacing: old, kind), over: old, part: part)
            }
            if result == old { return Outcome(object: old, warnings: reading.warnings) }
            let faults = life.faults(of: result, over: old) + rules.faults(result, old, kind)
            guard faults.isEmpty else { throw Status.invalid(kind, name, faults) }
            let text = StampedBody(kind.stored(result))
            try ObjectLimits.checkSize(text, replacing: stored.body.count)
            if isDryRun {
                if kind.isService, part == .main { result = try desk.tried(result, replacing: old, kind) }
                if kind.isDefinition { result = try await tried(definition: result, kind) }
                return Outcome(object: result, isGone: life.isFree(result), warnings: reading.warnings)
            }
            var ledger = kind.isService && part == .main ? desk.ledger(for: result, replacing: old, kind) : nil
            if kind.isDefinition { ledger = self.ledger(definition: result) }
            do {
                var outcome = try await write(result, text, over: stored, kind, life, ledger)
                outcome.warnings = reading.warnings
                return outcome
            } catch let error as StoreError {
                guard case .conflict = error.code else { throw error }
            }
        }
    }

    private func write(
        _ object: JSONValue, _ text: StampedBody, over stored: StoredObject, _ kind: ServedKind, _ life: ObjectLife,
        _ ledger: WriteLedger? = nil
    ) async throws -> Outcome {
        var object = object
        if life.isFree(object) { return try await remove(object, stored, kind) }
        let written = try await store.write(
            Write(
                key: stored.key, action: .update(text.body, expected: stored.revision), ledger: ledger))
        if ledger != nil { return Outcome(object: try completed(written, kind)) }
        object.set(.string(written.revision.description), at: "metadata", "resourceVersion")
        if kind.isDefinition { kinds.set(definition: object) }
        return Outcome(object: object)
    }

    private static func check(_ new: JSONValue, replaces old: JSONValue, _ kind: ServedKind) throws(Status) {
        if !new.uid.isEmpty, new.uid != old.uid {
            throw .conflict(
                kind, old.name, "Precondition failed: UID in precondition: \(new.uid), UID in object meta: \(old.uid)")
        }
        let version = new.resourceVersion
        if !version.isEmpty, version != old.resourceVersion {
            guard Revision(version) != nil else {
                let fault = FieldError.invalid(
                    FieldPath("metadata", "resourceVersion"), .string(version), "must be a version that this server gave")
                throw .invalid(kind, old.name, [fault])
            }
            throw .conflict(kind, old.name)
        }
    }
}

// MARK: - Deleting

extension ObjectAPI {
    func delete(
        _ kind: ServedKind, _ namespace: String, _ name: String, _ options: DeleteOptions = DeleteOptions()
    ) async throws -> Outcome {
        let key = kind.key(namespace, name)
        let life = ObjectLife(kind: kind)
        if kind.isNamespace, Self.eternal.contains(name) {
            throw Status.forbidden(kind, name, "this namespace may not be deleted")
        }
        while true {
            guard let stored = try await store.object(key) else { throw Status.notFound(kind, name) }
            // What cannot be read has no finalizers and no grace that anybody could know of.
            let read = try? Self.tree(stored, as: kind)
            let object = read ?? JSONValue.remnant(of: stored, kind)
            try Self.check(object, options, kind)
            let removal = read.map { life.removal(of: $0, options, now: surroundings.now) } ?? .gone
            do {
                switch removal {
                case .unchanged: return Outcome(object: object)
                case .gone where options.isDryRun: return Outcome(object: object, isGone: true)
                case .marked(let marked) where options.isDryRun: return Outcome(object: marked)
                case .gone: return try await remove(object, stored, kind)
                case .marked(let marked):
                    return try await write(marked, StampedBody(kind.stored(marked)), over: stored, kind, life)
                }
            } catch let error as StoreError {
                guard case .conflict = error.code else { throw error }
            }
        }
    }

    /// The namespaces that the server itself makes.
    static let eternal = ["default", "kube-system", "kube-public", "kube-node-lease"]

    /// - Parameter object: as watches see it last, but for its version.
    private func remove(_ object: JSONValue, _ stored: StoredObject, _ kind: ServedKind) async throws -> Outcome {
        let text = StampedBody(kind.stored(object))
        let gone = try await store.write(
            Write(
                key: stored.key, action: .delete(expected: stored.revision) { text.bytes(at: $1) },
                condition: kind.isNamespace ? empty(object.name) : nil,
                ledger: kind.isService ? desk.ledger(removing: object) : nil))
        if kind.isDefinition { kinds.remove(definition: object.name, at: gone.revision) }
        var object = object
        object.set(.string(gone.revision.description), at: "metadata", "resourceVersion")
        return Outcome(object: object, isGone: true)
    }

    /// A namespace goes when nothing is in it; what was made in it meanwhile keeps it.
    private func empty(_ namespace: String) -> WriteCondition {
        let resources = kinds.stored.filter(\.isNamespaced).map(\.storage)
        return WriteCondition { view throws(StoreError) in
            for resource in resources where try !view.isEmpty(resource, in: namespace) {
                throw .refused(.conflict(ServedKinds.namespace, namespace, "there are still \(resource) in it"))
            }
        }
    }

    private static func check(_ object: JSONValue, _ options: DeleteOptions, _ kind: ServedKind) throws(Status) {
        if let uid = options.uid, uid != object.uid {
            throw .conflict(
                kind, object.name, "Precondition failed: UID in precondition: \(uid), UID in object meta: \(object.uid)")
        }
        if let version = options.resourceVersion, version != object.resourceVersion {
            throw .conflict(
                kind, object.name,
                "Precondition failed: ResourceVersion in precondition: \(version), "
                    + "ResourceVersion in object meta: \(object.resourceVersion)")
        }
    }
}
