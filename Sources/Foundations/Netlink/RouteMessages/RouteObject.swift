/// A kind of object rtnetlink keeps: links, addresses, routes, rules, neighbours.
///
/// One struct says the object both ways: what the kernel answered (``init(_:)``), and what we ask for (``write(into:)``).
/// A field that is `nil` was not there, and is not sent.
public protocol RouteObject: Sendable {
    /// The number of the kind's `NEW` message; `DEL`, `GET` and `SET` follow it, always in this order.
    static var newType: UInt16 { get }

    /// `nil` when the message is of another kind, or shorter than its fixed struct.
    init?(_ message: Message)

    /// Writes what follows the netlink header.
    func write(into writer: inout MessageWriter)
}

/// What to do with an object of rtnetlink.
public enum RouteVerb: Sendable {
    /// `RTM_NEW…` with `NLM_F_CREATE | NLM_F_EXCL`: an object that is there already is refused with `EEXIST`.
    case create
    /// `RTM_NEW…` with `NLM_F_CREATE | NLM_F_REPLACE`.
    case replace
    /// `RTM_NEW…` with `NLM_F_CREATE | NLM_F_APPEND`: beside the objects with the same key.
    case append
    /// `RTM_NEW…` without flags: the object must be there.
    case change
    /// `RTM_DEL…`
    case remove
    /// `RTM_GET…`
    case get

    var offset: UInt16 {
        switch self {
        case .create, .replace, .append, .change: 0
        case .remove: 1
        case .get: 2
        }
    }

    var flags: NetlinkFlags {
        switch self {
        case .create: [.create, .exclusive]
        case .replace: [.create, .replace]
        case .append: [.create, .append]
        case .change, .remove, .get: []
        }
    }
}

extension RouteObject {
    /// The request that does this with the object.
    public func request(_ verb: RouteVerb, operation: @autoclosure @escaping @Sendable () -> String) -> NetlinkRequest {
        NetlinkRequest(Self.newType + verb.offset, flags: verb.flags, operation: operation(), write)
    }
}

extension NetlinkSocket {
    /// Lists a collection; entries that cannot be understood are left out.
    ///
    /// - Parameter filter: what the kernel compares entries with: strictly checked, so only fields it knows how to compare.
    public func list<Object: RouteObject>(_ filter: Object, operation: String) throws(KernelError) -> [Object] {
        var objects: [Object] = []
        try dump(filter.request(.get, operation: operation), restart: { objects.removeAll() }) { message in
            if let object = Object(message) { objects.append(object) }
        }
        return objects
    }
}
