import KubeAPI
import Synchronization

/// The kinds that are served now: the built-in ones, and those of the custom resource definitions.
///
/// A definition changes them in the moment its write is answered, so that who created one may use it with the next request.
final class KindBoard: Sendable {
    private struct Address: Hashable {
        var group, version, plural: String
    }

    private struct State: Sendable {
        var byDefinition: [String: [ServedKind]] = [:]
        var byAddress: [Address: ServedKind] = [:]
        var all: [ServedKind] = []
        var documents: [DocumentName: Document] = [:]
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
        state.withLock { $0.all.first { $0.group == group && $0.kind == kind } }
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
            (state.documents[name], state.byDefinition.sorted { $0.key < $1.key }.flatMap(\.value))
        }
        if let known { return known }
        guard let made = Document(name, Discovery(custom: custom)) else { return nil }
        state.withLock { state in
            // It may be of yesterday already.
            let now = state.byDefinition.sorted { $0.key < $1.key }.flatMap(\.value)
            if now == custom { state.documents[name] = made }
        }
        return made
    }

    func set(definition: JSONValue) {
        let kinds = rules.custom(definition)
        rebuild { $0[definition.name] = kinds }
    }

    func remove(definition name: String) { rebuild { $0[name] = nil } }

    private func rebuild(_ change: (inout [String: [ServedKind]]) -> Void) {
        state.withLock { state in
            change(&state.byDefinition)
            let custom = state.byDefinition.sorted { $0.key < $1.key }.flatMap(\.value)
            state.all = rules.kinds + custom
            state.byAddress = [:]
            state.documents = [:]
            for kind in state.all {
                let address = Address(group: kind.group, version: kind.version, plural: kind.plural)
                // A definition cannot take the place of what was there first.
                if state.byAddress[address] == nil { state.byAddress[address] = kind }
            }
        }
    }
}

extension ServedKind {
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
