import KubeAPI
import Synchronization

/// The kinds that are served now: the built-in ones, and those of the custom resource definitions.
///
/// A definition changes them in the moment its write is answered, so that who created one may use it with the next request.
final class KindBoard: Sendable {
    fileprivate struct Address: Hashable {
        var group, version, plural: String
    }

    fileprivate struct State: Sendable {
        var byDefinition: [String: [ServedKind]] = [:]
        var byAddress: [Address: ServedKind] = [:]
        var all: [ServedKind] = []
        var documents: [DocumentName: Document] = [:]
        /// Which write of a definition was heard of last: writers are answered in another order than they wrote.
        var revisions: [String: Revision] = [:]

        /// What the documents are made of.
        var custom: [ServedKind] { byDefinition.sorted { $0.key < $1.key }.flatMap(\.value).filter(\.isServed) }
    }

    private let rules: APIRules
    private let state: Mutex<State>

    init(_ rules: APIRules) {
        self.rules = rules
        state = Mutex(State())
        rebuild { _ in }
    }

    var all: [ServedKind] { state.withLock { $0.all } }

    func kind(_ target: Target) -> ServedKind? {
        let address = Address(group: target.group, version: target.version, plural: target.plural)
        return state.withLock { $0.byAddress[address] }
    }

    /// The first served version of a kind, by the words of an owner reference.
    func kind(group: String, kind: String) -> ServedKind? {
        state.withLock { $0.all.first { $0.group == group && $0.kind == kind && $0.isServed } }
    }

    /// One kind for each resource that is stored: versions share their objects.
    var stored: [ServedKind] {
        var seen: Set<String> = []
        return all.filter { $0.refusal == nil && !$0.isReview && seen.insert($0.storage).inserted }
    }

    /// The kinds of one definition.
    func kinds(of definition: String) -> [ServedKind] { state.withLock { $0.byDefinition[definition] ?? [] } }

    /// What the server says of itself. Large, and kept until the kinds change.
    func document(_ name: DocumentName) -> Document? {
        let (known, custom) = state.withLock { state in
            (state.documents[name], state.custom)
        }
        if let known { return known }
        guard let made = Document(name, Discovery(custom: custom)) else { return nil }
        state.withLock { state in
            // It may be of yesterday already.
            if state.custom == custom { state.documents[name] = made }
        }
        return made
    }

    /// Serves a definition as it was written; what is older than what was heard of already is passed over.
    func set(definition: JSONValue) {
        let kinds = DefinitionNames.served(definition).map(rules.custom) ?? []
        rebuild { $0.take(kinds, of: definition.name, at: Revision(definition.resourceVersion)) }
    }

    func remove(definition name: String, at revision: Revision) { rebuild { $0.take(nil, of: name, at: revision) } }

    private func rebuild(_ change: (inout State) -> Void) {
        state.withLock { state in
            change(&state)
            let custom = state.byDefinition.sorted { $0.key < $1.key }.flatMap(\.value)
            state.all = rules.kinds + custom
            state.byAddress = [:]
            state.documents = [:]
            for kind in state.all where kind.isServed {
                let address = Address(group: kind.group, version: kind.version, plural: kind.plural)
                // A definition cannot take the place of what was there first.
                if state.byAddress[address] == nil { state.byAddress[address] = kind }
            }
        }
    }
}

extension KindBoard.State {
    fileprivate mutating func take(_ kinds: [ServedKind]?, of definition: String, at revision: Revision?) {
        if let revision {
            if let known = revisions[definition], known >= revision { return }
            revisions[definition] = revision
        }
        byDefinition[definition] = kinds
    }
}

extension ServedKind {
    /// Whether requests may be for it.
    var isServed: Bool { custom?.isServed ?? true }

    /// The name of the resource in the store: without the version, because versions share their objects.
    var storage: String { group.isEmpty || isNewEvent ? plural : "\(group)/\(plural)" }

    func key(_ namespace: String, _ name: String) -> ObjectKey {
        ObjectKey(resource: storage, namespace: isNamespaced ? namespace : "", name: name)
    }

    var isService: Bool { group.isEmpty && plural == "services" }
    var isPod: Bool { group.isEmpty && plural == "pods" }
    var isNamespace: Bool { group.isEmpty && plural == "namespaces" }
    var isDefinition: Bool { group == "apiextensions.k8s.io" && plural == "customresourcedefinitions" }
}
