public import Addressing

/// A network device: `RTM_NEWLINK`, struct `ifinfomsg`.
public struct LinkMessage: RouteObject {
    /// `RTM_NEWLINK`
    public static var newType: UInt16 { 16 }

    /// `ifi_index`; zero when the name says which link is meant.
    public var index: Int32 = 0
    /// `IFF_UP`; `nil` leaves it.
    public var isUp: Bool?
    /// `IFF_LOOPBACK`. Read only.
    public private(set) var isLoopback = false
    /// `IFLA_IFNAME`
    public var name: String?
    /// `IFLA_ADDRESS`, when it is an Ethernet address.
    public var mac: MACAddress?
    /// `IFLA_MTU`
    public var mtu: UInt32?
    /// `IFLA_MASTER`: the index of the bridge this link is a port of; zero takes it out.
    public var master: Int32?
    /// `IFLA_IFALIAS`
    public var alias: String?
    /// `IFLA_GROUP`
    public var group: UInt32?
    /// `IFLA_LINK_NETNSID`: the namespace of the other end, by the number this namespace has for it. Read only.
    public private(set) var peerNamespaceID: Int32?
    /// `IFLA_LINK`: the index of the link this one belongs to, such as a veth's other end. Read only.
    public private(set) var other: Int32?
    /// `IFLA_INET6_ADDR_GEN_MODE`: whether going up makes a link-local address (mode `NONE` or another). The kernel
    /// ignores it in the message that creates a link.
    public var makesLinkLocal: Bool?
    /// `IFLA_NUM_TX_QUEUES` and `IFLA_NUM_RX_QUEUES`, of the message that creates a link.
    public var queues: UInt32?
    /// `IFLA_NET_NS_FD`: the namespace to create the link in.
    public var namespace: NetworkNamespace?
    /// `IFLA_LINKINFO`
    public var kind: Kind?
    /// `IFLA_INFO_SLAVE_DATA` of a bridge's port. The kernel reads it for a link that is a port already.
    public var port: BridgePort?

    public enum Kind: Sendable {
        /// `veth`. The other end is said only when creating (`VETH_INFO_PEER`).
        indirect case veth(peer: LinkMessage?)
        case vxlan(VXLAN)
        case bridge
        /// Any other `IFLA_INFO_KIND`.
        case other(String)
    }

    public init(index: Int32 = 0, name: String? = nil, kind: Kind? = nil) {
        self.index = index
        self.name = name
        self.kind = kind
    }
}

// MARK: - From the kernel

extension LinkMessage {
    static let structSize = 16

    public init?(_ message: Message) {
        guard message.type == Self.newType, message.payload.count >= Self.structSize else { return nil }
        index = message.read(Int32.self, at: 4)
        let flags = message.read(UInt32.self, at: 8)
        isUp = flags & Flag.up != 0
        isLoopback = flags & Flag.loopback != 0
        for attribute in message.attributes(after: Self.structSize) {
            switch LinkAttribute(rawValue: attribute.type) {
            case .name: name = attribute.text
            case .address: mac = attribute.mac
            case .mtu: mtu = attribute.number()
            case .master: master = attribute.number()
            case .alias: alias = attribute.text
            case .group: group = attribute.number()
            case .link: other = attribute.number()
            case .linkNamespaceID: peerNamespaceID = attribute.number()
            case .info:
                kind = Kind(attribute.nested)
                port = BridgePort(attribute.nested)
            case .families: makesLinkLocal = Self.makesLinkLocal(attribute.nested)
            default: break
            }
        }
    }

    private static func makesLinkLocal(_ families: Attributes) -> Bool? {
        families[UInt16(RouteFamily.v6.rawValue)]?.nested[Inet6Attribute.addressGeneration]?.number(UInt8.self)
            .map { $0 != Inet6Attribute.noGeneration }
    }
}

extension LinkMessage.Kind {
    init?(_ info: Attributes) {
        guard let name = info[InfoAttribute.kind]?.text else { return nil }
        switch name {
        case "veth": self = .veth(peer: nil)
        case "bridge": self = .bridge
        case "vxlan": self = .vxlan(VXLAN(info[InfoAttribute.data]?.nested ?? Attributes([])))
        default: self = .other(name)
        }
    }

    /// The kernel's word for the kind.
    public var name: String {
        switch self {
        case .veth: "veth"
        case .vxlan: "vxlan"
        case .bridge: "bridge"
        case .other(let name): name
        }
    }
}

// MARK: - To the kernel

extension LinkMessage {
    public func write(into writer: inout MessageWriter) {
        writer.append(UInt32(0))  // ifi_family, a pad, ifi_type
        writer.append(index)
        writer.append(isUp == true ? Flag.up : 0)
        writer.append(isUp == nil ? 0 : Flag.up)  // ifi_change
        writer.attribute(LinkAttribute.name, name)
        writer.attribute(LinkAttribute.address, mac)
        writer.attribute(LinkAttribute.mtu, mtu)
        writer.attribute(LinkAttribute.master, master)
        writer.attribute(LinkAttribute.alias, alias)
        writer.attribute(LinkAttribute.group, group)
        writer.attribute(LinkAttribute.transmitQueues, queues)
        writer.attribute(LinkAttribute.receiveQueues, queues)
        writer.attribute(LinkAttribute.namespaceDescriptor, namespace?.descriptor.rawValue)
        if kind != nil || port != nil {
            writer.nested(LinkAttribute.info) { info in
                kind?.write(into: &info)
                port?.write(into: &info)
            }
        }
        if let makesLinkLocal { Self.write(makesLinkLocal: makesLinkLocal, into: &writer) }
    }

