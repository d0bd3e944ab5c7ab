internal import DNS

/// A part of the memory: entries found by their hash, and thrown out by a clock when they take too many bytes.
///
/// The hand goes round the entries; each that was used since it last came by stays, as often as it was used, up to three times. A
/// new entry has no such grace: names that are asked for once go first, however many there are.
struct MemoryShard {
    private(set) var byteLimit: Int
    private(set) var prefetch: MemorySettings.Prefetch?
    private var entries: [RememberedAnswer?] = []
    private var free: [Int] = []
    /// Places of entries by their hash, the next ones taken when one is: -1 is free. A power of two, at most half full.
    private var table: [Int32] = Array(repeating: -1, count: 16)
    private var hand = 0
    private(set) var byteCount = 0
    /// Of the entries those that are no data.
    private(set) var denialCount = 0
    var figures = MemoryFigures()

    init(byteLimit: Int, _ prefetch: MemorySettings.Prefetch?) { (self.byteLimit, self.prefetch) = (byteLimit, prefetch) }

    var count: Int { entries.count - free.count }

    private static let mostGrace: UInt8 = 3
}

// MARK: - Finding

extension MemoryShard {
    private func home(_ hash: UInt64) -> Int { Int(truncatingIfNeeded: hash >> 8) & (table.count - 1) }

    private func slot(_ key: borrowing MemoryKey, _ hash: UInt64) -> Int? {
        var slot = home(hash)
        while table[slot] >= 0 {
            if let entry = entries[Int(table[slot])], entry.hash == hash, entry.isFor(key) { return slot }
            slot = (slot + 1) & (table.count - 1)
        }
        return nil
    }

    /// Gives the entry of a key to be used and changed; `nil` when there is none.
    mutating func withEntry<Result>(
        _ key: borrowing MemoryKey, _ hash: UInt64, _ body: (inout RememberedAnswer) -> Result?
    ) -> Result? {
        guard let slot = slot(key, hash) else { return nil }
        return entries[Int(table[slot])].mutated(body)
    }

    /// Counts a use.
    static func use(_ entry: inout RememberedAnswer) {
        entry.uses &+= 1
        entry.grace = min(entry.grace + 1, mostGrace)
    }
}

extension Optional {
    fileprivate mutating func mutated<Result>(_ body: (inout Wrapped) -> Result?) -> Result? {
        switch consume self {
        case .some(var value):
            defer { self = value }
            return body(&value)
        case nil:
            self = nil
            return nil
        }
    }
}

// MARK: - Changing

extension MemoryShard {
    /// Puts an entry in the place of the one with its key. One that is too large for any is not kept, and the old one goes.
    mutating func set(_ entry: RememberedAnswer, _ key: borrowing MemoryKey) {
        var entry = entry
        if let slot = slot(key, entry.hash) {
            // What was asked for often will be.
            entry.grace = entries[Int(table[slot])]?.grace ?? 0
            remove(at: slot)
        }
        guard entry.size <= byteLimit / 2 else { return }
        while byteCount + entry.size > byteLimit, count > 0 { evict() }
        if (count + 1) * 2 > table.count { grow() }
        let place = free.popLast() ?? entries.count
        if place == entries.count { entries.append(entry) } else { entries[place] = entry }
        byteCount += entry.size
        if entry.isDenial { denialCount += 1 }
        insert(place, entry.hash)
    }

    mutating func use(_ byteLimit: Int, _ prefetch: MemorySettings.Prefetch?) {
        (self.byteLimit, self.prefetch) = (byteLimit, prefetch)
        while byteCount > byteLimit, count > 0 { evict() }
    }

    mutating func removeAll() {
        let figures = figures
        self = MemoryShard(byteLimit: byteLimit, prefetch)
        self.figures = figures
    }

    private mutating func insert(_ place: Int, _ hash: UInt64) {
        var slot = home(hash)
        while table[slot] >= 0 { slot = (slot + 1) & (table.count - 1) }
        table[slot] = Int32(place)
    }

    private mutating func grow() {
        table = Array(repeating: -1, count: table.count * 2)
        for (place, entry) in entries.enumerated() {
            if let entry { insert(place, entry.hash) }
        }
    }

    private mutating func evict() {
        while true {
            if hand >= entries.count { hand = 0 }
            if let grace = entries[hand]?.grace, let hash = entries[hand]?.hash {
                if grace == 0 {
                    var slot = home(hash)
                    while table[slot] != Int32(hand) { slot = (slot + 1) & (table.count - 1) }
                    if entries[hand]?.isDenial ?? false { figures.denialEvictions += 1 }
                    remove(at: slot)
                    figures.evictions += 1
                    hand += 1
                    return
                }
                entries[hand]?.grace = grace - 1
            }
            hand += 1
        }
    }

    /// Takes an entry out; those that stand behind it because it was in their way move up.
    private mutating func remove(at slot: Int) {
        let place = Int(table[slot])
        byteCount -= entries[place]?.size ?? 0
        if entries[place]?.isDenial ?? false { denialCount -= 1 }
        entries[place] = nil
        free.append(place)
        var (hole, next) = (slot, (slot + 1) & (table.count - 1))
        while table[next] >= 0 {
            let wanted = home(entries[Int(table[next])]?.hash ?? 0)
            // Whether the hole lies between where it wants to be and where it is, counted round.
            if (next - wanted) & (table.count - 1) >= (next - hole) & (table.count - 1) {
                table[hole] = table[next]
                hole = next
            }
            next = (next + 1) & (table.count - 1)
        }
        table[hole] = -1
    }
}
