public import Addressing

/// Where packets for a prefix go.
public struct Route: Hashable, Sendable {
    public var prefix: IPPrefix
    public var table: UInt32
    /// Lower wins. IPv6 has no zero: it becomes 1024, as the kernel does it.
    public var metric: UInt32
    public var kind: Kind
    public var device: String?
    public var gateway: IPAddress?
    /// The gateway is taken to be on the device, whatever the addresses say.
    public var isOnlink: Bool
    /// The source of packets that have none yet.
    public var source: IPAddress?
    public var scope: Scope
    /// Who made the route (`rtm_protocol`): how we know our own.
    public var proto: UInt8
    public var mtu: UInt32?

    /// Where the kernel looks unless a rule says otherwise (`RT_TABLE_MAIN`).
    public static let mainTable: UInt32 = 254

    public enum Kind: Hashable, Sendable {
        /// `RTN_UNICAST`
        case unicast
        /// `RTN_LOCAL`
        case local
        /// `RTN_BLACKHOLE`: dropped in silence.
        case blackhole
        /// `RTN_UNREACHABLE`: dropped, and the sender is told.
        case unreachable
        /// Several next hops, which are not looked at. Observed, never made by us.
        case multipath
        /// `RTN_…` by number. Observed, never made by us.
        case other(UInt8)
    }

    /// - Parameter scope: IPv4 only; `nil` for what `ip` would choose: link without a gateway, global with one.
    public init(
        _ prefix: IPPrefix, _ kind: Kind = .unicast, via gateway: IPAddress? = nil, device: String? = nil,
        isOnlink: Bool = false, source: IPAddress? = nil, table: UInt32 = Route.mainTable, metric: UInt32 = 0, proto: UInt8,
        scope: Scope? = nil, mtu: UInt32? = nil
    ) {
        self.prefix = prefix
        self.kind = kind
        self.gateway = gateway
        self.device = device
        self.isOnlink = isOnlink
        self.source = source
        self.table = table
        self.metric = prefix.family == .v6 && metric == 0 ? Self.plainMetric(.v6) : metric
        self.proto = proto
        self.mtu = mtu
        let natural = Self.naturalScope(prefix.family, kind, gateway)
        self.scope = prefix.family == .v4 ? scope ?? natural : natural
    }

    /// The kernel holds one route per key.
    public struct Key: Hashable, Sendable {
        public var prefix: IPPrefix
        public var table: UInt32
        public var metric: UInt32

        public init(_ prefix: IPPrefix, table: UInt32 = Route.mainTable, metric: UInt32 = 0) {
            self.prefix = prefix
            self.table = table
            self.metric = prefix.family == .v6 && metric == 0 ? Route.plainMetric(.v6) : metric
        }
    }

    public var key: Key { Key(prefix, table: table, metric: metric) }

    /// A gateway without a device is on whatever device reaches it.
    func satisfies(_ desired: Route) -> Bool {
        var observed = self
        if desired.device == nil, desired.gateway != nil { observed.device = nil }
        return observed == desired
    }

    static func plainMetric(_ family: IPFamily) -> UInt32 { family == .v6 ? 1024 : 0 }

    static func naturalScope(_ family: IPFamily, _ kind: Kind, _ gateway: IPAddress?) -> Scope {
        switch (family, kind) {
        case (.v4, .unicast): gateway == nil ? .link : .global
        case (.v4, .local): .host
        default: .global
        }
    }
}

extension Route: CustomStringConvertible {
    public var description: String {
        var words = ["route"]
        if kind != .unicast { words.append("\(kind)") }
        words.append("\(prefix)")
        if let gateway { words.append("via \(gateway)") }
        if let device { words.append("dev \(device)") }
        if isOnlink { words.append("onlink") }
        if table != Self.mainTable { words.append("table \(table)") }
        words.append("proto \(proto)")
        if scope != .global { words.append("scope \(scope)") }
        if let source { words.append("src \(source)") }
        if metric != Self.plainMetric(prefix.family) { words.append("metric \(metric)") }
        if let mtu { words.append("mtu \(mtu)") }
        return words.joined(separator: " ")
    }
}

extension Route.Kind: CustomStringConvertible {
    public var description: String {
        switch self {
        case .unicast: "unicast"
        case .local: "local"
        case .blackhole: "blackhole"
        case .unreachable: "unreachable"
        case .multipath: "multipath"
        case .other(let number): "type \(number)"
        }
    }
}
