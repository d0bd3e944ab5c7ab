public import Addressing

/// An address of a link.
public struct Address: Hashable, Sendable {
    public var link: String
    public var address: InterfaceAddress
    public var scope: Scope
    /// No connected route is made for the prefix.
    public var noPrefixRoute: Bool
    /// Duplicate address detection (IPv6, when the address is added): one or two seconds in which it cannot be used.
    public var detectsDuplicates: Bool
    /// IPv6: a source where there is no other only. In IPv4 the scope does as much.
    public var isDeprecated: Bool
    /// Who made the address (`IFA_PROTO`); zero for nobody in particular.
    public var proto: UInt8
    /// IPv4: another address of the same prefix came first, and takes this one along when it goes. Observed, never asked for.
    public var isSecondary: Bool

    public init(
        _ address: InterfaceAddress, on link: String, scope: Scope = .global, noPrefixRoute: Bool = false,
        detectsDuplicates: Bool = false, isDeprecated: Bool = false, proto: UInt8 = 0, isSecondary: Bool = false
    ) {
        self.link = link
        self.address = address
        // The kernel derives an IPv6 address's scope from the address.
        self.scope = address.address.family == .v4 ? scope : .natural(of: address.address)
        self.noPrefixRoute = noPrefixRoute
        self.detectsDuplicates = detectsDuplicates && address.address.family == .v6
        self.isDeprecated = isDeprecated && address.address.family == .v6
        self.proto = proto
        self.isSecondary = isSecondary
    }

    public struct Key: Hashable, Sendable {
        public var link: String
        public var address: InterfaceAddress

        public init(_ address: InterfaceAddress, on link: String) {
            self.link = link
            self.address = address
        }
    }

    public var key: Key { Key(address, on: link) }

    /// How an address was added, and what it became beside others, are no differences.
    func satisfies(_ desired: Address) -> Bool {
        scope == desired.scope && noPrefixRoute == desired.noPrefixRoute && isDeprecated == desired.isDeprecated
            && proto == desired.proto
    }
}

/// How far an address or a route reaches: `RT_SCOPE_…`.
public enum Scope: UInt8, Hashable, Sendable {
    /// `RT_SCOPE_UNIVERSE`
    case global = 0
    /// `RT_SCOPE_SITE`
    case site = 200
    /// `RT_SCOPE_LINK`
    case link = 253
    /// `RT_SCOPE_HOST`
    case host = 254

    static func natural(of address: IPAddress) -> Scope {
        guard case .v6(let address) = address else { return .global }
        return address == .loopback ? .host : address.isLinkLocal ? .link : .global
    }
}

extension Scope: CustomStringConvertible {
    public var description: String {
        switch self {
        case .global: "global"
        case .site: "site"
        case .link: "link"
        case .host: "host"
        }
    }
}

extension Address: CustomStringConvertible {
    public var description: String {
        var words = ["address \(address) dev \(link)"]
        if scope != .natural(of: address.address) { words.append("scope \(scope)") }
        if noPrefixRoute { words.append("noprefixroute") }
        if isDeprecated { words.append("deprecated") }
        if proto != 0 { words.append("proto \(proto)") }
        if detectsDuplicates { words.append("dad") }
        if isSecondary { words.append("secondary") }
        return words.joined(separator: " ")
    }
}
