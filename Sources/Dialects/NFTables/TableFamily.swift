/// Which packets a table sees.
public enum TableFamily: UInt8, Hashable, Sendable, CaseIterable, Comparable {
    /// `NFPROTO_INET`
    case inet = 1
    /// `NFPROTO_IPV4`
    case ip = 2
    /// `NFPROTO_ARP`
    case arp = 3
    /// `NFPROTO_NETDEV`
    case netdev = 5
    /// `NFPROTO_BRIDGE`
    case bridge = 7
    /// `NFPROTO_IPV6`
    case ip6 = 10

    /// nft's word for it.
    public var name: String {
        switch self {
        case .inet: "inet"
        case .ip: "ip"
        case .arp: "arp"
        case .netdev: "netdev"
        case .bridge: "bridge"
        case .ip6: "ip6"
        }
    }

    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}