    private static func write(makesLinkLocal: Bool, into writer: inout MessageWriter) {
        let mode = makesLinkLocal ? Inet6Attribute.eui64 : Inet6Attribute.noGeneration
        writer.nested(LinkAttribute.families) {
            $0.nested(UInt16(RouteFamily.v6.rawValue)) { $0.attribute(Inet6Attribute.addressGeneration, mode) }
        }
    }
}

extension LinkMessage.Kind {
    func write(into writer: inout MessageWriter) {
        writer.attribute(InfoAttribute.kind, name)
        switch self {
        case .veth(let peer?):
            writer.nested(InfoAttribute.data) { data in
                data.nested(VethAttribute.peer) { peer.write(into: &$0) }
            }
        case .vxlan(let parameters):
            writer.nested(InfoAttribute.data) { parameters.write(into: &$0) }
        case .veth(nil), .bridge, .other: break
        }
    }
}

// MARK: - Asking

/// Asks for all links, or for one by name or index, without counters.
public struct LinkQuery: RouteObject {
    public static var newType: UInt16 { LinkMessage.newType }

    public var index: Int32 = 0
    public var name: String?

    public init(index: Int32 = 0, name: String? = nil) {
        self.index = index
        self.name = name
    }

    public init?(_ message: Message) { nil }

    public func write(into writer: inout MessageWriter) {
        writer.append(UInt32(0))
        writer.append(index)
        writer.append(UInt64(0))
        writer.attribute(LinkAttribute.name, name)
        writer.attribute(LinkAttribute.extensions, Self.skipStatistics)
    }

    /// `RTEXT_FILTER_SKIP_STATS`
    private static let skipStatistics: UInt32 = 1 << 3
}

extension NetlinkSocket {
    /// Lists all links of the namespace.
    public func links() throws(KernelError) -> [LinkMessage] {
        var links: [LinkMessage] = []
        try dump(LinkQuery().request(.get, operation: "list links"), restart: { links.removeAll() }) { message in
            if let link = LinkMessage(message) { links.append(link) }
        }
        return links
    }

    /// The link of a name; `Errno.noSuchDevice` when there is none.
    public func link(named name: String) throws(KernelError) -> LinkMessage {
        let operation = "find link \(name)"
        guard let link = LinkMessage(try get(LinkQuery(name: name).request(.get, operation: operation))) else {
            throw KernelError(.badMessage, operation)
        }
        return link
    }
}

// MARK: - Numbers

private enum Flag {
    /// `IFF_UP`
    static let up: UInt32 = 0x1
    /// `IFF_LOOPBACK`
    static let loopback: UInt32 = 0x8
}

enum LinkAttribute: UInt16, AttributeName {
    /// `IFLA_ADDRESS`
    case address = 1
    /// `IFLA_IFNAME`
    case name = 3
    /// `IFLA_MTU`
    case mtu = 4
    /// `IFLA_LINK`
    case link = 5
    /// `IFLA_MASTER`
    case master = 10
    /// `IFLA_LINKINFO`
    case info = 18
    /// `IFLA_IFALIAS`
    case alias = 20
    /// `IFLA_AF_SPEC`
    case families = 26
    /// `IFLA_GROUP`
    case group = 27
    /// `IFLA_NET_NS_FD`
    case namespaceDescriptor = 28
    /// `IFLA_EXT_MASK`
    case extensions = 29
    /// `IFLA_NUM_TX_QUEUES`
    case transmitQueues = 31
    /// `IFLA_NUM_RX_QUEUES`
    case receiveQueues = 32
    /// `IFLA_LINK_NETNSID`
    case linkNamespaceID = 37
}

enum InfoAttribute: UInt16, AttributeName {
    /// `IFLA_INFO_KIND`
    case kind = 1
    /// `IFLA_INFO_DATA`
    case data = 2
    /// `IFLA_INFO_SLAVE_KIND`
    case portKind = 4
    /// `IFLA_INFO_SLAVE_DATA`
    case portData = 5
}

enum VethAttribute: UInt16, AttributeName {
    /// `VETH_INFO_PEER`
    case peer = 1
}

enum Inet6Attribute: UInt16, AttributeName {
    /// `IFLA_INET6_ADDR_GEN_MODE`
    case addressGeneration = 8

    /// `IN6_ADDR_GEN_MODE_EUI64`
    static let eui64: UInt8 = 0
    /// `IN6_ADDR_GEN_MODE_NONE`
    static let noGeneration: UInt8 = 1
}
