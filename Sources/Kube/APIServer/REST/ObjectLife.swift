import KubeAPI

/// What happens to an object's own record of itself when it is made, changed and taken away: who it is, how often its wishes
/// changed, whether it is going. Pure.
struct ObjectLife: Sendable {
    let kind: ServedKind

    /// Which part of an object a write is about.
    enum Part: Hashable, Sendable {
        /// Everything but the status.
        case main
        case status
        /// A namespace's `spec.finalizers`.
        case finalizers
    }
}

// MARK: - Made

extension ObjectLife {
    /// A new object's metadata. Its name is decided already.
    func made(_ object: JSONValue, uid: String, now: Timestamp) -> JSONValue {
        var object = object
        for field in ["resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds"] {
            object.set(nil, at: "metadata", field)
        }
        object.set(.string(uid), at: "metadata", "uid")
        object.set(.string(now.description), at: "metadata", "creationTimestamp")
        object.set(countsGenerations(object) ? 1 : JSONValue?.none, at: "metadata", "generation")
        if kind.hasStatus, kind.plural != "nodes" || kind.isCustom { object.set(nil, at: "status") }
        if kind.isNamespace {
            object.set(["kubernetes"], at: "spec", "finalizers")
            object.set(["phase": "Active"], at: "status")
        }
        return object
    }

    /// ConfigMaps and the like have nothing that anybody acts upon.
    private func countsGenerations(_ object: JSONValue) -> Bool {
        kind.isCustom || (object["spec"] != nil && !kind.isNamespace && kind.plural != "nodes")
    }
}

// MARK: - Changed

extension ObjectLife {
    /// What is kept when somebody writes `new` over `old`.
    func changed(_ new: JSONValue, over old: JSONValue, part: Part) -> JSONValue {
        var result = new
        switch part {
        case .main: if kind.hasStatus { result.set(old["status"], at: "status") }
        case .status: result = old.with(status: new, of: kind)
        case .finalizers:
            result = old
            result.set(new.at("spec", "finalizers"), at: "spec", "finalizers")
        }
        for field in [
            "uid", "creationTimestamp", "resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds", "generateName",
        ] {
            result.set(old.at("metadata", field), at: "metadata", field)
        }
        if kind.isNamespace, part == .main {
            result.set(old.at("spec", "finalizers"), at: "spec", "finalizers")
        }
        let bumps = part == .main && wishes(result) != wishes(old) && (old.generation > 0 || countsGenerations(result))
        let generation = bumps ? old.generation + 1 : old.generation
        result.set(generation == 0 ? JSONValue?.none : .number(JSONNumber(generation)), at: "metadata", "generation")
        return result
    }

    /// What controllers act upon: the spec; of custom objects all but metadata and status.
    private func wishes(_ object: JSONValue) -> JSONValue? {
        guard kind.isCustom else { return object["spec"] }
        var object = object
        object.set(nil, at: "metadata")
        object.set(nil, at: "status")
        return object
    }

    /// What is wrong with a change of an object that is going: nobody may begin to hold it.
    func faults(of new: JSONValue, over old: JSONValue) -> [FieldError] {
        guard old.isBeingDeleted else { return [] }
        let added = new.finalizers.filter { !old.finalizers.contains($0) }
        guard !added.isEmpty else { return [] }
        let list = added.map { "\"\($0)\"" }.joined(separator: ", ")
        return [
            .forbidden(
                FieldPath("metadata", "finalizers"),
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{\(list)}")
        ]
    }

    /// Whether nothing holds an object any more that is being deleted.
    func isFree(_ object: JSONValue) -> Bool {
        guard object.isBeingDeleted, object.finalizers.isEmpty else { return false }
        if kind.isNamespace { return (object.at("spec", "finalizers")?.array ?? []).isEmpty }
        // A pod's node says that it ended by a delete with no grace left.
        return (object.at("metadata", "deletionGracePeriodSeconds")?.integer ?? 0) == 0
    }
}

extension JSONValue {
    /// Custom objects' status writes leave the metadata alone; those of built-in ones may carry labels and annotations, and some
    /// networks write a node's annotations that way.
    fileprivate func with(status new: JSONValue, of kind: ServedKind) -> JSONValue {
        var result = self
        result.set(new["status"], at: "status")
        if !kind.isCustom {
            for field in ["labels", "annotations", "finalizers"] { result.set(new.at("metadata", field), at: "metadata", field) }
        }
        return result
    }
}

// MARK: - Taken away

extension ObjectLife {
    enum Removal: Hashable, Sendable {
        /// It goes now.
        case gone
        /// It stays for a while, written like this.
        case marked(JSONValue)
        /// It is going already, and nothing changes.
        case unchanged
    }

    func removal(of object: JSONValue, _ options: DeleteOptions, now: Timestamp) -> Removal {
        var marked = object
        var finalizers = object.finalizers.filter { $0 != Finalizer.orphan && $0 != Finalizer.foreground }
        switch options.propagation {
        case .background: if object.isBeingDeleted { finalizers = object.finalizers }
        case .foreground: finalizers.append(Finalizer.foreground)
        case .orphan: finalizers.append(Finalizer.orphan)
        }
        marked.set(finalizers.isEmpty ? JSONValue?.none : .array(finalizers.map(JSONValue.string)), at: "metadata", "finalizers")
        let grace = kind.isPod ? podGrace(object, options) : 0
        if !object.isBeingDeleted {
            marked.set(.string(now.advanced(by: grace).description), at: "metadata", "deletionTimestamp")
            marked.set(.number(JSONNumber(grace)), at: "metadata", "deletionGracePeriodSeconds")
            if object.generation > 0 { marked.set(.number(JSONNumber(object.generation + 1)), at: "metadata", "generation") }
            if kind.isNamespace { marked.set("Terminating", at: "status", "phase") }
        } else if let before = object.at("metadata", "deletionGracePeriodSeconds")?.integer, grace < before {
            // A later delete can hurry the first, never slow it down.
            let start = object.at("metadata", "deletionTimestamp")?.string.flatMap { Timestamp($0) } ?? now
            marked.set(.string(start.advanced(by: grace - before).description), at: "metadata", "deletionTimestamp")
            marked.set(.number(JSONNumber(grace)), at: "metadata", "deletionGracePeriodSeconds")
        }
        if isFree(marked) { return .gone }
        return marked == object ? .unchanged : .marked(marked)
    }

    /// A pod that never ran, or runs no more, has nothing to be graceful about.
    private func podGrace(_ pod: JSONValue, _ options: DeleteOptions) -> Int64 {
        let isBound = !(pod.at("spec", "nodeName")?.string ?? "").isEmpty
        let phase = pod.at("status", "phase")?.string
        guard isBound, phase != "Succeeded", phase != "Failed" else { return 0 }
        let before = pod.at("metadata", "deletionGracePeriodSeconds")?.integer
        return max(0, options.grace ?? before ?? pod.at("spec", "terminationGracePeriodSeconds")?.integer ?? 30)
    }
}

/// The finalizers that are the server's own.
enum Finalizer {
    static let orphan = "orphan"
    static let foreground = "foregroundDeletion"
    static let definition = "customresourcecleanup.apiextensions.k8s.io"
}
