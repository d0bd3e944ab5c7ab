/// What turns one keyed collection into another.
///
/// Keys say which thing is meant, values what it is: a key with another value is a change, not a removal and an addition.
public struct KeyedDifference<Key: Hashable, Value> {
    public struct Entry {
        public var key: Key
        public var value: Value
    }

    public struct Changed {
        public var key: Key
        public var old: Value
        public var new: Value
    }

    public var removed: [Entry] = []
    public var added: [Entry] = []
    public var changed: [Changed] = []

    public var isEmpty: Bool { removed.isEmpty && added.isEmpty && changed.isEmpty }
}

extension KeyedDifference where Value: Equatable {
    public init(from old: [Key: Value], to new: [Key: Value]) {
        for (key, value) in new {
            guard let before = old[key] else {
                added.append(Entry(key: key, value: value))
                continue
            }
            if before != value { changed.append(Changed(key: key, old: before, new: value)) }
        }
        for (key, value) in old where new[key] == nil { removed.append(Entry(key: key, value: value)) }
    }
}

extension KeyedDifference where Key: Comparable {
    /// The same difference in the order of its keys, so that it reads and applies the same way every time.
    public func sorted() -> Self {
        var result = self
        result.removed.sort { $0.key < $1.key }
        result.added.sort { $0.key < $1.key }
        result.changed.sort { $0.key < $1.key }
        return result
    }
}

extension KeyedDifference.Entry: Sendable where Key: Sendable, Value: Sendable {}
extension KeyedDifference.Changed: Sendable where Key: Sendable, Value: Sendable {}
extension KeyedDifference: Sendable where Key: Sendable, Value: Sendable {}
