public import Addressing

/// An address of a link: `RTM_NEWADDR`, struct `ifaddrmsg`.
public struct AddressMessage: RouteObject {
    /// `RTM_NEWADDR`
    public static var newType: UInt16 { 20 }

    /// `ifa_family`
    public var family: RouteFamily
    /// `ifa_index`
    public var link: UInt32
    /// `IFA_LOCAL` (`IFA_ADDRESS` where there is none, as in IPv6) and `ifa_prefixlen`. `nil` in a filter.
    public var address: InterfaceAddress?
    /// `ifa_scope`
    public var scope: UInt8
    /// `IFA_FLAGS`
    public var flags: Flags
    /// `IFA_CACHEINFO` with a preferred lifetime of zero and an endless valid one: the address is there, and chosen as a source only
    /// where there is no other (IPv6). What the kernel says of it is the flag ``Flags/deprecated``.
    public var isDeprecated = false
    /// `IFA_PROTO`: who made the address (kernel 5.18).
    public var proto: UInt8?

    public struct Flags: OptionSet, Hashable, Sendable {
        public let rawValue: UInt32

        public init(rawValue: UInt32) { self.rawValue = rawValue }

        /// `IFA_F_SECONDARY`: of IPv4, goes when the first address of its prefix goes.
        public static let secondary = Flags(rawValue: 0x01)
        /// `IFA_F_NODAD`: usable at once, without duplicate address detection (IPv6).
        public static let noDuplicateDetection = Flags(rawValue: 0x02)
        /// `IFA_F_DADFAILED`
        public static let duplicate = Flags(rawValue: 0x08)
        /// `IFA_F_DEPRECATED`: its preferred lifetime is over (IPv6).
        public static let deprecated = Flags(rawValue: 0x20)
        /// `IFA_F_TENTATIVE`: not usable yet.
        public static let tentative = Flags(rawValue: 0x40)
        /// `IFA_F_PERMANENT`
        public static let permanent = Flags(rawValue: 0x80)
        /// `IFA_F_NOPREFIXROUTE`: no connected route is made.
        public static let noPrefixRoute = Flags(rawValue: 0x200)
    }

    public init(_ address: InterfaceAddress, link: UInt32, scope: UInt8 = 0, flags: Flags = [], proto: UInt8? = nil) {
        family = RouteFamily(address.address.family)
        self.link = link
        self.address = address
        self.scope = scope
        self.flags = flags
        self.proto = proto
    }

    /// A filter: all addresses of a family.
    public init(all family: RouteFamily = .any) {
        self.family = family
        link = 0
        scope = 0
        flags = []
    }
}

extension AddressMessage {
    static let structSize = 8

    public init?(_ message: Message) {
        guard message.type == Self.newType, message.payload.count >= Self.structSize,
            let family = RouteFamily(rawValue: message.read(UInt8.self, at: 0))
        else { return nil }
        self.family = family
        flags = Flags(rawValue: UInt32(message.read(UInt8.self, at: 2)))
        scope = message.read(UInt8.self, at: 3)
        link = message.read(UInt32.self, at: 4)
        var local: IPAddress?
        var remote: IPAddress?
        for attribute in message.attributes(after: Self.structSize) {
            switch Name(rawValue: attribute.type) {
            case .address: remote = attribute.address
            case .local: local = attribute.address
            case .flags: flags = attribute.number().map(Flags.init(rawValue:)) ?? flags
            case .proto: proto = attribute.number()
            default: break
            }
        }
        isDeprecated = family == .v6 && flags.contains(.deprecated)
        let length = Int(message.read(UInt8.self, at: 1))
        guard let own = local ?? remote, own.family == family.addresses, length <= own.family.bitWidth else { return nil }
        address = InterfaceAddress(own, length: length)
    }

    public func write(into writer: inout MessageWriter) {
        writer.append(family.rawValue)
        writer.append(UInt8(clamping: address?.length ?? 0))
        writer.append(UInt8(truncatingIfNeeded: flags.rawValue))
        writer.append(scope)
        writer.append(link)
        guard let address else { return }
        writer.attribute(Name.local, address.address)
        writer.attribute(Name.address, address.address)
        writer.attribute(Name.flags, flags.rawValue)
        if isDeprecated {
            writer.attribute(Name.cacheInfo.rawValue) { info in
                info.append(UInt32(0))
                info.append(UInt32.max)
                info.append(UInt64(0))  // when it was made and changed
            }
        }
        writer.attribute(Name.proto, proto)
    }

    private enum Name: UInt16, AttributeName {
        /// `IFA_ADDRESS`
        case address = 1
        /// `IFA_LOCAL`
        case local = 2
        /// `IFA_CACHEINFO`, struct `ifa_cacheinfo`
        case cacheInfo = 6
        /// `IFA_FLAGS`
        case flags = 8
        /// `IFA_PROTO`
        case proto = 11
    }
}
