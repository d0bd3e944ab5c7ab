import Addressing
import KubeAPI
import Testing

@testable import Cluster

/// A node as a test writes it.
func node(_ name: String, at addresses: [String] = [], pods: [String] = [], since timestamp: String? = nil) throws -> Node {
    var node = Node(metadata: ObjectMeta(name: name))
    node.metadata.creationTimestamp = timestamp
    node.status.addresses = addresses.map { Node.Address(.internalIP, $0) }
    node.spec.podCIDRs = try pods.map { try #require(IPPrefix($0)) }
    return node
}

extension Snapshot {
    /// What the objects in this order come to.
    init(of objects: [any KubernetesObject]) {
        self.init()
        for object in objects { set(object) }
    }

    /// One line per member and problem.
    var text: String {
        let lines = members.values.sorted { $0.name < $1.name }.map { member in
            "\(member.name) at \(member.addresses.map(\.description)) pods \(member.podPrefixes.map(\.description))"
        }
        return (lines + problems.map { "\($0.id.rawValue) \($0.subject?.description ?? ""): \($0.message)" })
            .joined(separator: "\n")
    }
}
