public import Addressing

/// What this node is, as its kernel shows it.
public struct NodeFacts: Hashable, Sendable {
    /// The name of its Node object.
    public var name: String
    /// Where each of the node's own addresses stands.
    public var uplinks: [IPAddress: Uplink]
    /// What the kernel can: one that was started with `ipv6.disable=1` has IPv4 alone.
    public var families: Set<IPFamily>
    /// The links that have addresses or routes from router advertisements.
    public var advertisedLinks: Set<String>
    /// Packets are shown to the hooks of IP also on their way through bridges (`br_netfilter`).
    public var filtersBridges: Bool
    /// What tunnels take, where something on the way takes less than the links do and says nothing.
    public var narrowRoads = NarrowRoads()

    public init(
        name: String, uplinks: [IPAddress: Uplink], families: Set<IPFamily> = Set(IPFamily.allCases),
        advertisedLinks: Set<String> = [], filtersBridges: Bool = false
    ) {
        self.name = name
        self.uplinks = uplinks
        self.families = families
        self.advertisedLinks = advertisedLinks
        self.filtersBridges = filtersBridges
    }

    /// The largest packets, in bytes, that come through tunnels which were tried.
    public struct NarrowRoads: Hashable, Sendable {
        public var toNode: [String: Int]
        /// To nodes that were not tried, where each of those that were is behind a narrow road.
        public var toOthers: Int?

        public init(toNode: [String: Int] = [:], toOthers: Int? = nil) { (self.toNode, self.toOthers) = (toNode, toOthers) }

        func to(_ node: String) -> Int? { toNode[node] ?? toOthers }
    }

    /// A link towards other nodes.
    public struct Uplink: Hashable, Sendable {
        public var device: String
        /// The segment: who is in it is reached without a router.
        public var segment: IPPrefix
        public var mtu: Int

        public init(device: String, segment: IPPrefix, mtu: Int) {
            self.device = device
            self.segment = segment
            self.mtu = mtu
        }
    }
}
