/// How often the same thing had to be put back, and when to leave it as it is for a while.
///
/// Whoever takes a thing away once has made a mistake, and the thing comes back at once. Whoever takes it away again and again
/// wants it otherwise: to go on would be a fight that nobody wins and that keeps the machine busy. So from the fifth time on the
/// thing rests, for a second at first and for a minute at last, and then one more try is made. It is forgotten when it stayed for
/// twice its last rest.
struct Restorations<Item: Hashable & Sendable>: Sendable {
    private var entries: [Item: Entry] = [:]

    private struct Entry {
        var count = 0
        var last: Duration
        var rest: Duration = .zero
        var restsUntil: Duration?

        /// How long a thing must have stayed to count as settled.
        var calm: Duration { max(.seconds(30), rest * 2) }
    }

    private static var patience: Int { 5 }
    private static var firstRest: Duration { .seconds(1) }
    private static var longestRest: Duration { .seconds(60) }

    /// These were put back.
    mutating func note(_ items: some Sequence<Item>, at now: Duration) {
        for item in items {
            var entry = entries[item] ?? Entry(last: now)
            entry.count += 1
            entry.last = now
            if entry.count >= Self.patience {
                entry.rest = entry.rest == .zero ? Self.firstRest : min(entry.rest * 2, Self.longestRest)
                entry.restsUntil = now + entry.rest
            }
            entries[item] = entry
        }
    }

    /// Ends the rests that are over, and forgets what has stayed long enough.
    ///
    /// - Returns: whether a rest ended, so that it is time to look.
    mutating func wake(at now: Duration) -> Bool {
        var isAny = false
        for (item, entry) in entries {
            if let end = entry.restsUntil, end <= now {
                entries[item]?.restsUntil = nil
                isAny = true
            } else if entry.restsUntil == nil, now - entry.last > entry.calm {
                entries[item] = nil
            }
        }
        return isAny
    }

    /// What is to be left as it is.
    var resting: Set<Item> { Set(entries.filter { $0.value.restsUntil != nil }.keys) }

    /// What somebody else wants otherwise.
    var contested: Set<Item> { Set(entries.filter { $0.value.rest > .zero }.keys) }

    /// When the next rest ends.
    var nextWaking: Duration? { entries.values.compactMap(\.restsUntil).min() }
}
