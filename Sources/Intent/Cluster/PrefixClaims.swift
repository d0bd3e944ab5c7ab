import Addressing

/// Who has which prefix: finds an overlap by a look at the neighbours in address order instead of at all of them.
struct PrefixClaims {
    private var sorted: [(prefix: IPPrefix, owner: String)] = []

    /// Prefixes that do not overlap each other lie apart: only the ones next to the new one's place can overlap it.
    func conflict(with prefix: IPPrefix) -> (prefix: IPPrefix, owner: String)? {
        let place = place(of: prefix)
        let neighbours = sorted[max(0, place - 1)..<min(sorted.count, place + 1)]
        return neighbours.first { $0.prefix.overlaps(prefix) }
    }

    mutating func add(_ prefix: IPPrefix, owner: String) {
        sorted.insert((prefix, owner), at: place(of: prefix))
    }

    private func place(of prefix: IPPrefix) -> Int {
        var (low, high) = (0, sorted.count)
        while low < high {
            let middle = (low + high) / 2
            if sorted[middle].prefix < prefix { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
