import KubeAPI

/// What a node has against pods.
struct Taint: Hashable {
    var key: String
    var value: String
    var effect: String
    /// When it was put there, for taints that evict.
    var addedAt: Moment?

    static func all(of node: Item) -> [Taint] {
        (node.spec["taints"]?.array ?? []).map { taint in
            Taint(
                key: taint["key"]?.string ?? "", value: taint["value"]?.string ?? "", effect: taint["effect"]?.string ?? "",
                addedAt: taint["timeAdded"]?.string.flatMap(Moment.init))
        }
    }
}

/// What a pod bears.
struct Toleration: Hashable {
    /// Empty with `Exists`: every key.
    var key: String
    var exists: Bool
    var value: String
    /// Empty: every effect.
    var effect: String
    /// How long it bears a taint that evicts; `nil` is for ever.
    var lasting: Duration?

    static func all(of spec: JSONValue) -> [Toleration] {
        (spec["tolerations"]?.array ?? []).map { entry in
            Toleration(
                key: entry["key"]?.string ?? "", exists: entry["operator"]?.string == "Exists",
                value: entry["value"]?.string ?? "", effect: entry["effect"]?.string ?? "",
                lasting: entry["tolerationSeconds"]?.integer.map { .seconds(max(0, $0)) })
        }
    }

    func tolerates(_ taint: Taint) -> Bool {
        guard effect.isEmpty || effect == taint.effect, key.isEmpty || key == taint.key else { return false }
        return exists || (!key.isEmpty && value == taint.value)
    }
}
