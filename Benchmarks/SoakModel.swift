import Addressing
import Cluster
import HostNetwork
import KubeAPI
import NFTables
import Netlink
import Plan

/// What the soak's cluster is asked to be: services, whose pods they have, and other nodes.
struct SoakModel: Hashable {
    struct Service: Hashable {
        var port: UInt16 = 80
        var hasAffinity = false
        /// Names of pods.
        var members: Set<String> = []
    }

    struct Peer: Hashable {
        /// The last byte of its address, and the third of its range.
        var address: Int
        var range: Int
    }

    /// By number; its cluster IP has it too.
    var services: [Int: Service] = [:]
    var peers: [Int: Peer] = [:]
    var pods: [String: IPv4Address] = [:]

    static let node = "n1"
    static let range = IPPrefix(.v4(IPv4Address(10, 244, 0, 0)), length: 22)
    static let serviceRange = IPPrefix(.v4(IPv4Address(10, 96, 0, 0)), length: 16)
    static let settings = NetworkSettings(backend: .vxlan(.init()))

    static func address(ofService number: Int) -> IPv4Address { IPv4Address(10, 96, 1, UInt8(number)) }

    /// One JSON document per object, which is YAML too.
    var documents: [String] {
        [Self.nodeText(Self.node, 1, Self.range.description)]
            + peers.sorted { $0.key < $1.key }.map {
                Self.nodeText("peer-\($0.key)", $0.value.address, "10.244.\($0.value.range).0/24")
            }
            + services.sorted { $0.key < $1.key }.flatMap { text(ofService: $0.key, $0.value) }
    }

    private static func nodeText(_ name: String, _ address: Int, _ range: String) -> String {
        """
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "\(name)"}, "spec": {"podCIDRs": ["\(range)"]}, \
        "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.\(address)"}]}}
        """
    }

    private func text(ofService number: Int, _ service: Service) -> [String] {
        let ports = ["TCP", "UDP"].map {
            #"{"name": "\#($0.lowercased())", "port": \#(service.port), "targetPort": 8080, "protocol": "\#($0)"}"#
        }
        let targets = ["TCP", "UDP"].map { #"{"name": "\#($0.lowercased())", "port": 8080, "protocol": "\#($0)"}"# }
        let endpoints = service.members.sorted().compactMap { pods[$0] }.map {
            #"{"addresses": ["\#($0)"], "nodeName": "\#(Self.node)", "conditions": {"ready": true}}"#
        }
        return [
            """
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s\(number)", "namespace": "soak"}, \
            "spec": {"type": "ClusterIP", "clusterIP": "\(Self.address(ofService: number))", \
            "clusterIPs": ["\(Self.address(ofService: number))"], "ipFamilies": ["IPv4"], \
            "sessionAffinity": "\(service.hasAffinity ? "ClientIP" : "None")", "ports": [\(ports.joined(separator: ", "))]}}
            """,
            """
            {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4", \
            "metadata": {"name": "s\(number)-1", "namespace": "soak", "labels": {"kubernetes.io/service-name": "s\(number)"}}, \
            "ports": [\(targets.joined(separator: ", "))], "endpoints": [\(endpoints.joined(separator: ", "))]}
            """,
        ]
    }

    /// The same, as the agent understands it.
    func snapshot() throws -> Snapshot {
        var snapshot = Snapshot()
        snapshot.replace(
            with: try documents.map { text in
                guard let object = Registry.standard.read(try JSONReader().value(text)).object else {
                    throw KernelError(.inputOutput, "read an object of the soak: \(text)")
                }
                return object
            })
        return snapshot
    }
}

// MARK: - Chance

extension SoakModel {
    /// One thing changes by chance.
    ///
    /// - Returns: what, in words.
    mutating func change(_ dice: inout SoakDice, maximum: Int) -> String {
        let number = 1 + dice.below(maximum)
        switch dice.below(12) {
        case 0:
            if services[number] == nil {
                services[number] = Service(members: someMembers(&dice))
                return "service \(number) comes"
            }
            services[number] = nil
            return "service \(number) goes"
        case 1:
            services[number]?.hasAffinity.toggle()
            return "service \(number) changes its affinity"
        case 2:
            let port: UInt16 = dice.below(2) == 0 ? 80 : 8081
            services[number]?.port = port
            return "service \(number) changes its port"
        case 3:
            services[number]?.members = []
            return "service \(number) loses all"
        case 4, 5:
            let peer = 1 + dice.below(8)
            if peers[peer] != nil, dice.below(2) == 0 {
                peers[peer] = nil
                return "node \(peer) goes"
            }
            peers[peer] = Peer(address: 10 + peer + 20 * dice.below(4), range: 10 + peer + 20 * dice.below(4))
            return "node \(peer) comes or is renumbered"
        default:
            let members = someMembers(&dice)
            services[number]?.members = members
            return "service \(number) has others"
        }
    }

    private func someMembers(_ dice: inout SoakDice) -> Set<String> {
        Set((0..<dice.below(5)).compactMap { _ in pods.keys.sorted().randomElement(using: &dice) })
    }
}

/// SplitMix64.
struct SoakDice: RandomNumberGenerator {
    let seed: UInt64
    private var state: UInt64

    init(_ seed: UInt64) { (self.seed, state) = (seed, seed) }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    mutating func below(_ limit: Int) -> Int { Int.random(in: 0..<limit, using: &self) }
}
