import Addressing
import KubeAPI
import KubeClient

/// Who plays in a walk, as the objects say, and what of them is left out.
struct Cast {
    let nodes: [Node]
    /// The pods that get a network: on one of the nodes, and on a network of their own.
    let pods: [Pod]
    /// What a walk leaves out, and why; one line each.
    let ignored: [String]
    /// The families in which pods of the two nodes can reach each other.
    let families: [IPFamily]
    /// A pod that asks and a pod on another node that serves.
    let couple: (asking: Pod, serving: Pod)

    /// - Parameter say: takes what is left out, also when the rest makes no walk.
    init(_ path: String, say: ([String]) throws -> Void) throws {
        let contents = try ObjectFile.load([path])
        let faults = contents.faults.filter(Self.matters)
        if let fault = faults.first {
            let more = faults.count == 1 ? "" : " (and \(faults.count - 1) more)"
            throw LabError(.objectsUnusable, "\(fault)\(more)")
        }
        let nodes = contents.objects.compactMap { $0 as? Node }
        let all = contents.objects.compactMap { $0 as? Pod }
        let names = Set(nodes.map(\.metadata.name))
        let pods = all.filter { $0.absence(from: names) == nil }
        let left = Self.foreign(contents) + all.compactMap { $0.absence(from: names) } + pods.flatMap(\.unopenedPorts)
        do {
            try Self.check(nodes, path)
            guard let couple = Self.couple(pods) else {
                throw LabError(
                    .objectsUnusable,
                    "\(path) has no pod with a TCP or UDP port in spec.containers[].ports and another pod on another node",
                    remedy: "see examples/two-pods.yaml")
            }
            let players = nodes.filter { [couple.asking.spec.nodeName, couple.serving.spec.nodeName].contains($0.metadata.name) }
            let hindrances = IPFamily.allCases.compactMap { family in
                players.lazy.compactMap { $0.hindrance(family) }.first.map { (family, $0) }
            }
            families = IPFamily.allCases.filter { family in !hindrances.contains { $0.0 == family } }
            ignored = left + hindrances.map { "\($0.name): \($1)" }
            guard !families.isEmpty else {
                throw LabError(
                    .objectsUnusable,
                    "no family is on both nodes: " + hindrances.map { "\($0.name): \($1)" }.joined(separator: "; "),
                    remedy: "see examples/two-pods.yaml")
            }
            (self.nodes, self.pods, self.couple) = (nodes, pods, couple)
        } catch {
            try say(left)
            throw error
        }
        try say(ignored)
    }

    /// The longest prefix of each family that holds all nodes' addresses, so that they share one segment: at most /24 and /64, and
    /// short enough that no node's IPv4 address is the network's own or its broadcast address.
    var segmentLengths: [IPFamily: Int] {
        var lengths: [IPFamily: Int] = [:]
        for family in IPFamily.allCases {
            let numbers = nodes.flatMap(\.internalAddresses).filter { $0.family == family }
            guard let first = numbers.first else { continue }
            let limit = family == .v4 ? 24 : 64
            lengths[family] = (0...limit).reversed().first { length in
                let segment = IPPrefix(first, length: length)
                return numbers.allSatisfy {
                    segment.contains($0) && (family == .v6 || ($0 != segment.address && $0 != segment.last))
                }
            }
        }
        return lengths
    }

    struct Exchange {
        var transport: TransportProtocol
        var family: IPFamily
        var port: UInt16
    }

    /// Every port over every family.
    var exchanges: [Exchange] {
        families.flatMap { family in
            couple.serving.servedPorts.map { Exchange(transport: $0.transport, family: family, port: $0.number) }
        }
    }

    private static func couple(_ pods: [Pod]) -> (asking: Pod, serving: Pod)? {
        for serving in pods where !serving.servedPorts.isEmpty {
            if let asking = pods.first(where: { $0.spec.nodeName != serving.spec.nodeName }) { return (asking, serving) }
        }
        return nil
    }
}

// MARK: - What cannot work

