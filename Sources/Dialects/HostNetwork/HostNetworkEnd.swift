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
        case addresses, neighbours, forwardings, routes, rules
    }

    /// Links are always looked at.
    public var parts: Set<Part>
    /// There are thousands of settings: only these are read. One that does not exist is left out.
    public var sysctls: Set<String>

    public init(_ parts: Set<Part> = Set(Part.allCases), sysctls: Set<String> = []) {
        self.parts = parts
        self.sysctls = sysctls
    }

    /// Everything, and the settings that a desired state names.
    public init(in desired: State) {
        self.init(sysctls: Set(desired.sysctls.map(\.path)))
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
        case .addressNotAvailable: "cannot assign requested address"
        case .networkDown: "network is down"
        case .networkUnreachable: "network is unreachable"
        case .hostUnreachable: "no route to host"
        default: "error \(rawValue)"
        }
    }
}
