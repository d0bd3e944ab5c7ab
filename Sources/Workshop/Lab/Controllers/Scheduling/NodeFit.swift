import KubeAPI

/// Whether a pod fits a node, asked in kube-scheduler's order, so that the first reason is its first reason.
struct NodeFit {
    enum Reason: Hashable {
        case unschedulable, otherNode, taints, affinity, ports, tooManyPods, missingSpreadLabel, spread

        /// As kube-scheduler says it.
        var text: String {
            switch self {
            case .unschedulable: "node(s) were unschedulable"
            case .otherNode: "node(s) didn't match the requested node name"
            case .taints: "node(s) had untolerated taint(s)"
            case .affinity: "node(s) didn't match Pod's node affinity/selector"
            case .ports: "node(s) didn't have free ports for the requested pod ports"
            case .tooManyPods: "Too many pods"
            case .missingSpreadLabel: "node(s) didn't match pod topology spread constraints (missing required label)"
            case .spread: "node(s) didn't match pod topology spread constraints"
            }
        }

        /// Whether other pods going away could help.
        var isPassing: Bool { self == .ports || self == .tooManyPods || self == .spread }
    }

    private let pod: Item
    private let world: World
    private let tolerations: [Toleration]
    private let affinity: NodeAffinity
    private let ports: Set<HostPort>
    private let spread: TopologySpread

    init(_ pod: Item, in world: World, nodes: [Item]) {
        self.pod = pod
        self.world = world
        tolerations = Toleration.all(of: pod.spec)
        let affinity = NodeAffinity(of: pod.spec)
        self.affinity = affinity
        ports = HostPort.all(of: pod)
        spread = TopologySpread(pod, in: world, nodes: nodes.filter(affinity.matches))
    }

    /// Why not; `nil` when it fits.
    func obstacle(on node: Item) -> Reason? {
        if node.spec["unschedulable"]?.bool == true, !tolerates(Taint(key: Self.cordon, value: "", effect: "NoSchedule")) {
            return .unschedulable
        }
        let taints = Taint.all(of: node).filter { $0.effect == "NoSchedule" || $0.effect == "NoExecute" }
        if !taints.allSatisfy(tolerates) { return .taints }
        if !affinity.matches(node) { return .affinity }
        let present = world.unorderedPods(on: node.name).filter { !$0.isFinished }
        if !ports.isEmpty {
            let taken = present.flatMap { HostPort.all(of: $0) }
            if taken.contains(where: { other in ports.contains { $0.conflicts(with: other) } }) { return .ports }
        }
        if let room = node.status[field: "allocatable", "pods"].flatMap({ $0.integer ?? $0.string.flatMap { Int($0) } }),
            present.count >= room
        {
            return .tooManyPods
        }
        return spread.obstacle(on: node)
    }

    /// The better of two nodes that fit: untainted, preferred, with fewer pods of the same owner, with fewer pods.
    func rank(of node: Item) -> [Int] {
        let present = world.unorderedPods(on: node.name).filter(\.isActivePod)
        let owner = pod.metadata.controller?.uid
        let siblings = owner.map { owner in present.count { $0.metadata.controller?.uid == owner } } ?? 0
        let discouraging = Taint.all(of: node).count { $0.effect == "PreferNoSchedule" && !tolerates($0) }
        return [discouraging, -affinity.preference(for: node), siblings, present.count]
    }

    static let cordon = "node.kubernetes.io/unschedulable"

    private func tolerates(_ taint: Taint) -> Bool { tolerations.contains { $0.tolerates(taint) } }
}

/// A port of the node that a pod takes for itself.
struct HostPort: Hashable {
    /// Empty: every address of the node.
    var address: String
    var transport: String
    var port: Int

    static func all(of pod: Item) -> Set<HostPort> {
        let containers =
            (pod.spec["containers"]?.array ?? [])
            + (pod.spec["initContainers"]?.array ?? []).filter {
                $0["restartPolicy"]?.string == "Always"
            }
        var ports: Set<HostPort> = []
        for entry in containers.flatMap({ $0["ports"]?.array ?? [] }) {
            guard let port = entry["hostPort"]?.integer, port > 0 else { continue }
            let address = entry["hostIP"]?.string ?? ""
            ports.insert(
                HostPort(
                    address: address == "0.0.0.0" || address == "::" ? "" : address,
                    transport: entry["protocol"]?.string ?? "TCP", port: port))
        }
        return ports
    }

    func conflicts(with other: HostPort) -> Bool {
        port == other.port && transport == other.transport
            && (address == other.address || address.isEmpty || other.address.isEmpty)
    }
}
