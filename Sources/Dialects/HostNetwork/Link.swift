public import Addressing

/// A network device, known by its name.
///
/// In a desired state an optional that is `nil` says nothing: whatever the link has is right. An observed link has them all.
public struct Link: Hashable, Sendable {
    public var name: String
    public var kind: Kind
    public var isUp: Bool
    public var mac: MACAddress?
    public var mtu: Int?
    /// The bridge this link is a port of.
    public var master: String?
    /// What the bridge does with its frames; goes with ``master``.
    public var port: Port?
    /// A text for people (`ip link … alias`).
    public var alias: String?
    /// Whether the link gives itself a link-local IPv6 address when it goes up. Duplicate address detection of that address
    /// costs a second or two; a link that needs none is made without.
    public var makesLinkLocal: Bool?

    public enum Kind: Hashable, Sendable {
        case loopback
        /// One end of a pair. The other end is said when the link is made, and cannot be observed from here.
        case veth(peer: Peer?)
        case vxlan(Overlay)
        case bridge
        /// A kind by the kernel's word for it; empty for a device of the machine. Never made by us.
        case other(String)
    }

    public init(
        _ name: String, _ kind: Kind, isUp: Bool = true, mac: MACAddress? = nil, mtu: Int? = nil, master: String? = nil,
        port: Port? = nil, alias: String? = nil, makesLinkLocal: Bool? = nil
    ) {
        self.name = name
        self.kind = kind
        self.isUp = isUp
        self.mac = mac
        self.mtu = mtu
        self.master = master
        self.port = port
        self.alias = alias
        self.makesLinkLocal = makesLinkLocal
    }
}

extension Link {
    /// The other end of a veth, made together with it: with its final name, MAC and MTU and in its final namespace, because
    /// renaming and moving it later costs fifteen milliseconds more.
    public struct Peer: Hashable, Sendable {
        public var name: String
        /// A name that the host resolves; `nil` for the namespace of the link itself.
        public var namespace: String?
        public var mac: MACAddress?
        public var mtu: Int?

        public init(_ name: String, in namespace: String? = nil, mac: MACAddress? = nil, mtu: Int? = nil) {
            self.name = name
            self.namespace = namespace
            self.mac = mac
            self.mtu = mtu
        }
    }

    /// A port of a bridge.
    public struct Port: Hashable, Sendable {
        /// The bridge learns which MAC addresses are behind it. Otherwise they are said: ``Forwarding``.
        public var isLearning: Bool
        /// Nothing goes from it to another isolated port: only to the bridge itself.
        public var isIsolated: Bool
        /// Frames from MAC addresses that are not known to be behind it are dropped.
        public var isLocked: Bool
        /// A frame may leave by the port that it came by.
        public var isHairpin: Bool

        public init(isLearning: Bool = true, isIsolated: Bool = false, isLocked: Bool = false, isHairpin: Bool = false) {
            self.isLearning = isLearning
            self.isIsolated = isIsolated
            self.isLocked = isLocked
            self.isHairpin = isHairpin
        }
    }

    /// What a VXLAN link is made with. Another one means another link.
    public struct Overlay: Hashable, Sendable {
        public var id: UInt32
        public var port: UInt16
        /// The source of encapsulated packets.
        public var local: IPAddress?
        /// The link encapsulated packets leave by.
        public var device: String?
        /// Learns from passing frames which node has which MAC. We say it instead.
        public var isLearning: Bool

        public init(id: UInt32, port: UInt16, local: IPAddress? = nil, device: String? = nil, isLearning: Bool = false) {
            self.id = id
            self.port = port
            self.local = local
            self.device = device
            self.isLearning = isLearning
        }
    }
}

extension Link {
    /// The kernel takes IPv6, with its settings, off a link whose packets are smaller than that (RFC 8200 §5).
    public static let leastIPv6MTU = 1280

    /// Whether there can be IPv6 on it.
    public var hasRoomForIPv6: Bool { mtu.map { $0 >= Self.leastIPv6MTU } ?? true }

    /// Whether this observed link is what `desired` asks for.
    func satisfies(_ desired: Link) -> Bool {
        func fits<Value: Equatable>(_ path: KeyPath<Link, Value?>) -> Bool {
            desired[keyPath: path] == nil || self[keyPath: path] == desired[keyPath: path]
        }
        return isUp == desired.isUp && kind.isSame(as: desired.kind) && fits(\.mac) && fits(\.mtu) && fits(\.master)
            && fits(\.port) && fits(\.alias) && fits(\.makesLinkLocal)
    }

    /// This link, with everything that `desired` says changed.
    func changed(to desired: Link) -> Link {
        Link(
            name, kind, isUp: desired.isUp, mac: desired.mac ?? mac, mtu: desired.mtu ?? mtu,
            master: desired.master ?? master, port: desired.port ?? port, alias: desired.alias ?? alias,
            makesLinkLocal: desired.makesLinkLocal ?? makesLinkLocal)
    }
}

extension Link.Kind {
    /// The other end of a veth does not count: it cannot be observed.
    func isSame(as other: Link.Kind) -> Bool {
        if case (.veth, .veth) = (self, other) { return true }
        return self == other
    }
}

extension Link: CustomStringConvertible {
    public var description: String {
        var words = ["link \(name) \(kind)", isUp ? "up" : "down"]
        if let mtu { words.append("mtu \(mtu)") }
        if let mac { words.append("mac \(mac)") }
        if let master { words.append("master \(master)") }
        if let port, port != Port() { words.append("port \(port)") }
        if makesLinkLocal == false { words.append("nolinklocal") }
        if let alias { words.append("alias \"\(alias)\"") }
        return words.joined(separator: " ")
    }
}

extension Link.Kind: CustomStringConvertible {
    public var description: String {
        switch self {
        case .loopback: "loopback"
        case .veth(let peer): "veth" + (peer.map { " peer \($0)" } ?? "")
        case .bridge: "bridge"
        case .vxlan(let overlay): "vxlan \(overlay)"
        case .other(let name): name.isEmpty ? "device" : name
        }
    }
}

extension Link.Peer: CustomStringConvertible {
    public var description: String {
        name + (namespace.map { " in \($0)" } ?? "") + (mtu.map { " mtu \($0)" } ?? "") + (mac.map { " mac \($0)" } ?? "")
    }
}

extension Link.Port: CustomStringConvertible {
    public var description: String {
        [
            isLearning ? "learning" : "nolearning", isIsolated ? "isolated" : "", isLocked ? "locked" : "",
            isHairpin ? "hairpin" : "",
        ]
        .filter { !$0.isEmpty }.joined(separator: ",")
    }
}

extension Link.Overlay: CustomStringConvertible {
    public var description: String {
        "id \(id) port \(port)" + (local.map { " local \($0)" } ?? "") + (device.map { " dev \($0)" } ?? "")
            + (isLearning ? " learning" : "")
    }
}
