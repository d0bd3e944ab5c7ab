import Addressing
import KubeAPI

/// Who is meant by the rules in force: for each selector the addresses, for each name of a port where pods have it.
///
/// Only what is asked for is kept; a pod's labels find the sets it is in without a look at the others. Changes are noted against
/// what was when they were last taken, so that coming and going in between is no change.
struct PeerMembers: Sendable {
    private var ids: [PeerSelector: Int] = [:]
    private var sets: [Int: Asked] = [:]
    private var next = 0
    /// Asked for since the changes were last taken: their members are to be found yet.
    private var fresh: Set<Int> = []
    private var unused: Set<Int> = []
    /// Those whose members may be others than when the changes were last taken.
    private var changed: Set<Int> = []
    private var changedPorts: Set<NamedPort> = []
    /// By whom they look for, the selectors of pods.
    private var groups: [PeerSelector.Scope: SelectorIndex<Int>] = [:]
    /// The scopes by labels that a namespace is in.
    private var scopes: [String: [LabelSelector]] = [:]
    private var labels: [String: [String: String]] = [:]
    private var ports: [NamedPort: AskedPort] = [:]
    private var freshPorts: Set<NamedPort> = []

    private struct Asked {
        var selector: PeerSelector
        var uses = 0
        /// How many of those who use it refuse something for it.
        var refusals = 0
        var members = MemberSet<IPAddress>()
    }

    private struct AskedPort {
        var uses = 0
        var refusals = 0
        var members = MemberSet<SocketAddress>()
    }

    func members(of peer: PeerSelector) -> Set<IPAddress> { ids[peer].flatMap { sets[$0]?.members.all } ?? [] }
    func members(of port: NamedPort) -> Set<SocketAddress> { ports[port]?.members.all ?? [] }
    var hasChanges: Bool { !fresh.isEmpty || !freshPorts.isEmpty || !unused.isEmpty || !changed.isEmpty || !changedPorts.isEmpty }
    func isAskedFor(_ port: NamedPort) -> Bool { ports[port] != nil }
}

// MARK: - What is asked for

extension PeerMembers {
    mutating func acquire(_ needs: PolicyNeeds) {
        for peer in needs.peers {
            let id = ids[peer] ?? begin(peer)
            sets[id]?.uses += 1
            if needs.refusedPeers.contains(peer) { sets[id]?.refusals += 1 }
            unused.remove(id)
        }
        for port in needs.ports {
            if ports[port] == nil {
                ports[port] = AskedPort()
                freshPorts.insert(port)
            }
            ports[port]?.uses += 1
            if needs.refusedPorts.contains(port) { ports[port]?.refusals += 1 }
        }
    }

    mutating func release(_ needs: PolicyNeeds) {
        for peer in needs.peers {
            guard let id = ids[peer] else { continue }
            sets[id]?.uses -= 1
            if needs.refusedPeers.contains(peer) { sets[id]?.refusals -= 1 }
            if sets[id]?.uses == 0 { unused.insert(id) }
        }
        for port in needs.ports {
            ports[port]?.uses -= 1
            if needs.refusedPorts.contains(port) { ports[port]?.refusals -= 1 }
        }
    }

    private mutating func begin(_ peer: PeerSelector) -> Int {
        let id = next
        next += 1
        ids[peer] = id
        sets[id] = Asked(selector: peer)
        fresh.insert(id)
        if case .namespaces(let selector) = peer.scope, groups[peer.scope] == nil {
            for (name, labels) in labels where selector.matches(labels) { scopes[name, default: []].append(selector) }
        }
        groups[peer.scope, default: SelectorIndex()].set(peer.labels, for: id)
        return id
    }

    /// What is asked for since the last time.
    struct Fresh {
        /// By the namespaces whose pods may be meant.
        var selectors: [String: [(id: Int, labels: LabelSelector)]] = [:]
        /// Of pods whose namespaces are not known.
        var elsewhere: [(id: Int, labels: LabelSelector)] = []
        var hasNodes = false
        var ports: Set<NamedPort> = []
    }

    mutating func takeFresh() -> Fresh {
        defer { (fresh, freshPorts) = ([], []) }
        var found = Fresh(ports: freshPorts)
        for id in fresh {
            guard let selector = sets[id]?.selector else { continue }
            switch selector.scope {
            case .namespace(let name): found.selectors[name, default: []].append((id, selector.labels))
            case .namespaces(let labels):
                for (name, of) in scopes where of.contains(labels) {
                    found.selectors[name, default: []].append((id, selector.labels))
                }
            case .unknownNamespaces: found.elsewhere.append((id, selector.labels))
            case .nodes: found.hasNodes = true
            }
        }
        return found
    }

