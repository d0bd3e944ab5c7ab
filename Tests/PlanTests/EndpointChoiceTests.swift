import Addressing
import KubeAPI
import Testing

@testable import Cluster
@testable import Plan

/// Endpoints are written `1@n1` (ready, on node n1), `1@n1!` (ends, still serves), `1@n1-` (not ready), with hints behind: `1@n1>zone-a`,
/// `1@n1>>n1` for nodes.
@Suite("which endpoints a node sends packets to") struct EndpointChoiceTests {
    @Test(
        "ready ones, else those that end and still serve; locally the same",
        arguments: [
            ("", "", ""),
            ("1@n1 2@n2", "1 2", "1"),
            ("1@n2 2@n2", "1 2", ""),
            ("1@n1- 2@n2", "2", ""),
            ("1@n1- 2@n2-", "", ""),
            // None is ready: the last ones.
            ("1@n1! 2@n2!", "1 2", "1"),
            // One is ready elsewhere: for everybody only that one, but locally the one that ends.
            ("1@n1! 2@n2", "2", "1"),
            ("1@n1! 2@n1 3@n2", "2 3", "2"),
            // Nobody said where it is.
            ("1@", "1", ""),
        ])
    func conditions(endpoints: String, cluster: String, local: String) throws {
        let choice = try choice(endpoints)
        #expect(text(choice.cluster) == cluster && text(choice.local) == local)
        #expect(choice.isServed == !(cluster.isEmpty && local.isEmpty))
    }

    @Test(
        "hints are followed when every ready endpoint has one, and one is for us",
        arguments: [
            ("1@n1>zone-a 2@n2>zone-b", "1"),
            ("1@n1>zone-b 2@n2>zone-b", "1 2"),
            ("1@n1>zone-a 2@n2", "1 2"),
            ("1@n1>zone-a 2@n2>zone-a 3@n3>zone-b", "1 2"),
            // Those that are not ready do not count, neither for nor against.
            ("1@n1>zone-a 2@n2- 3@n3>zone-b", "1"),
            ("1@n1>zone-a- 2@n3>zone-b", "2"),
            // The node before the zone.
            ("1@n1>>n1 2@n2>>n2", "1"),
            ("1@n3>>n3 2@n2>>n2", "1 2"),
            // The last ones are taken wherever they are.
            ("1@n1>zone-a! 2@n2>zone-b!", "1 2"),
        ])
    func hints(endpoints: String, cluster: String) throws {
        #expect(text(try choice(endpoints).cluster) == cluster)
    }

    @Test("families are apart") func families() throws {
        var port = try port("1@n1")
        port.endpoints.append(
            ServicePort.Endpoint(
                address: try #require(IPAddress("2001:db8::1")), port: 80, isReady: true, isServing: true, isTerminating: false,
                node: "n2", zoneHints: [], nodeHints: []))
        #expect(EndpointChoice(port, .v4, node: "n1", zone: "").cluster.map(\.description) == ["192.0.2.1:80"])
        #expect(EndpointChoice(port, .v6, node: "n1", zone: "").cluster.map(\.description) == ["[2001:db8::1]:80"])
    }

    private func choice(_ endpoints: String) throws -> EndpointChoice {
        EndpointChoice(try port(endpoints), .v4, node: "n1", zone: "zone-a")
    }

    private func port(_ endpoints: String) throws -> ServicePort {
        let endpoints = try endpoints.split(separator: " ").map { word in
            let isEnding = word.hasSuffix("!")
            let isUnready = word.hasSuffix("-")
            let plain = isEnding || isUnready ? word.dropLast() : word
            let parts = plain.split(separator: "@", omittingEmptySubsequences: false)
            let places = parts[1].split(separator: ">", omittingEmptySubsequences: false).map(String.init)
            return ServicePort.Endpoint(
                address: .v4(IPv4Address(192, 0, 2, try #require(UInt8(parts[0])))), port: 80,
                isReady: !isEnding && !isUnready, isServing: !isUnready, isTerminating: isEnding, node: places[0],
                zoneHints: places.count == 2 ? [places[1]] : [], nodeHints: places.count == 3 ? [places[2]] : [])
        }
        return ServicePort(
            id: ServicePort.ID(namespace: "shop", service: "web", port: ""), transport: .tcp, number: 80, clusterIPs: [],
            externalIPs: [], loadBalancerIPs: [], sourceRanges: nil, nodePort: nil, affinity: nil,
            internalTrafficPolicy: .cluster,
            externalTrafficPolicy: .cluster, healthCheckNodePort: nil, endpoints: endpoints)
    }

    private func text(_ addresses: [SocketAddress]) -> String {
        addresses.map { String($0.address.description.split(separator: ".").last ?? "") }.joined(separator: " ")
    }
}
