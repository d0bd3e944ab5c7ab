import Addressing
import Cluster
import HostNetwork
import KubeAPI
import NFTables
import Plan
import Testing

func ip(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }
func net(_ text: String) throws -> IPPrefix { try #require(IPPrefix(text)) }

/// Node number i: 192.0.2.i and 2001:db8::i on the segment, with ranges for its pods.
func node(_ i: Int, at addresses: [String]? = nil, pods: [String]? = nil) throws -> Node {
    var node = Node(metadata: ObjectMeta(name: "n\(i)"))
    node.status.addresses = (addresses ?? ["192.0.2.\(i)", "2001:db8::\(i)"]).map { Node.Address(.internalIP, $0) }
    node.spec.podCIDRs = try (pods ?? ["10.244.\(i).0/24", "2001:db8:1:\(i)::/64"]).map(net)
    return node
}

/// What node number i finds on itself.
func facts(_ i: Int) throws -> NodeFacts {
    NodeFacts(
        name: "n\(i)",
        uplinks: [
            try ip("192.0.2.\(i)"): .init(device: "uplink", segment: try net("192.0.2.0/24"), mtu: 1500),
            try ip("2001:db8::\(i)"): .init(device: "uplink", segment: try net("2001:db8::/64"), mtu: 1500),
        ])
}

func attachment(_ container: String, _ addresses: [String]) throws -> Plan.Attachment {
    Plan.Attachment(id: .init(container: container, interface: "eth0"), addresses: try addresses.map(ip), mtu: 1450)
}

extension NodePlan {
    init(
        _ facts: NodeFacts, _ nodes: [Node], _ attachments: [Plan.Attachment] = [], network: NetworkSettings = NetworkSettings()
    ) {
        var snapshot = Snapshot()
        snapshot.replace(with: nodes)
        self.init(
            facts: facts, snapshot: snapshot, attachments: Dictionary(attachments.map { ($0.id, $0) }) { _, last in last },
            network: network)
    }

    var whole: Part { parts(keys) }
}

/// A node's namespace with its uplink, as it is before an agent comes: addresses on a link that is up, and a route of somebody else's.
func host(_ i: Int) throws -> MemoryHost {
    let host = MemoryHost()
    let refusals = host.apply([
        .add(.link(Link("uplink", .bridge))),
        .add(.address(Address(try #require(InterfaceAddress("192.0.2.\(i)/24")), on: "uplink"))),
        .add(.address(Address(try #require(InterfaceAddress("2001:db8::\(i)/64")), on: "uplink"))),
        .add(.route(Route(try net("203.0.113.0/24"), via: try ip("192.0.2.250"), device: "uplink", proto: 4))),
    ])
    #expect(refusals.isEmpty)
    return host
}
