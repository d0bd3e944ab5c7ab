import Addressing
import KubeAPI
import KubeClient

/// Who plays in a walk, as the objects say.
struct Cast {
    let nodes: [Node]
    let pods: [Pod]

    init(_ path: String) throws {
        let contents = try ObjectFile.load([path])
        if let fault = contents.faults.first { throw LabError(.objectsUnusable, "\(fault)") }
        nodes = contents.objects.compactMap { $0 as? Node }
        pods = contents.objects.compactMap { $0 as? Pod }
        guard nodes.count >= 2 else {
            throw LabError(.objectsUnusable, "\(path) has \(nodes.count) nodes", remedy: "a walk crosses nodes: it needs two")
        }
        if let stray = pods.first(where: { pod in !nodes.contains { $0.metadata.name == pod.spec.nodeName } }) {
            throw LabError(
                .objectsUnusable, "pod \(stray.metadata.name) is on node “\(stray.spec.nodeName)”, which is not in \(path)",
                remedy: "set spec.nodeName to one of the nodes")
        }
    }

    /// The shortest prefix of each family that holds all nodes: they share one segment. At most /30 and /126, which leave room
    /// for two nodes' addresses that are neither the network's nor its broadcast address.
    var segmentLengths: [IPFamily: Int] {
        var lengths: [IPFamily: Int] = [:]
        for family in IPFamily.allCases {
            let numbers = nodes.flatMap(\.internalAddresses).filter { $0.family == family }
            guard let first = numbers.first else { continue }
            let limit = family == .v4 ? 24 : 64
            lengths[family] = (0...limit).reversed().first { length in
                numbers.allSatisfy { IPPrefix(first, length: length).contains($0) }
            }
        }
        return lengths
    }

    /// A pod that asks and a pod on another node that serves.
    func couple(_ pods: [LabPod]) -> (asking: LabPod, serving: LabPod)? {
        for serving in pods where serving.pod.spec.containers.contains(where: { !$0.ports.isEmpty }) {
            if let asking = pods.first(where: { $0.node !== serving.node }) { return (asking, serving) }
        }
        return nil
    }

    struct Exchange {
        var transport: TransportProtocol
        var address: IPAddress
        var port: UInt16
    }

    /// Every port over every family.
    func exchanges(with serving: LabPod) -> [Exchange] {
        serving.addresses.flatMap { address in
            serving.pod.spec.containers.flatMap(\.ports).filter { $0.transport != .sctp }.map {
                Exchange(transport: $0.transport, address: address, port: $0.number)
            }
        }
    }
}
