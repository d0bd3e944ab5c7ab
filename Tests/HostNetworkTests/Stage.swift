import Addressing
import Glibc
import HostNetwork
import HostNetworkKernel
import Netlink
import Testing

extension Tag {
    /// Needs root and namespaces.
    @Tag static var kernel: Self
}

/// Whether kernel tests run: as root, and always where a skip counts as a failure.
let hasKernel = geteuid() == 0 || getenv("REQUIRE_KERNEL").map { String(cString: $0) } == "1"

/// A node and a pod: two fresh namespaces, the pod known to the node as `pod`.
struct Stage {
    let node: any HostNetworkEnd
    let pod: any HostNetworkEnd

    static func inMemory() -> Stage {
        let node = MemoryHost()
        let pod = MemoryHost()
        node.namespaces["pod"] = pod
        return Stage(node: node, pod: pod)
    }

    static func inKernel() throws -> Stage {
        let pod = try NetworkNamespace.new()
        let node = try KernelHost(.new())
        node.namespaces["pod"] = pod
        return Stage(node: node, pod: try KernelHost(pod))
    }
}

extension HostNetworkEnd {
    /// What is there, without links that nobody here made: some kernels put tunnels into every namespace.
    func text(sysctls: Set<String> = [], without hidden: Set<String> = ["lo"]) throws -> String {
        let state = try observe(Interest(sysctls: sysctls))
        return state.filter { object in
            guard case .link(let link) = object else { return true }
            if case .other = link.kind { return false }
            return !hidden.contains(link.name)
        }.description
    }

    /// Carries out changes that nobody refuses.
    func accept(_ changes: Change..., sourceLocation: SourceLocation = #_sourceLocation) throws {
        let refusals = try apply(changes)
        #expect(refusals.isEmpty, "\(refusals.map(\.description))", sourceLocation: sourceLocation)
    }

    /// A change that is refused for this reason.
    func refuse(_ change: Change, _ code: Refusal.Code, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let refusals = try apply([change])
        #expect(refusals.map(\.code) == [code], "\(refusals.map(\.description))", sourceLocation: sourceLocation)
        #expect(refusals.map(\.change) == [change], sourceLocation: sourceLocation)
    }
}

/// Compares texts of states: the failure shows both, line by line.
func expect(_ actual: String, is wanted: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let (actual, wanted) = (actual.split(separator: "\n"), wanted.split(separator: "\n"))
    #expect(actual == wanted, sourceLocation: sourceLocation)
}

// MARK: - Words for states

func ip(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }
func net(_ text: String) throws -> IPPrefix { try #require(IPPrefix(text)) }
func mac(_ last: UInt64) -> MACAddress { MACAddress(local: last) }

func address(_ text: String, on link: String, scope: Scope = .global, proto: UInt8 = 0) throws -> Object {
    .address(Address(try #require(InterfaceAddress(text)), on: link, scope: scope, proto: proto))
}

func route(
    _ prefix: String, _ kind: Route.Kind = .unicast, via gateway: String? = nil, dev device: String? = nil, onlink: Bool = false,
    src: String? = nil, table: UInt32 = Route.mainTable, metric: UInt32 = 0, proto: UInt8 = 84, mtu: UInt32? = nil
) throws -> Object {
    .route(
        Route(
            try net(prefix), kind, via: try gateway.map(ip), device: device, isOnlink: onlink, source: try src.map(ip),
            table: table, metric: metric, proto: proto, mtu: mtu))
}

func veth(_ name: String, peer: String, in namespace: String? = nil, isUp: Bool = true) -> Object {
    .link(
        Link(
            name, .veth(peer: Link.Peer(peer, in: namespace, mac: mac(2), mtu: 1400)), isUp: isUp, mac: mac(1), mtu: 1400,
            makesLinkLocal: false))
}

func vxlan(_ name: String, id: UInt32 = 1) -> Object {
    .link(
        Link(name, .vxlan(Link.Overlay(id: id, port: 8472)), mac: mac(9), mtu: 1350, makesLinkLocal: false))
}
