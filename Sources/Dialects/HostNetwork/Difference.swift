/// The steps from what is there to what should be there, in an order the kernel accepts.
///
/// Removals come first, in the reverse of the order in which objects come to be; then additions and changes. A link that cannot
/// be changed into what is wanted is removed and made again, and what it took along is put back. What is not ours is never
/// changed or removed; where it has the key of something desired, the addition is tried and the kernel's refusal tells of it.
///
/// ```
/// observed ── remove ──► what is left (with all that went along) ── add, change ──► desired
/// ```
/// - Parameter owned: what may be changed and removed.
/// - Parameter keys: what is looked at, or `nil` for everything. What goes along with something in the keys is put back as well.
/// - Returns: nothing when the observed state is as desired.
public func difference(from observed: State, to desired: State, owned: Ownership, keys: Set<Key>? = nil) -> [Change] {
    let removals = removals(from: observed, to: desired, owned: owned, keys: keys)
    guard !removals.isEmpty else { return additions(from: observed, to: desired, owned: owned, keys: keys) }
    let left = observed.applying(removals)
    // Removals may touch more than they name.
    let touched = keys.map { keys in keys.union(observed.objects.lazy.filter { left[$0.key] != $0.value }.map(\.key)) }
    return removals + additions(from: left, to: desired, owned: owned, keys: touched)
}

private func removals(from observed: State, to desired: State, owned: Ownership, keys: Set<Key>?) -> [Change] {
    var gone: [Object] = []
    for (key, object) in parts(observed, keys) where owned.owns(object) {
        if let wanted = desired[key], object.canBecome(wanted) { continue }
        if case .sysctl = object { continue }
        if case .link(let link) = object, link.kind == .loopback { continue }
        gone.append(object)
    }
    // What stands on a link that goes need not be removed one by one.
    let links = Set(gone.compactMap { if case .link(let link) = $0 { link.name } else { nil } })
    return gone.filter { object in object.link.map { !links.contains($0) } ?? true }.sorted(by: >).map(Change.remove)
}

private func additions(from observed: State, to desired: State, owned: Ownership, keys: Set<Key>?) -> [Change] {
    var there = observed
    // What is right is not put in order, and mostly everything is. The other end of a pair comes with the first: what it should be
    // besides is a change.
    let missing = parts(desired, keys).compactMap { key, wanted in
        observed[key]?.satisfies(wanted) ?? false ? nil : wanted
    }
    var changes: [Change] = []
    changes.reserveCapacity(missing.count)
    for wanted in inOrder(missing) {
        let key = wanted.key
        guard let object = there[key] else {
            changes.append(.add(wanted))
            if let end = wanted.otherEnd, there[end.key] == nil { there.insert(end) }
            continue
        }
        if object.satisfies(wanted) { continue }
        let isOurs = owned.owns(object) || observed[key] == nil
        changes.append(isOurs ? .change(from: object, to: wanted) : .add(wanted))
    }
    return changes
}

private func parts(_ state: State, _ keys: Set<Key>?) -> [Key: Object] {
    keys.map(state.filter)?.objects ?? state.objects
}

extension Object {
    /// The link that is made here together with this one.
    fileprivate var otherEnd: Object? {
        guard case .link(let link) = self, case .veth(let peer?) = link.kind, peer.namespace == nil else { return nil }
        return .link(peer.link)
    }

    /// Whether this observed object can be changed into another with the same key without being removed first.
    fileprivate func canBecome(_ wanted: Object) -> Bool {
        switch (self, wanted) {
        case (.link(let observed), .link(let wanted)): observed.kind.isSame(as: wanted.kind)
        case (.address(let observed), .address(let wanted)): observed.satisfies(wanted)
        default: true
        }
    }
}
