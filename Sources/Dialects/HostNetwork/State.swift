/// What one network namespace holds, or should hold.
///
/// The text has one line per object in the order in which they come to be, and is the form in which states are compared by people:
/// ```
/// link eth0 veth up mtu 1450 mac 02:00:00:00:00:01
/// address 192.0.2.11/24 dev eth0
/// route 198.51.100.0/24 via 192.0.2.12 dev eth0 onlink proto 84 src 192.0.2.11
/// ```
public struct State: Hashable, Sendable {
    public private(set) var objects: [Key: Object]

    public init() { objects = [:] }

    /// Of two objects with the same key the later one stays.
    public init(_ objects: some Sequence<Object>) {
        self.objects = Dictionary(objects.map { ($0.key, $0) }) { _, later in later }
    }

    public var isEmpty: Bool { objects.isEmpty }
    public var count: Int { objects.count }

    /// The object of a key. Setting an object under another key than its own is a mistake.
    public subscript(key: Key) -> Object? {
        get { objects[key] }
        set {
            precondition(newValue.map { $0.key == key } ?? true, "an object under a foreign key")
            objects[key] = newValue
        }
    }

    /// Puts an object in, over one with the same key.
    public mutating func insert(_ object: Object) { objects[object.key] = object }

    /// Room for so many, so that it need not grow step by step.
    public mutating func reserveCapacity(_ count: Int) { objects.reserveCapacity(count) }

    /// The part of the state that these keys name.
    public func filter(_ keys: Set<Key>) -> State {
        var part = State()
        for key in keys { part.objects[key] = objects[key] }
        return part
    }

    /// The part of the state that the closure keeps.
    public func filter(_ isKept: (Object) -> Bool) -> State {
        var part = State()
        part.objects = objects.filter { isKept($0.value) }
        return part
    }
}

// MARK: - Views

extension State {
    public func link(_ name: String) -> Link? {
        guard case .link(let link) = objects[.link(name)] else { return nil }
        return link
    }

    public var links: [Link] { objects.values.compactMap { if case .link(let link) = $0 { link } else { nil } } }
    public var addresses: [Address] { objects.values.compactMap { if case .address(let value) = $0 { value } else { nil } } }
    public var routes: [Route] { objects.values.compactMap { if case .route(let route) = $0 { route } else { nil } } }
    public var sysctls: [Sysctl] { objects.values.compactMap { if case .sysctl(let sysctl) = $0 { sysctl } else { nil } } }
}

extension State: ExpressibleByArrayLiteral {
    public init(arrayLiteral elements: Object...) { self.init(elements) }
}

extension State: CustomStringConvertible {
    public var description: String {
        objects.values.sorted().map { $0.description + "\n" }.joined()
    }
}