extension Cast {
    private static func check(_ nodes: [Node], _ path: String) throws(LabError) {
        guard nodes.count >= 2 else {
            throw LabError(
                .objectsUnusable, "\(path) has \(nodes.count) Node objects", remedy: "a walk crosses nodes: it needs two")
        }
        var owners: [IPAddress: String] = [:]
        var ranges: [(prefix: IPPrefix, owner: String)] = []
        for node in nodes {
            if node.internalAddresses.isEmpty {
                throw LabError(
                    .objectsUnusable, "\(node.key): status.addresses has no InternalIP",
                    remedy: "give it one, such as 192.0.2.11: the node's own link gets it")
            }
            if node.spec.podCIDRs.isEmpty {
                throw LabError(
                    .objectsUnusable, "\(node.key): spec.podCIDRs is empty",
                    remedy: "give it a range, such as 10.244.1.0/24: its pods' addresses come from it")
            }
            for address in node.internalAddresses {
                if let owner = owners.updateValue("\(node.key)", forKey: address) {
                    throw LabError(
                        .objectsUnusable, "\(node.key): status.addresses: \(address) is also the address of \(owner)",
                        remedy: "give each node one of its own")
                }
            }
            for prefix in node.spec.podCIDRs {
                if let other = ranges.first(where: { $0.prefix.overlaps(prefix) }) {
                    throw LabError(
                        .objectsUnusable, "\(node.key): spec.podCIDRs: \(prefix) overlaps \(other.prefix) of \(other.owner)",
                        remedy: "give each node ranges of its own")
                }
                ranges.append((prefix, "\(node.key)"))
            }
        }
    }

    /// A fault of an object that plays no part is a remark about what is ignored.
    private static func matters(_ fault: SourceFault) -> Bool {
        guard let key = fault.key else { return true }
        return [Node.resource.kind, Pod.resource.kind].contains { $0.kind == key.kind && $0.group == key.group }
    }
}

extension Node {
    /// Why its pods have no way in this family.
    fileprivate func hindrance(_ family: IPFamily) -> String? {
        if !spec.podCIDRs.contains(where: { $0.family == family }) { return "\(key): spec.podCIDRs has no \(family.name) range" }
        if !internalAddresses.contains(where: { $0.family == family }) {
            return "\(key): status.addresses has no \(family.name) InternalIP"
        }
        return nil
    }
}

// MARK: - What is left out

extension Cast {
    /// Objects that the agents do not act upon, by kind.
    private static func foreign(_ contents: ObjectFile.Contents) -> [String] {
        let others = contents.objects.filter { !($0 is Node) && !($0 is Pod) && !($0 is Namespace) }
        let kinds = Dictionary(grouping: others.map(\.key), by: \.kind)
        return kinds.sorted { $0.key < $1.key }.map { kind, keys in
            let names = keys.prefix(3).map { $0.namespace.isEmpty ? $0.name : "\($0.namespace)/\($0.name)" }
            let more = keys.count > 3 ? " and \(keys.count - 3) more" : ""
            return "\(kind) \(names.joined(separator: ", "))\(more): a walk is about Node and Pod objects"
        }
    }
}

extension Pod {
    /// Why it gets no network in a walk.
    fileprivate func absence(from nodes: Set<String>) -> String? {
        if spec.nodeName.isEmpty { return "\(key): spec.nodeName is empty, and a walk has no scheduler" }
        if !nodes.contains(spec.nodeName) { return "\(key): spec.nodeName “\(spec.nodeName)” is none of the file's nodes" }
        if spec.usesHostNetwork { return "\(key): spec.hostNetwork: it shares its node's network" }
        if isTerminal { return "\(key): status.phase \(status.phase.rawValue): it has ended" }
        return nil
    }

    /// The ports that nobody opens in a walk.
    fileprivate var unopenedPorts: [String] {
        let ports = spec.containers.flatMap(\.ports)
        let sctp = ports.filter { $0.transport == .sctp }.map { "\($0.number)/SCTP" }
        let host = ports.compactMap { port in port.hostPort.map { "\($0)/\(port.transport.rawValue)" } }
        return (sctp.isEmpty ? [] : ["\(key): containerPort \(sctp.joined(separator: ", ")): a walk's servers speak TCP and UDP"])
            + (host.isEmpty ? [] : ["\(key): hostPort \(host.joined(separator: ", ")): only pods' own ports are walked to"])
    }
}
