import Addressing
import Testing

@testable import Lab

@Suite("who plays in a walk")
struct CastTests {
    private func ignored(_ more: String, _ change: (String) -> String = { $0 }) throws -> [String] {
        let scratch = try Scratch()
        let path = try scratch.write(change(twoPods) + "\n---\n" + more, to: "objects.yaml")
        return try Cast(path, say: { _ in }).ignored
    }

    private static func pod(_ spec: String, _ status: String = "{}") -> String {
        "{apiVersion: v1, kind: Pod, metadata: {name: other}, spec: \(spec), status: \(status)}"
    }

    @Test(
        "what a walk leaves out is named, with the reason",
        arguments: [
            (
                "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 80}]}}",
                ["Service default/web: a walk is about Node and Pod objects"]
            ),
            (
                ["a", "b", "c", "d", "e"].map { "{apiVersion: example.org/v1, kind: Thing, metadata: {name: \($0)}}" }
                    .joined(separator: "\n---\n"),
                ["Thing a, b, c and 2 more: a walk is about Node and Pod objects"]
            ),
            // Not even its faults matter.
            (
                "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 0}]}}",
                ["Service default/web: a walk is about Node and Pod objects"]
            ),
            ("{apiVersion: v1, kind: Namespace, metadata: {name: other}}", []),
            (
                pod("{nodeName: node-7, containers: [{name: a, image: a}]}"),
                ["Pod default/other: spec.nodeName “node-7” is none of the file's nodes"]
            ),
            (
                pod("{containers: [{name: a, image: a}]}"),
                ["Pod default/other: spec.nodeName is empty, and a walk has no scheduler"]
            ),
            (
                pod("{nodeName: node-1, hostNetwork: true, containers: [{name: a, image: a}]}"),
                ["Pod default/other: spec.hostNetwork: it shares its node's network"]
            ),
            (
                pod("{nodeName: node-1, containers: [{name: a, image: a}]}", "{phase: Succeeded}"),
                ["Pod default/other: status.phase Succeeded: it has ended"]
            ),
            (
                pod("{nodeName: node-1, containers: [{name: a, image: a, ports: [{containerPort: 7, protocol: SCTP}]}]}"),
                ["Pod default/other: containerPort 7/SCTP: a walk's servers speak TCP and UDP"]
            ),
            (
                pod("{nodeName: node-1, containers: [{name: a, image: a, ports: [{containerPort: 7, hostPort: 70}]}]}"),
                ["Pod default/other: hostPort 70/TCP: only pods' own ports are walked to"]
            ),
        ])
    func remarks(_ more: String, _ expected: [String]) throws { #expect(try ignored(more) == expected) }

    @Test("a family that one of the two nodes has not is left out, with the field that says so") func families() throws {
        let lines = try ignored("") { $0.replacing(", \"fd00:10:244:2::/64\"", with: "") }
        #expect(lines == ["IPv6: Node node-2: spec.podCIDRs has no IPv6 range"])
    }

    @Test("what is left out is said also when the rest makes no walk") func both() throws {
        let scratch = try Scratch()
        let path = try scratch.write(twoPods.replacing("nodeName: node-2", with: "nodeName: node-9"), to: "objects.yaml")
        var said: [String] = []
        #expect(throws: LabError.self) { try Cast(path, say: { said += $0 }) }
        #expect(said == ["Pod default/web: spec.nodeName “node-9” is none of the file's nodes"])
    }

    @Test("a port that two containers name is asked once, and one of SCTP not at all") func ports() throws {
        let scratch = try Scratch()
        let objects = twoPods.replacing(
            "5353, protocol: UDP}]}",
            with:
                "5353, protocol: UDP}, {containerPort: 9, protocol: SCTP}]}\n  - {name: b, image: b, ports: [{containerPort: 8080}]}"
        )
        let cast = try Cast(try scratch.write(objects, to: "objects.yaml"), say: { _ in })
        #expect(
            cast.exchanges.map { "\($0.transport.rawValue) \($0.family.name) \($0.port)" } == [
                "TCP IPv4 8080", "UDP IPv4 5353", "TCP IPv6 8080", "UDP IPv6 5353",
            ])
    }

    @Test(
        "the segment holds every node, and none of them has the network's own address or its broadcast address",
        arguments: [
            ("192.0.2.11", "192.0.2.12", 24), ("192.0.2.11", "192.0.3.12", 23), ("192.0.2.0", "192.0.2.12", 22),
            ("192.0.2.255", "192.0.2.12", 23),
        ])
    func segment(_ first: String, _ second: String, _ length: Int) throws {
        let scratch = try Scratch()
        let objects = twoPods.replacing("192.0.2.11", with: first).replacing("192.0.2.12", with: second)
        let lengths = try Cast(try scratch.write(objects, to: "objects.yaml"), say: { _ in }).segmentLengths
        #expect(lengths == [.v4: length, .v6: 64])
    }
}
