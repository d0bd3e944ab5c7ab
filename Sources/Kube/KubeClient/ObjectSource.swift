public import KubeAPI

/// Where objects come from. Whoever consumes the events does not know whether a file or a server feeds them.
public protocol ObjectSource: Sendable {
    /// What happens, in order, for one consumer. It ends when ``run()`` does.
    ///
    /// Events wait without a limit while the consumer is slow: they are changes, and losing one would mean a wrong network.
    var events: AsyncStream<ObjectBatch> { get }

    /// Feeds the events until its task is cancelled; then it returns. To be called once.
    func run() async
}

/// What came together.
public struct ObjectBatch: Sendable {
    public var events: [ObjectEvent]
    /// How long ago the source had read it.
    public var age: @Sendable () -> Duration

    public init(_ events: [ObjectEvent], age: @escaping @Sendable () -> Duration) { (self.events, self.age) = (events, age) }
}

/// What a source says.
public enum ObjectEvent: Sendable {
    /// Everything there is. Always the first event about objects, and it comes once: before it, nothing is known, and nobody
    /// should act on what is missing.
    case listed([any KubernetesObject])
    case added(any KubernetesObject)
    case modified(any KubernetesObject)
    /// - Parameter uid: of the object that went, as it was last told of: another of its name may be there by now.
    case deleted(ObjectKey, uid: String)
    /// Everything that is wrong with the source at this moment; it takes the place of what was said before.
    case faults([SourceFault])
}

extension ObjectEvent: CustomStringConvertible {
    public var description: String {
        switch self {
        case .listed(let objects): "listed \(objects.map(\.key.description).joined(separator: ", "))"
        case .added(let object): "added \(object.key)"
        case .modified(let object): "modified \(object.key)"
        case .deleted(let key, _): "deleted \(key)"
        case .faults(let faults): "faults \(faults.map(\.description).joined(separator: "; "))"
        }
    }
}

/// Something wrong with what a source gives.
public struct SourceFault: Hashable, Sendable, CustomStringConvertible {
    /// Where: a place in a file, or a collection of the server.
    public var origin: String
    /// The object it is about, when that is known.
    public var key: ObjectKey?
    public var message: String
    /// Whether one object is wrong, known by its key or not, and not the source as a whole.
    public var isAboutObject: Bool
    /// Whether the object is taken as it is, but for a field that its kind has not.
    public var isUnknownField = false
    /// The HTTP status with which a server refused; `nil` when it is about something else.
    public var status: Int?

    /// - Parameter isAboutObject: whether a key is given, unless said otherwise.
    public init(origin: String, key: ObjectKey? = nil, message: String, isAboutObject: Bool? = nil) {
        self.origin = origin
        self.key = key
        self.message = message
        self.isAboutObject = isAboutObject ?? (key != nil)
    }

    public var description: String {
        key.map { "\(origin): \($0): \(message)" } ?? "\(origin): \(message)"
    }
}
