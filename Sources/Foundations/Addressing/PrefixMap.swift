/// Values by prefix, looked up by address: the longest prefix that holds the address wins, as in a route table.
///
/// One hash table per prefix length in use, asked from the longest to the shortest: a cluster has a handful of lengths, so a
/// look-up is a handful of hash probes whatever the number of prefixes, and an insertion never rebuilds anything.
public struct PrefixMap<Value> {
    private var tables: [Level: [IPPrefix: Value]] = [:]
    private var levels: [IPFamily: [Int]] = [:]

    private struct Level: Hashable {
        var family: IPFamily
        var length: Int
    }

    public init() {}

    public var count: Int { tables.values.reduce(0) { $0 + $1.count } }
    public var isEmpty: Bool { tables.isEmpty }

    /// The value of exactly this prefix.
    public subscript(prefix: IPPrefix) -> Value? {
        get { tables[Level(family: prefix.family, length: prefix.length)]?[prefix] }
        set {
            let level = Level(family: prefix.family, length: prefix.length)
            tables[level, default: [:]][prefix] = newValue
            if tables[level]?.isEmpty == true { tables[level] = nil }
            levels[prefix.family] = tables.keys.filter { $0.family == prefix.family }.map(\.length).sorted(by: >)
        }
    }

    /// The longest prefix that holds the address, with its value.
    public func match(_ address: IPAddress) -> (prefix: IPPrefix, value: Value)? {
        for length in levels[address.family] ?? [] {
            let candidate = IPPrefix(address, length: length)
            if let value = tables[Level(family: address.family, length: length)]?[candidate] { return (candidate, value) }
        }
        return nil
    }
}

extension PrefixMap: Sendable where Value: Sendable {}
