/// What a bridge does with frames of one of its ports: `IFLA_BRPORT_…`. What is `nil` is left as it is.
public struct BridgePort: Hashable, Sendable {
    /// `IFLA_BRPORT_MODE`: a frame may leave by the port that it came by.
    public var isHairpin: Bool?
    /// `IFLA_BRPORT_LEARNING`: the bridge learns from frames which MAC addresses are behind the port.
    public var isLearning: Bool?
    /// `IFLA_BRPORT_ISOLATED`: nothing goes from this port to another isolated one (since Linux 4.18).
    public var isIsolated: Bool?
    /// `IFLA_BRPORT_LOCKED`: frames from MAC addresses that are not known to be behind the port are dropped (since Linux 5.18).
    public var isLocked: Bool?

    public init(isHairpin: Bool? = nil, isLearning: Bool? = nil, isIsolated: Bool? = nil, isLocked: Bool? = nil) {
        self.isHairpin = isHairpin
        self.isLearning = isLearning
        self.isIsolated = isIsolated
        self.isLocked = isLocked
    }
}

extension BridgePort {
    /// `nil` for a link that is no bridge's port.
    init?(_ info: Attributes) {
        guard info[InfoAttribute.portKind]?.text == "bridge", let data = info[InfoAttribute.portData]?.nested else { return nil }
        func flag(_ name: Name) -> Bool? { data[name]?.number(UInt8.self).map { $0 != 0 } }
        self.init(
            isHairpin: flag(.mode), isLearning: flag(.learning), isIsolated: flag(.isolated), isLocked: flag(.locked))
    }

    func write(into info: inout MessageWriter) {
        info.attribute(InfoAttribute.portKind, "bridge")
        info.nested(InfoAttribute.portData) { data in
            data.attribute(Name.mode, isHairpin.map { UInt8($0 ? 1 : 0) })
            data.attribute(Name.learning, isLearning.map { UInt8($0 ? 1 : 0) })
            data.attribute(Name.isolated, isIsolated.map { UInt8($0 ? 1 : 0) })
            data.attribute(Name.locked, isLocked.map { UInt8($0 ? 1 : 0) })
        }
    }

    private enum Name: UInt16, AttributeName {
        /// `IFLA_BRPORT_MODE`
        case mode = 4
        /// `IFLA_BRPORT_LEARNING`
        case learning = 8
        /// `IFLA_BRPORT_ISOLATED`
        case isolated = 33
        /// `IFLA_BRPORT_LOCKED`
        case locked = 39
    }
}
