public import Addressing

/// A pod's place on this node: which addresses it has and which link leads to it. Decided once, when the pod is attached.
public struct Attachment: Hashable, Sendable {
    public var id: ID
    /// The network of the configuration it was attached by; empty when nobody said.
    public var network = ""
    /// The node's end.
    public var link: String
    /// The MAC of the node's end, and of the pod's.
    public var nodeMAC: MACAddress
    public var podMAC: MACAddress
    /// At most one a family.
    public var addresses: [IPAddress]
    public var mtu: Int
    /// Ports of the node that lead to it.
    public var ports: [PortMapping] = []
    public var bandwidth = Bandwidth()
    public var reach = Reach.everything
    /// The ranges that its addresses are of, where its link is a port of the node's bridge; empty where it is routed by itself.
    public var bridgedRanges: [IPPrefix] = []
    /// Settings in the pod, by their paths below `/proc/sys`: what it asked for beside ours.
    public var settings: [String: String] = [:]

    /// - Parameter mac: of the pod's end, when the pod asked for one.
    public init(id: ID, addresses: [IPAddress], mtu: Int, mac: MACAddress? = nil) {
        let hash = id.hash
        self.id = id
        self.addresses = addresses
        self.mtu = mtu
        link = id.link
        // The two ends differ in one bit; neither is ever multicast.
        nodeMAC = MACAddress(local: hash << 1)
        podMAC = mac ?? MACAddress(local: hash << 1 | 1)
    }

    /// The MAC that the pod asked for; `nil` when its end has the one that follows from its name.
    public var askedMAC: MACAddress? { podMAC == MACAddress(local: id.hash << 1 | 1) ? nil : podMAC }

    public var isBridged: Bool { !bridgedRanges.isEmpty }

    /// The table in the pod for what is sent from its addresses, where another interface has the default route.
    public var routeTable: UInt32 { PacketPath.interfaceTable(id.hash) }

    /// What the node's end says of itself (`ip link`): its network and whose it is, also when nothing of it is written down any more.
    /// `nil` when the network has no name, or one that is longer than the kernel's 255 bytes.
    public var alias: String? {
        guard !network.isEmpty, network.utf8.count < Self.aliasLimit else { return nil }
        var text = "\(network) \(id)"
        while text.utf8.count > Self.aliasLimit { text.removeLast() }
        return text
    }

    /// The network that a link's alias names: a network's name has no space.
    public static func network(inAlias alias: String) -> String? {
        alias.firstIndex(of: " ").map { String(alias[..<$0]) }
    }

    private static let aliasLimit = 255

    /// What the pod talks to by this interface. One of its interfaces has the default route.
    public enum Reach: Hashable, Sendable {
        case everything
        /// These alone, and answers to whoever asked by this interface.
        case ranges([IPPrefix])
    }

    /// What the runtime calls it (CNI: `CNI_CONTAINERID` and `CNI_IFNAME`).
    public struct ID: Hashable, Sendable, Comparable, CustomStringConvertible {
        public var container: String
        public var interface: String

        public init(container: String, interface: String) {
            self.container = container
            self.interface = interface
        }

        public var description: String { "\(container):\(interface)" }

        /// The node's end of its link: the prefix and eleven digits of a hash, the same after every restart.
        public var link: String { PacketPath.podLinkPrefix + hexadecimal(hash, digits: PacketPath.podLinkDigits) }

        public static func < (a: Self, b: Self) -> Bool { (a.container, a.interface) < (b.container, b.interface) }

        var hash: UInt64 { stableHash(description) }
    }
}

/// FNV-1a, 64 bits: the same on every node and after every restart, unlike Swift's own hashes.
func stableHash(_ text: String) -> UInt64 {
    text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 }
}

private func hexadecimal(_ number: UInt64, digits: Int) -> String {
    let text = String(number, radix: 16)
    return String((String(repeating: "0", count: 16 - text.count) + text).suffix(digits))
}
