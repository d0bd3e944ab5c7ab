import Addressing
import Glibc
import HostNetwork
import HostNetworkKernel
import KubeAPI
import Netlink
import PolicyTrials
import Testing

@testable import Cluster
@testable import Plan

@Suite("services with the kernel: packets of SCTP", .tags(.kernel), .enabled(if: kernelIsThere), .timeLimit(.minutes(5)))
struct ServiceSCTPKernelTests {
    let stage: ServiceStage

    init() throws { stage = try ServiceStage() }

    /// One association as far as its second packet: INIT to the service, INIT ACK from whoever gets it.
    ///
    /// - Returns: who got it, and from whom it saw it come.
    private func associate(
        _ place: String, _ family: IPFamily, from port: UInt16, to target: SocketAddress, _ servers: [String: SCTPPeer]
    ) throws -> (server: String, sees: IPAddress) {
        let client = try SCTPPeer(in: try #require(stage.places[place]), family)
        try client.send(SCTPPacket(.initiate, from: port, to: target.port, tag: 0, initiateTag: 11), to: target.address)
        let name = try #require(SCTPPeer.ready(servers), "nobody got the INIT")
        let (packet, source) = try #require(servers[name]?.receive())
        #expect(packet.kind == .initiate && packet.destination == 8080 && packet.initiateTag == 11)
        try servers[name]?.send(
            SCTPPacket(.initiateAcknowledgement, from: 8080, to: packet.source, tag: 11, initiateTag: 22), to: source)
        let (answer, answerer) = try #require(client.receive(), "no INIT ACK came back")
        #expect(answer == SCTPPacket(.initiateAcknowledgement, from: target.port, to: port, tag: 11, initiateTag: 22))
        #expect(answerer == target.address)
        return (name, source)
    }

    private func servers(_ family: IPFamily) throws -> [String: SCTPPeer] {
        try ["b", "c"].reduce(into: [:]) { peers, name in
            let own = try ServiceStage.address(name, family)
            peers[name] = try SCTPPeer(in: try #require(stage.places[name]), family, at: own)
        }
    }

    @Test(
        "an association is translated both ways, at a cluster IP and at a node port, with its checksum",
        arguments: IPFamily.allCases)
    func translated(_ family: IPFamily) throws {
        let kind = Kind(transport: .sctp, family: family)
        let servers = try servers(family)
        try stage.serve(try kind.web("b", "c") { $0.nodePort = 30080 })
        var names: Set<String> = []
        for port in 40_000..<40_064 as Range<UInt16> where names.count < 2 {
            let (server, sees) = try associate("a", family, from: port, to: SocketAddress(kind.clusterIP, 80), servers)
            #expect(try sees == kind.address("a"), "a pod keeps its address")
            names.insert(server)
        }
        #expect(names == ["b", "c"])
        let (server, sees) = try associate(
            "client", family, from: 41_000, to: SocketAddress(try kind.address("node"), 30080), servers)
        // From outside by the node: its address on the way to the pod.
        #expect(names.contains(server))
        #expect(try sees != kind.address("client"))
    }

    @Test("without an endpoint the client is told, over ICMP", arguments: IPFamily.allCases)
    func refused(_ family: IPFamily) throws {
        let kind = Kind(transport: .sctp, family: family)
        try stage.serve(try kind.web())
        let client = try SCTPPeer(in: try #require(stage.places["a"]), family)
        let packet = SCTPPacket(.initiate, from: 40_000, to: 80, tag: 0, initiateTag: 11)
        #expect(try client.refusal(of: packet, to: kind.clusterIP) == ECONNREFUSED)
    }

    @Test("a client that keeps its port reaches another pod when its own is gone", arguments: IPFamily.allCases)
    func stale(_ family: IPFamily) throws {
        let kind = Kind(transport: .sctp, family: family)
        let servers = try servers(family)
        let target = SocketAddress(kind.clusterIP, 80)
        // It must still be there when it is looked for, however long this machine takes: the kernel forgets an INIT after 3 s.
        let patience = Sysctl("net/netfilter/nf_conntrack_sctp_timeout_cookie_wait", "600")
        #expect(try stage.host.apply([.add(.sysctl(patience))]) == [])
        try stage.serve(try kind.web("b"))
        #expect(try associate("a", family, from: 40_000, to: target, servers).server == "b")
        let flows = try stage.change(try kind.web("c"))
        #expect(try associate("a", family, from: 40_000, to: target, servers).server == "b", "its connection is still there")
        try stage.end(flows)
        #expect(try associate("a", family, from: 40_000, to: target, servers).server == "c")
    }
}
