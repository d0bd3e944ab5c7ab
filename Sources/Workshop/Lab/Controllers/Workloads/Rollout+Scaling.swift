import KubeAPI

extension Rollout {
    /// Brings the sets to the number asked for without going on with the rollout: a single set takes it all, several share it by
    /// their sizes.
    mutating func scale() {
        let active = sets.filter { $0.replicas > 0 }
        if active.count <= 1 {
            guard let only = active.first ?? newest ?? sets.last else { return }
            return scale(only, to: deployment.replicas)
        }
        if let newest, newest.replicas == deployment.replicas, available(newest) == deployment.replicas {
            for set in active where set.uid != newest.uid { scale(set, to: 0) }
            return
        }
        share(among: active)
    }

    private mutating func share(among active: [Item]) {
        let present = active.reduce(0) { $0 + $1.replicas }
        let most = deployment.replicas > 0 ? deployment.replicas + bounds.surge : 0
        let missing = most - present
        // Growing begins with the newest, shrinking with the oldest, the larger first.
        let ordered = active.sorted {
            if $0.replicas != $1.replicas { return $0.replicas > $1.replicas }
            return missing > 0 ? Item.isOlder($1, $0) : Item.isOlder($0, $1)
        }
        var targets = ordered.map(\.replicas)
        var given = 0
        for (position, set) in ordered.enumerated() where missing != 0 && given != missing {
            let formerly = set.metadata.annotations[RolloutMark.most].flatMap(Int.init) ?? present
            let size = Double(set.replicas) * Double(most) / Double(max(1, formerly))
            let wish = Int(size.rounded()) - set.replicas
            let share = missing > 0 ? max(0, min(wish, missing - given)) : min(0, max(wish, missing - given, -set.replicas))
            targets[position] += share
            given += share
        }
        // What rounding left goes to the first.
        if given != missing, let first = targets.first { targets[0] = max(0, first + missing - given) }
        for (set, target) in zip(ordered, targets) { scale(set, to: target) }
    }
}