    /// Forgets what nobody asks for any more.
    ///
    /// - Returns: who was in it.
    mutating func takeUnused() -> (
        sets: [(id: Int, members: Set<IPAddress>)], ports: [(port: NamedPort, members: Set<SocketAddress>)]
    ) {
        let gone = unused.compactMap { id in sets.removeValue(forKey: id).map { (id, $0) } }
        unused = []
        for (id, set) in gone {
            ids[set.selector] = nil
            groups[set.selector.scope]?.remove(id)
            guard groups[set.selector.scope]?.isEmpty == true else { continue }
            groups[set.selector.scope] = nil
            guard case .namespaces(let selector) = set.selector.scope else { continue }
            for name in Array(scopes.keys) { scopes[name]?.removeAll { $0 == selector } }
        }
        let names = ports.filter { $0.value.uses == 0 }
        for port in names.keys { ports[port] = nil }
        return (gone.map { ($0.0, $0.1.members.all) }, names.map { ($0.key, $0.value.members.all) })
    }
}

// MARK: - Members

extension PeerMembers {
    mutating func set(_ labels: [String: String], ofNamespace name: String) {
        self.labels[name] = labels
        scopes[name] = groups.keys.compactMap { scope in
            if case .namespaces(let selector) = scope, selector.matches(labels) { selector } else { nil }
        }
    }

    mutating func forget(namespace name: String) { (labels[name], scopes[name]) = (nil, nil) }

    /// The sets that a pod with these labels is in, in order.
    func sets(_ labels: [String: String], in namespace: String) -> [Int] {
        var found = groups[.namespace(namespace)]?.matches(labels) ?? []
        if let scopes = scopes[namespace] {
            for selector in scopes { found += groups[.namespaces(selector)]?.matches(labels) ?? [] }
        } else {
            found += groups[.unknownNamespaces]?.matches(labels) ?? []
        }
        return found.sorted()
    }

    /// The sets that a node with these labels is in.
    func sets(ofNode labels: [String: String]) -> [Int] { groups[.nodes]?.matches(labels) ?? [] }

    mutating func put(_ address: IPAddress, _ isMember: Bool, in id: Int) {
        changed.insert(id)
        sets[id]?.members.put(address, isMember)
    }

    mutating func put(_ place: SocketAddress, _ isMember: Bool, in port: NamedPort) {
        changedPorts.insert(port)
        ports[port]?.members.put(place, isMember)
    }

    mutating func takeEdits() -> Edits {
        defer { (changed, changedPorts) = ([], []) }
        var edits = Edits()
        for id in changed {
            guard let edit = sets[id]?.members.takeEdit(), let set = sets[id] else { continue }
            edits.peers[set.selector] = edit
            edits.lessAllowed.formUnion(edit.removed)
            if set.refusals > 0 { edits.lessAllowed.formUnion(edit.added) }
        }
        for port in changedPorts {
            guard let edit = ports[port]?.members.takeEdit(), let set = ports[port] else { continue }
            edits.ports[port] = edit
            edits.lessAllowed.formUnion(edit.removed.map(\.address))
            if set.refusals > 0 { edits.lessAllowed.formUnion(edit.added.map(\.address)) }
        }
        return edits
    }

    struct Edits {
        var peers: [PeerSelector: PolicyIndex.Edit<IPAddress>] = [:]
        var ports: [NamedPort: PolicyIndex.Edit<SocketAddress>] = [:]
        /// Whom something may be refused of that was allowed.
        var lessAllowed: Set<IPAddress> = []
    }
}

/// Members, and those of before that are to be told of.
private struct MemberSet<Element: Hashable & Sendable>: Sendable {
    private(set) var all: Set<Element> = []
    /// Whether those that changed were members.
    private var before: [Element: Bool] = [:]

    mutating func put(_ element: Element, _ isMember: Bool) {
        guard all.contains(element) != isMember else { return }
        if before[element] == nil { before[element] = !isMember }
        if isMember { all.insert(element) } else { all.remove(element) }
    }

    /// `nil` when all is as it was.
    mutating func takeEdit() -> PolicyIndex.Edit<Element>? {
        var edit = PolicyIndex.Edit<Element>()
        for (element, was) in before where was != all.contains(element) {
            if was { edit.removed.append(element) } else { edit.added.append(element) }
        }
        before = [:]
        return edit.added.isEmpty && edit.removed.isEmpty ? nil : edit
    }
}
