/// A network namespace that can be looked at and changed: the kernel's, or one in memory.
///
/// One owner at a time. Calls may block.
public protocol HostNetworkEnd: AnyObject {
    /// What is there, without what the kernel makes and keeps by itself: connected and local routes, link-local addresses,
    /// the three rules every namespace has, learnt neighbours.
    func observe(_ interest: Interest) throws -> State

    /// Carries out the changes in order. A refused change does not stop those behind it; each refusal is reported.
    ///
    /// Throws only when the conversation itself breaks; what was done by then is unknown.
    func apply(_ changes: [Change]) throws -> [Refusal]

    /// False on a machine that was started without IPv6 (`ipv6.disable=1`).
    ///
    /// There every link is as if it made no link-local address, ``Sysctl/withoutIPv6(_:)`` says what settings below `net/ipv6` are
    /// taken for, and everything else of IPv6 is refused.
    var hasIPv6: Bool { get }
}

extension HostNetworkEnd {
    /// Makes what is ours be as desired, and says what was done and what was refused. A second time does nothing.
    public func settle(_ desired: State, owned: Ownership) throws -> (changes: [Change], refusals: [Refusal]) {
        let observed = try observe(Interest(in: desired))
        let changes = difference(from: observed, to: desired, owned: owned)
        return (changes, changes.isEmpty ? [] : try apply(changes))
    }
}

/// What to look at.
public struct Interest: Hashable, Sendable {
    public enum Part: Hashable, Sendable, CaseIterable {
        case addresses, neighbours, forwardings, routes, rules, qdiscs
    }

    /// Links are always looked at.
    public var parts: Set<Part>
    /// There are thousands of settings: only these are read. One that does not exist is left out.
    public var sysctls: Set<String>
    /// Only these links and what stands on them; `nil` for everything.
    public var links: Set<String>?
    /// Neighbours on these links only; `nil` for every link that is looked at. A node may know thousands that are nobody's here.
    public var neighbourLinks: Set<String>?
    /// Routes with these protocols only; `nil` for all. The kernel sorts them out: a router may have a million others.
    public var routeProtocols: Set<UInt8>?
    /// Routes of these tables only; `nil` for all.
    public var routeTables: Set<UInt32>?

    public init(
        _ parts: Set<Part> = Set(Part.allCases), sysctls: Set<String> = [], links: Set<String>? = nil,
        neighbourLinks: Set<String>? = nil, routeProtocols: Set<UInt8>? = nil, routeTables: Set<UInt32>? = nil
    ) {
        self.parts = parts
        self.sysctls = sysctls
        self.links = links
        self.neighbourLinks = neighbourLinks
        self.routeProtocols = routeProtocols
        self.routeTables = routeTables
    }

    /// Everything, and the settings that a desired state names.
    public init(in desired: State) {
        self.init(sysctls: Set(desired.sysctls.map(\.path)))
    }
}

extension Interest {
    /// Whether an object, of a part that is looked at, is among what is asked for. A setting always is: it is asked for by name.
    public func includes(_ object: Object) -> Bool {
        if case .sysctl = object { return true }
        if let links {
            guard case .link(let link) = object else { return object.link.map(links.contains) ?? false && includesInside(object) }
            return links.contains(link.name)
        }
        return includesInside(object)
    }

    private func includesInside(_ object: Object) -> Bool {
        switch object {
        case .neighbour(let neighbour): neighbourLinks?.contains(neighbour.link) != false
        case .route(let route):
            routeProtocols?.contains(route.proto) != false && routeTables?.contains(route.table) != false
        default: true
        }
    }
}

/// A change that was refused, with the kernel's number and words.
public struct Refusal: Error, Hashable, Sendable {
    public var change: Change
    public var code: Code
    /// What was tried, on which object: one change may take several requests.
    public var operation: String
    /// The kernel's own words, where it gave any.
    public var explanation: String?

    public init(_ change: Change, _ code: Code, _ operation: String? = nil, explanation: String? = nil) {
        self.change = change
        self.code = code
        self.operation = operation ?? "\(change)"
        self.explanation = explanation
    }

    /// An errno of Linux.
    public struct Code: RawRepresentable, Hashable, Sendable {
        public var rawValue: Int32

        public init(rawValue: Int32) { self.rawValue = rawValue }

        /// `EPERM`
        public static let notPermitted = Code(rawValue: 1)
        /// `ENOENT`
        public static let noSuchObject = Code(rawValue: 2)
        /// `ESRCH`
        public static let noSuchEntry = Code(rawValue: 3)
        /// `ENXIO`
        public static let noSuchAddress = Code(rawValue: 6)
        /// `EEXIST`
        public static let exists = Code(rawValue: 17)
        /// `ENODEV`
        public static let noSuchDevice = Code(rawValue: 19)
        /// `EINVAL`
        public static let invalid = Code(rawValue: 22)
        /// `EOPNOTSUPP`
        public static let notSupported = Code(rawValue: 95)
        /// `EAFNOSUPPORT`
        public static let familyNotSupported = Code(rawValue: 97)
        /// `EADDRINUSE`
        public static let addressInUse = Code(rawValue: 98)
        /// `EADDRNOTAVAIL`
        public static let addressNotAvailable = Code(rawValue: 99)
        /// `ENETDOWN`
        public static let networkDown = Code(rawValue: 100)
        /// `ENETUNREACH`
        public static let networkUnreachable = Code(rawValue: 101)
        /// `EHOSTUNREACH`
        public static let hostUnreachable = Code(rawValue: 113)
    }
}

extension Refusal: CustomStringConvertible {
    public var description: String {
        "\(operation): \(code)" + (explanation.map { " (kernel: \($0))" } ?? "")
    }
}

extension Refusal.Code: CustomStringConvertible {
    /// The words people know for the number; the number itself where it has none here.
    public var description: String {
        switch self {
        case .notPermitted: "operation not permitted"
        case .noSuchObject: "no such file or directory"
        case .noSuchEntry: "no such process"
        case .noSuchAddress: "no such device or address"
        case .exists: "file exists"
        case .noSuchDevice: "no such device"
        case .invalid: "invalid argument"
        case .notSupported: "operation not supported"
        case .familyNotSupported: "address family not supported by protocol"
        case .addressInUse: "address already in use"
        case .addressNotAvailable: "cannot assign requested address"
        case .networkDown: "network is down"
        case .networkUnreachable: "network is unreachable"
        case .hostUnreachable: "no route to host"
        default: "error \(rawValue)"
        }
    }
}
