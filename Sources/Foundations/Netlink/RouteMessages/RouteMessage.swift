public import Addressing

/// A route: `RTM_NEWROUTE`, struct `rtmsg`.
public struct RouteMessage: RouteObject {
    /// `RTM_NEWROUTE`
    public static var newType: UInt16 { 24 }

    /// `rtm_family`
    public var family: RouteFamily
    /// `RTA_DST` and `rtm_dst_len`; `nil` in a filter.
    public var destination: IPPrefix?
    /// `RTA_TABLE`
    public var table: UInt32 = 0
    /// `rtm_type`: `RTN_…`
    public var type: UInt8 = 0
    /// `rtm_scope`: `RT_SCOPE_…`
    public var scope: UInt8 = 0
    /// `rtm_protocol`: who made the route.
    public var proto: UInt8 = 0
    /// `rtm_flags`
    public var flags: Flags = []
    /// `RTA_GATEWAY`, or `RTA_VIA` when it is of the other family (an IPv4 route via an IPv6 gateway).
    public var gateway: IPAddress?
    /// `RTA_OIF`
    public var link: Int32?
    /// `RTA_PREFSRC`
    public var source: IPAddress?
    /// `RTA_PRIORITY`
    public var metric: UInt32?
    /// `RTAX_MTU` in `RTA_METRICS`
    public var mtu: UInt32?
    /// `RTA_EXPIRES`, in seconds: the kernel takes the route away by itself (IPv6). Said when the route is made, and not read.
    public var lifetime: UInt32?
    /// `RTA_MULTIPATH` is there: the route has several next hops, which are not read.
    public private(set) var isMultipath = false

    public struct Flags: OptionSet, Hashable, Sendable {
        public let rawValue: UInt32

        public init(rawValue: UInt32) { self.rawValue = rawValue }

        /// `RTNH_F_DEAD`
        public static let dead = Flags(rawValue: 0x1)
        /// `RTNH_F_ONLINK`: the gateway is taken to be on the link, whatever the addresses say.
        public static let onlink = Flags(rawValue: 0x4)
        /// `RTNH_F_LINKDOWN`
        public static let linkDown = Flags(rawValue: 0x10)
        /// `RTM_F_CLONED`: an entry of a cache, no route.
        public static let cloned = Flags(rawValue: 0x200)
    }

    public init(_ destination: IPPrefix) {
        family = RouteFamily(destination.family)
        self.destination = destination
    }

    /// A filter: all routes of a family. Zero is any table, protocol or type, `nil` any link.
    public init(all family: RouteFamily, table: UInt32 = 0, proto: UInt8 = 0, link: Int32? = nil) {
        self.family = family
        self.table = table
        self.proto = proto
        self.link = link
    }
}

extension RouteMessage {
    static let structSize = 12

    public init?(_ message: Message) {
        guard message.type == Self.newType, message.payload.count >= Self.structSize,
            let family = RouteFamily(rawValue: message.read(UInt8.self, at: 0)), let addresses = family.addresses
        else { return nil }
        self.family = family
        table = UInt32(message.read(UInt8.self, at: 4))
        proto = message.read(UInt8.self, at: 5)
        scope = message.read(UInt8.self, at: 6)
        type = message.read(UInt8.self, at: 7)
        flags = Flags(rawValue: message.read(UInt32.self, at: 8))
        var target = IPAddress.any(addresses)
        for attribute in message.attributes(after: Self.structSize) {
            switch Name(rawValue: attribute.type) {
            case .destination: target = attribute.address ?? target
            case .link: link = attribute.number()
            case .gateway: gateway = attribute.address
            case .via: gateway = IPAddress(bytes: attribute.bytes.dropFirst(2))
            case .metric: metric = attribute.number()
            case .source: source = attribute.address
            case .metrics: mtu = attribute.nested[Metric.mtu]?.number()
            case .multipath: isMultipath = true
            case .table: table = attribute.number() ?? table
            default: break
            }
        }
        let length = Int(message.read(UInt8.self, at: 1))
        guard target.family == addresses, length <= addresses.bitWidth else { return nil }
        destination = IPPrefix(target, length: length)
    }

    public func write(into writer: inout MessageWriter) {
        writer.append(family.rawValue)
        writer.append(UInt8(clamping: destination?.length ?? 0))
        writer.append(UInt16(0))  // rtm_src_len, rtm_tos
        writer.append(UInt8(exactly: table) ?? 0)
        writer.append(proto)
        writer.append(scope)
        writer.append(type)
        writer.append(flags.rawValue)
        if let destination, destination.length > 0 { writer.attribute(Name.destination, destination.address) }
        if table != 0 { writer.attribute(Name.table, table) }
        writer.attribute(Name.link, link)
        if let gateway { write(gateway, into: &writer) }
        writer.attribute(Name.source, source)
        writer.attribute(Name.metric, metric)
        writer.attribute(Name.expires, lifetime)
        guard let mtu else { return }
        writer.nested(Name.metrics) { writer in
            writer.attribute(Metric.mtu, mtu)
            // Where it forwards, IPv6 heeds a route's size only when it is locked (`ip6_dst_mtu_maybe_forward`).
            if family.addresses == .v6 { writer.attribute(Metric.lock, UInt32(1) << UInt32(Metric.mtu.rawValue)) }
        }
    }

    private func write(_ gateway: IPAddress, into writer: inout MessageWriter) {
        guard gateway.family != family.addresses else {
            writer.attribute(Name.gateway, gateway)
            return
        }
        // struct rtvia: the family, then the address.
        writer.attribute(Name.via.rawValue) {
            $0.append(UInt16(RouteFamily(gateway.family).rawValue))
            $0.append(bytes: gateway.bytes)
        }
    }

    private enum Name: UInt16, AttributeName {
        /// `RTA_DST`
        case destination = 1
        /// `RTA_OIF`
        case link = 4
        /// `RTA_GATEWAY`
        case gateway = 5
        /// `RTA_PRIORITY`
        case metric = 6
        /// `RTA_PREFSRC`
        case source = 7
        /// `RTA_METRICS`
        case metrics = 8
        /// `RTA_MULTIPATH`
        case multipath = 9
        /// `RTA_TABLE`
        case table = 15
        /// `RTA_VIA`
        case via = 18
        /// `RTA_EXPIRES`
        case expires = 23
    }

    private enum Metric: UInt16, AttributeName {
        /// `RTAX_LOCK`
        case lock = 1
        /// `RTAX_MTU`
        case mtu = 2
    }
}
