/// Something a rule can look at: of the packet, its connection, its interfaces, the route table, or chance.
public enum Field: Hashable, Sendable {
    /// In the Ethernet header. Of packets that came in by a link that has such headers.
    case sourceMAC
    /// The source address in the IP header of the table's family.
    case sourceAddress
    case destinationAddress
    /// The protocol behind the IP header and its extensions (`meta l4proto`).
    case transportProtocol
    /// Of TCP, UDP and SCTP alike: the first four bytes of the transport header are the ports.
    case sourcePort
    case destinationPort
    case mark
    case inputInterfaceName
    case outputInterfaceName
    case inputInterface
    case outputInterface
    case conntrackState
    case conntrackStatus
    /// Of the connection's first packet, before any translation.
    case originalDestinationAddress
    case originalDestinationPort
    case originalTransportProtocol
    /// Whether the destination is local, broadcast, … (`fib daddr type`).
    case destinationAddressType
    /// A number below the modulus, by chance.
    case random(below: UInt32)
}

extension Field {
    public func type(in family: TableFamily) -> FieldType {
        switch self {
        case .sourceAddress, .destinationAddress, .originalDestinationAddress: family == .ip6 ? .ipv6Address : .ipv4Address
        case .sourceMAC: .etherAddress
        case .transportProtocol, .originalTransportProtocol: .transportProtocol
        case .sourcePort, .destinationPort, .originalDestinationPort: .port
        case .mark, .random: .mark
        case .inputInterfaceName, .outputInterfaceName: .interfaceName
        case .inputInterface, .outputInterface: .interfaceIndex
        case .conntrackState: .conntrackState
        case .conntrackStatus: .conntrackStatus
        case .destinationAddressType: .addressType
        }
    }

    /// The instruction that loads it.
    func load(in family: TableFamily, into register: Register) -> Expression {
        switch self {
        case .sourceMAC: .payload(.link, offset: 6, length: 6, into: register)
        case .sourceAddress:
            family == .ip6
                ? .payload(.network, offset: 8, length: 16, into: register)
                : .payload(.network, offset: 12, length: 4, into: register)
        case .destinationAddress:
            family == .ip6
                ? .payload(.network, offset: 24, length: 16, into: register)
                : .payload(.network, offset: 16, length: 4, into: register)
        case .transportProtocol: .meta(.transportProtocol, into: register)
        case .sourcePort: .payload(.transport, offset: 0, length: 2, into: register)
        case .destinationPort: .payload(.transport, offset: 2, length: 2, into: register)
        case .mark: .meta(.mark, into: register)
        case .inputInterfaceName: .meta(.inputInterfaceName, into: register)
        case .outputInterfaceName: .meta(.outputInterfaceName, into: register)
        case .inputInterface: .meta(.inputInterface, into: register)
        case .outputInterface: .meta(.outputInterface, into: register)
        case .conntrackState: .conntrack(.state, nil, into: register)
        case .conntrackStatus: .conntrack(.status, nil, into: register)
        case .originalDestinationAddress:
            .conntrack(family == .ip6 ? .destinationIPv6 : .destinationIPv4, .original, into: register)
        case .originalDestinationPort: .conntrack(.destinationPort, .original, into: register)
        // Both directions have the same: the kernel takes a direction here and does not give it back.
        case .originalTransportProtocol: .conntrack(.originalTransport, nil, into: register)
        case .destinationAddressType: .fib(.addressType, .destination, into: register)
        case .random(let modulus): .numgen(.random, modulus: modulus, offset: 0, into: register)
        }
    }
}

/// Bits of a connection's state (`NF_CT_STATE_BIT`).
public struct ConntrackState: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let invalid = ConntrackState(rawValue: 1)
    public static let established = ConntrackState(rawValue: 2)
    public static let related = ConntrackState(rawValue: 4)
    public static let new = ConntrackState(rawValue: 8)
    public static let untracked = ConntrackState(rawValue: 64)
}

/// Bits of a connection's status (`enum ip_conntrack_status`).
public struct ConntrackStatus: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// `IPS_SRC_NAT`
    public static let sourceTranslated = ConntrackStatus(rawValue: 16)
    /// `IPS_DST_NAT`
    public static let destinationTranslated = ConntrackStatus(rawValue: 32)
}

/// `RTN_…` as `fib … type` answers.
public enum AddressType: UInt32, Hashable, Sendable {
    case unicast = 1
    case local = 2
    case broadcast = 3
}
