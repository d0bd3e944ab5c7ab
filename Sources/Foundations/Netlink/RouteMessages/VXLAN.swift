public import Addressing

/// What a VXLAN link is made with: `IFLA_INFO_DATA` of the kind `vxlan`. Most of it cannot be changed afterwards.
public struct VXLAN: Hashable, Sendable {
    /// `IFLA_VXLAN_ID`
    public var id: UInt32
    /// `IFLA_VXLAN_PORT`: the UDP port, in the kernel's message in network order.
    public var port: UInt16
    /// `IFLA_VXLAN_LOCAL` or `IFLA_VXLAN_LOCAL6`: the source of encapsulated packets.
    public var local: IPAddress?
    /// `IFLA_VXLAN_LINK`: the index of the link packets leave by.
    public var link: Int32?
    /// `IFLA_VXLAN_LEARNING`
    public var isLearning: Bool

    public init(id: UInt32, port: UInt16, local: IPAddress? = nil, link: Int32? = nil, isLearning: Bool = false) {
        self.id = id
        self.port = port
        self.local = local
        self.link = link
        self.isLearning = isLearning
    }

    init(_ data: Attributes) {
        id = data[Name.id]?.number() ?? 0
        port = data[Name.port]?.bigEndian() ?? 0
        local = (data[Name.local] ?? data[Name.local6])?.address
        link = data[Name.link]?.number().flatMap { $0 == 0 ? nil : $0 }
        isLearning = data[Name.learning]?.number(UInt8.self) != 0
    }

    func write(into writer: inout MessageWriter) {
        writer.attribute(Name.id, id)
        writer.attribute(Name.port, port.bigEndian)
        writer.attribute(local?.family == .v6 ? Name.local6 : Name.local, local)
        writer.attribute(Name.link, link)
        writer.attribute(Name.learning, isLearning ? 1 : UInt8(0))
    }

    private enum Name: UInt16, AttributeName {
        /// `IFLA_VXLAN_ID`
        case id = 1
        /// `IFLA_VXLAN_LINK`
        case link = 3
        /// `IFLA_VXLAN_LOCAL`
        case local = 4
        /// `IFLA_VXLAN_LEARNING`
        case learning = 7
        /// `IFLA_VXLAN_PORT`
        case port = 15
        /// `IFLA_VXLAN_LOCAL6`
        case local6 = 17
    }
}
