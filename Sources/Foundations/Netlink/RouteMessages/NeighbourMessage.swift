public import Addressing

/// Who answers for an address on a link (a neighbour), or where a link sends frames for a MAC address (a forwarding entry,
/// family ``RouteFamily/bridge``): `RTM_NEWNEIGH`, struct `ndmsg`.
public struct NeighbourMessage: RouteObject {
    /// `RTM_NEWNEIGH`
    public static var newType: UInt16 { 28 }

    /// `ndm_family`
    public var family: RouteFamily
    /// `ndm_ifindex`
    public var link: Int32 = 0
    /// `ndm_state`
    public var state: State = []
    /// `ndm_flags`
    public var flags: Flags = []
    /// `NDA_DST`: the neighbour's address, or a forwarding entry's remote end.
    public var destination: IPAddress?
    /// `NDA_LLADDR`
    public var mac: MACAddress?
    /// `NDA_MASTER`: the index of the bridge whose forwarding entry this is. Read only.
    public private(set) var bridge: Int32?

    public struct State: OptionSet, Hashable, Sendable {
        public let rawValue: UInt16

        public init(rawValue: UInt16) { self.rawValue = rawValue }

        /// `NUD_REACHABLE`
        public static let reachable = State(rawValue: 0x02)
        /// `NUD_NOARP`
        public static let noARP = State(rawValue: 0x40)
        /// `NUD_PERMANENT`
        public static let permanent = State(rawValue: 0x80)
    }

    public struct Flags: OptionSet, Hashable, Sendable {
        public let rawValue: UInt8

        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// `NTF_SELF`: an entry of the link itself, not of the bridge it is in.
        public static let own = Flags(rawValue: 0x02)
        /// `NTF_MASTER`
        public static let master = Flags(rawValue: 0x04)
        /// `NTF_PROXY`: this node answers for the address.
        public static let proxy = Flags(rawValue: 0x08)
    }

    public init(_ family: RouteFamily, link: Int32 = 0, flags: Flags = []) {
        self.family = family
        self.link = link
        self.flags = flags
    }
}

extension NeighbourMessage {
    static let structSize = 12

    public init?(_ message: Message) {
        guard message.type == Self.newType, message.payload.count >= Self.structSize,
            let family = RouteFamily(rawValue: message.read(UInt8.self, at: 0))
        else { return nil }
        self.family = family
        link = message.read(Int32.self, at: 4)
        state = State(rawValue: message.read(UInt16.self, at: 8))
        flags = Flags(rawValue: message.read(UInt8.self, at: 10))
        let attributes = message.attributes(after: Self.structSize)
        destination = attributes[Name.destination]?.address
        mac = attributes[Name.mac]?.mac
        bridge = attributes[Name.master]?.number()
    }

    public func write(into writer: inout MessageWriter) {
        writer.append(UInt32(family.rawValue))
        writer.append(link)
        writer.append(state.rawValue)
        writer.append(flags.rawValue)
        writer.append(UInt8(0))  // ndm_type
        writer.attribute(Name.destination, destination)
        writer.attribute(Name.mac, mac)
    }

    enum Name: UInt16, AttributeName {
        /// `NDA_DST`
        case destination = 1
        /// `NDA_LLADDR`
        case mac = 2
        /// `NDA_IFINDEX`
        case index = 8
        /// `NDA_MASTER`
        case master = 9
    }
}

/// Asks for all neighbours, or for those on one link.
public struct NeighbourQuery: RouteObject {
    public static var newType: UInt16 { NeighbourMessage.newType }

    public var family: RouteFamily
    public var link: Int32?
    public var flags: NeighbourMessage.Flags

    public init(_ family: RouteFamily, link: Int32? = nil, flags: NeighbourMessage.Flags = []) {
        self.family = family
        self.link = link
        self.flags = flags
    }

    public init?(_ message: Message) { nil }

    public func write(into writer: inout MessageWriter) {
        writer.append(UInt32(family.rawValue))
        writer.append(UInt32(0))  // ndm_ifindex: a filter has it as an attribute
        writer.append(UInt16(0))
        writer.append(flags.rawValue)
        writer.append(UInt8(0))
        writer.attribute(NeighbourMessage.Name.index, link)
    }
}
