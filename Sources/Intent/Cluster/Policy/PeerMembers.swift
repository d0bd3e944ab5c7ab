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
    private var haveMembersChanged = false
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
        var members = MemberSet<IPAddress>()
    }

    private struct AskedPort {
        var uses = 0
        var members = MemberSet<SocketAddress>()
    }

    func members(of peer: PeerSelector) -> Set<IPAddress> { ids[peer].flatMap { sets[$0]?.members.all } ?? [] }
    func members(of port: NamedPort) -> Set<SocketAddress> { ports[port]?.members.all ?? [] }
    var hasChanges: Bool { !fresh.isEmpty || !freshPorts.isEmpty || !unused.isEmpty || haveMembersChanged }
    func isAskedFor(_ port: NamedPort) -> Bool { ports[port] != nil }
}

// MARK: - What is asked for

extension PeerMembers {
    mutating func acquire(_ policy: NetworkPolicy) {
        for peer in policy.peerSelectors {
            let id = ids[peer] ?? begin(peer)
            sets[id]?.uses += 1
            unused.remove(id)
        }
        for port in policy.namedPorts {
            if ports[port] == nil {
                ports[port] = AskedPort()
                freshPorts.insert(port)
            }
            ports[port]?.uses += 1
        }
    }

    mutating func release(_ policy: NetworkPolicy) {
        for peer in policy.peerSelectors {
            guard let id = ids[peer] else { continue }
            sets[id]?.uses -= 1
            if sets[id]?.uses == 0 { unused.insert(id) }
        }
        for port in policy.namedPorts { ports[port]?.uses -= 1 }
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
        groups[peer.scope, default: SelectorIndex()].set(peer.pods, for: id)
        return id
    }

    /// What is asked for since the last time, by the namespaces whose pods may be meant; and the names of ports.
    mutating func takeFresh() -> (selectors: [String: [(id: Int, pods: LabelSelector)]], ports: Set<NamedPort>) {
        defer { (fresh, freshPorts) = ([], []) }
        var selectors: [String: [(id: Int, pods: LabelSelector)]] = [:]
        for id in fresh {
            guard let selector = sets[id]?.selector else { continue }
            switch selector.scope {
            case .namespace(let name): selectors[name, default: []].append((id, selector.pods))
            case .namespaces(let labels):
                for (name, of) in scopes where of.contains(labels) { selectors[name, default: []].append((id, selector.pods)) }
            }
        }
        return (selectors, freshPorts)
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
        for selector in scopes[namespace] ?? [] { found += groups[.namespaces(selector)]?.matches(labels) ?? [] }
        return found.sorted()
    }

    mutating func put(_ address: IPAddress, _ isMember: Bool, in id: Int) {
        haveMembersChanged = true
        sets[id]?.members.put(address, isMember)
    }

    mutating func put(_ place: SocketAddress, _ isMember: Bool, in port: NamedPort) {
        haveMembersChanged = true
        ports[port]?.members.put(place, isMember)
    }

    mutating func takeEdits() -> ([PeerSelector: PolicyIndex.Edit<IPAddress>], [NamedPort: PolicyIndex.Edit<SocketAddress>]) {
        haveMembersChanged = false
        var edits: [PeerSelector: PolicyIndex.Edit<IPAddress>] = [:]
        for (id, set) in sets where set.members.hasChanged { edits[set.selector] = sets[id]?.members.takeEdit() }
        var portEdits: [NamedPort: PolicyIndex.Edit<SocketAddress>] = [:]
        for (port, set) in ports where set.members.hasChanged { portEdits[port] = ports[port]?.members.takeEdit() }
        return (edits, portEdits)
    }
}

/// Members, and those of before that are to be told of.
private struct MemberSet<Element: Hashable & Sendable>: Sendable {
    private(set) var all: Set<Element> = []
    /// Whether those that changed were members.
    private var before: [Element: Bool] = [:]

    var hasChanged: Bool { !before.isEmpty }

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
