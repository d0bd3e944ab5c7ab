import Addressing
import KubeAPI
import Testing

@testable import Lab

@Suite("the wires of a lab")
struct SegmentTests {
    @Test("nodes are spread over the wires in turn, each wire has prefixes of its own, and the API is on the first")
    func spread() throws {
        let settings = LabSettings(nodes: 3, backend: .vxlan, segmentCount: 2)
        #expect(settings.faults == [])
        #expect(settings.segments.map(\.description) == ["172.30.0.0/24", "fd30::/64", "172.29.0.0/24", "fd31::/64"])
        #expect(
            (0..<3).map { settings.addresses(ofNode: $0).map(\.description) } == [
                ["172.30.0.11", "fd30::b"], ["172.29.0.12", "fd31::c"], ["172.30.0.13", "fd30::d"],
            ])
        #expect(settings.serverAddresses.map(\.description) == ["172.30.0.1", "fd30::1"])
        #expect(settings.routerAddresses(ofWire: 1).map(\.description) == ["172.29.0.1", "fd31::1"])
    }

    @Test("one wire is as it always was")
    func one() {
        let settings = LabSettings(nodes: 2, families: [.v4])
        #expect(settings.segments.map(\.description) == ["172.30.0.0/24"])
        #expect((0..<2).flatMap(settings.addresses).map(\.description) == ["172.30.0.11", "172.30.0.12"])
        #expect(settings.agentOptions == ["--backend", "host-gw"])
    }

    @Test("the file says the same, and the agents are told of it")
    func file() throws {
        var settings = LabSettings(nodes: 4, backend: .vxlan, isDirectOnSegment: true, segmentCount: 3)
        settings.port = 6443
        #expect(try LabSettings(settings.json) == settings)
        #expect(settings.agentOptions == ["--backend", "vxlan", "--vxlan-direct-routing"])
    }

    @Test(
        "what cannot be is refused",
        arguments: [
            (LabSettings(nodes: 9, segmentCount: 4), "--segments 4: from 1 to 3"),
            (LabSettings(nodes: 2, segmentCount: 3), "--segments 3: there are only 2 nodes to be on them"),
            (LabSettings(nodes: 2, segmentCount: 0), "--segments 0: from 1 to 3"),
            (LabSettings(nodes: 1, segmentCount: 2), "--segments 2: there is only 1 node to be on them"),
            (
                LabSettings(nodes: 2, segmentCount: 2),
                "--segments 2: between segments is a router that lets no pod's address pass, so --backend host-gw makes "
                    + "no road there; take --backend vxlan"
            ),
            (LabSettings(isDirectOnSegment: true), "--vxlan-direct-routing goes with --backend vxlan"),
        ])
    func faults(_ settings: LabSettings, _ fault: String) { #expect(settings.faults.contains(fault), "\(settings.faults)") }
}
