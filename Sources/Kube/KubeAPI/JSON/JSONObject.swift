/// The members of a JSON object, in the order they were written.
///
/// Kubernetes' objects are many and small, so keys are looked for in the list itself; larger ones keep an index beside it.
/// Two objects with the same members in another order are equal. Keys are compared as Swift compares strings, by canonical
/// equivalence; the names that Kubernetes allows are ASCII, where that is byte for byte.
public struct JSONObject: Sendable {
    public struct Member: Hashable, Sendable {
        public var key: String
        public var value: JSONValue
    }

    /// In the order of writing; no key is there twice.
    public private(set) var members: [Member] = []
    private var index: [String: Int]?

    /// Below this many members looking through the list is quicker than hashing.
    static var indexed: Int { 17 }

    public init() {}
}

extension JSONObject {
    public var count: Int { members.count }
    public var isEmpty: Bool { members.isEmpty }
    public var keys: some Sequence<String> { members.lazy.map(\.key) }

    /// A member's value. Setting a new key appends it, a known key keeps its place, `nil` removes it.
    public subscript(_ key: String) -> JSONValue? {
        get { position(of: key).map { members[$0].value } }
        set {
            switch (position(of: key), newValue) {
            case (let position?, let value?): members[position].value = value
            case (let position?, nil): remove(at: position)
            case (nil, let value?): append(Member(key: key, value: value))
            case (nil, nil): break
            }
        }
    }

    func position(of key: String) -> Int? {
        if let index { return index[key] }
        for position in members.indices where members[position].key == key { return position }
        return nil
    }

    /// The key must be new.
    mutating func append(_ member: Member) {
        members.append(member)
        if index != nil {
            index?[member.key] = members.count - 1
        } else if members.count == Self.indexed {
            rebuildIndex()
        }
    }

    mutating func replaceValue(at position: Int, with value: JSONValue) {
        members[position].value = value
    }

    mutating func reserveCapacity(_ count: Int) { members.reserveCapacity(count) }

    private mutating func remove(at position: Int) {
        members.remove(at: position)
        if index != nil { rebuildIndex() }
    }

    private mutating func rebuildIndex() {
        var index: [String: Int] = [:]
        for (position, member) in members.enumerated() { index[member.key] = position }
        self.index = members.count < Self.indexed ? nil : index
    }
}

extension JSONObject: Hashable {
    public static func == (a: Self, b: Self) -> Bool {
        if a.members == b.members { return true }
        guard a.count == b.count else { return false }
        return a.members.allSatisfy { b[$0.key] == $0.value }
    }

    public func hash(into hasher: inout Hasher) {
        // The order must not matter: the members' own hashes are combined by an operation that has none.
        hasher.combine(members.reduce(0) { $0 ^ $1.hashValue })
    }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
    /// Of two equal keys the last wins.
    public init(dictionaryLiteral elements: (String, JSONValue)...) {
        self.init()
        for (key, value) in elements { self[key] = value }
    }
}
