/// A JSON document as a tree, members in the order they were written.
///
/// The courier may not carry Foundation: loading it costs more than the whole errand. Numbers keep their text, so that a field
/// we only pass on comes out as it went in.
public enum SmallJSON: Hashable, Sendable {
    case null
    case bool(Bool)
    case number(String)
    case string(String)
    case array([SmallJSON])
    case object([Member])

    public struct Member: Hashable, Sendable {
        public var name: String
        public var value: SmallJSON

        public init(_ name: String, _ value: SmallJSON) {
            self.name = name
            self.value = value
        }
    }
}

extension SmallJSON {
    /// The value of a member; `nil` when there is none or this is no object. Setting `nil` removes it.
    public subscript(name: String) -> SmallJSON? {
        get { members?.first { $0.name == name }?.value }
        set {
            guard case .object(var members) = self else { return }
            let place = members.firstIndex { $0.name == name }
            switch (place, newValue) {
            case (let place?, let value?): members[place].value = value
            case (let place?, nil): members.remove(at: place)
            case (nil, let value?): members.append(Member(name, value))
            case (nil, nil): return
            }
            self = .object(members)
        }
    }

    public var members: [Member]? {
        if case .object(let members) = self { members } else { nil }
    }

    public var array: [SmallJSON]? {
        if case .array(let elements) = self { elements } else { nil }
    }

    public var string: String? {
        if case .string(let text) = self { text } else { nil }
    }

    public var bool: Bool? {
        if case .bool(let truth) = self { truth } else { nil }
    }

    /// The number when it is written as an integer.
    public var integer: Int? {
        if case .number(let text) = self { Int(text) } else { nil }
    }
}

extension SmallJSON: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral {
    public init(stringLiteral value: String) { self = .string(value) }
    public init(integerLiteral value: Int) { self = .number(String(value)) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
}

extension SmallJSON: ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral {
    public init(arrayLiteral elements: SmallJSON...) { self = .array(elements) }
    public init(dictionaryLiteral elements: (String, SmallJSON)...) {
        self = .object(elements.map { Member($0.0, $0.1) })
    }
}
