public import Addressing

/// What this node is, as its kernel shows it.
public struct NodeFacts: Hashable, Sendable {
    /// The name of its Node object.
    public var name: String
    /// Where each of the node's own addresses stands.
    public var uplinks: [IPAddress: Uplink]

    public init(name: String, uplinks: [IPAddress: Uplink]) {
        self.name = name
        self.uplinks = uplinks
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
