public import Addressing

/// How packets get to other nodes' pods.
public enum Backend: Hashable, Sendable {
    /// Routes by way of the nodes themselves, which share a segment. Nothing is wrapped.
    case hostGateway
    /// Frames inside UDP packets between the nodes: crosses any router that passes those.
    case vxlan(Tunnelling)
    /// No roads: the routes between nodes are somebody else's, as with route tables of a cloud.
    case none

    /// What all tunnels of a cluster have in common. Nodes that differ in the number or the port do not hear each other.
    public struct Tunnelling: Hashable, Sendable {
        /// The network identifier (VNI), 1 ... 16777215.
        public var id: UInt32
        /// The UDP port.
        public var port: UInt16
        /// Peers on a segment of this node's get a plain route, as ``Backend/hostGateway`` makes them.
        public var isDirectOnSegment: Bool

        public init(id: UInt32 = 84, port: UInt16 = 8472, isDirectOnSegment: Bool = false) {
            self.id = id
            self.port = port
            self.isDirectOnSegment = isDirectOnSegment
        }

        public static let ids: ClosedRange<UInt32> = 1...0xFF_FFFF

        /// What is put around a frame: IP, UDP, VXLAN and Ethernet.
        public static func overhead(_ underlay: IPFamily) -> Int { underlay == .v4 ? 50 : 70 }
    }

    /// Its name for people: the value of `--backend`.
    public var name: String {
        switch self {
        case .hostGateway: "host-gw"
        case .vxlan: "vxlan"
        case .none: "none"
        }
    }
}

/// What the agents of a cluster are told of its network: the same on all nodes.
public struct NetworkSettings: Hashable, Sendable {
    public var backend: Backend
    /// Of pods' links; `nil` for what the links between nodes and the backend leave.
    public var mtu: Int?
    /// Pods that talk to the world outside the cluster take their node's address.
    public var masquerades: Bool
    /// Where pods keep their own address, besides the cluster's pods and nodes.
    public var reachable: [IPPrefix]
    /// How pods that come hang on this node. Those that are there stay as they are. Nodes may differ.
    public var podMode: PodMode
    /// Pods are attached by flannel's plugin, which is told that nobody but the agent masquerades.
    public var isForFlannel = false

    public init(
        backend: Backend = .hostGateway, mtu: Int? = nil, masquerades: Bool = true, reachable: [IPPrefix] = [],
        podMode: PodMode = .routed
    ) {
        self.backend = backend
        self.mtu = mtu
        self.masquerades = masquerades
        self.reachable = reachable
        self.podMode = podMode
    }

    /// Of the largest packet that a pod may be told to send; IPv6 needs 1280.
    public static let mtus: ClosedRange<Int> = 576...65535
}
