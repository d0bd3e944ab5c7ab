import Addressing
import KubeAPI
import NFTables
import Testing

@testable import Cluster
@testable import Plan

@Suite("connections that services would not make now") struct StaleConnectionTests {
    private let endpoint = "10.244.1.2"
    private let clusterIP = "10.96.0.10"
    private let own = "192.0.2.1"

    private func stale(_ ports: [ServicePort], formerly table: Table? = nil, _ facts: ServiceFacts = .n1) -> StaleConnections {
        ServiceTable(ports, facts: facts).staleConnections(formerly: table.map(ServiceTable.endlessFronts) ?? [])
    }

    /// - Parameter answerer: `nil`: it went on untranslated.
    private func contains(
        _ stale: StaleConnections, _ transport: TransportProtocol = .udp, to address: String, _ port: UInt16,
        by answerer: String?, isOwn: Bool = false
    ) throws -> Bool {
        let asked = SocketAddress(try ip(address), port)
        return stale.contains(
            transport, to: asked, isOwn: isOwn, answeredBy: try answerer.map { SocketAddress(try ip($0), 8080) } ?? asked,
            isTranslated: answerer != nil)
    }

    @Test("an endpoint that the service has not; not one that ends and still serves", arguments: [TransportProtocol.udp, .sctp])
    func endpoints(_ transport: TransportProtocol) throws {
        var port = ServicePort.web("dns", transport, to: try [.at(endpoint), .at("10.244.1.3")]) { $0.nodePort = 30053 }
        port.endpoints[1].end()
        let stale = stale([port])
        #expect(stale.transports == [transport])
        for (address, number, isOwn) in [(clusterIP, 80 as UInt16, false), (own, 30053, true)] {
            #expect(try !contains(stale, transport, to: address, number, by: endpoint, isOwn: isOwn))
            #expect(try !contains(stale, transport, to: address, number, by: "10.244.1.3", isOwn: isOwn))
            #expect(try contains(stale, transport, to: address, number, by: "10.244.1.4", isOwn: isOwn))
            // It began before there was a service.
            #expect(try contains(stale, transport, to: address, number, by: nil, isOwn: isOwn))
        }
    }

    @Test("whatever was sent to a service that has nobody now, or where everything is dropped")
    func nobody() throws {
        let none = ServicePort.web("dns", .udp)
        let local = ServicePort.web("dns", .udp, to: try [.at("10.244.2.2", on: "n2")]) { $0.internalTrafficPolicy = .local }
        for port in [none, local] {
            for answerer in [endpoint, "10.244.2.2", nil] {
                #expect(try contains(stale([port]), to: clusterIP, 80, by: answerer))
            }
        }
    }

    @Test("translated connections to what the table that was found had and the services have not")
    func former() throws {
        let port = ServicePort.web("dns", .udp, to: try [.at(endpoint)]) { $0.nodePort = 30053 }
        let table = ServiceTable([port, .web("web", .tcp, at: ["10.96.0.11"])]).table
        let stale = stale([], formerly: table)
        #expect(stale.transports == [.udp])
        #expect(try contains(stale, to: clusterIP, 80, by: endpoint))
        #expect(try contains(stale, to: own, 30053, by: endpoint, isOwn: true))
        // The node's own affairs, somebody else's, and what is not ours to know.
        #expect(try !contains(stale, to: own, 30053, by: nil, isOwn: true))
        #expect(try !contains(stale, to: "198.51.100.9", 30053, by: endpoint))
        #expect(try !contains(stale, to: clusterIP, 81, by: endpoint))
        #expect(try !contains(stale, to: "10.96.0.11", 80, by: endpoint))
    }

    @Test("nothing where node ports do not answer, and nothing of TCP")
    func others() throws {
        let port = ServicePort.web("dns", .udp, to: try [.at(endpoint)]) { $0.nodePort = 30053 }
        #expect(try !contains(stale([port]), to: "127.0.0.1", 30053, by: nil, isOwn: true))
        #expect(try !contains(stale([port]), to: "198.51.100.9", 30053, by: nil))
        var facts = ServiceFacts.n1
        facts.nodePortAddresses = [try net("192.0.2.0/24")]
        #expect(try contains(stale([port], facts), to: own, 30053, by: nil, isOwn: true))
        #expect(try !contains(stale([port], facts), to: "203.0.113.1", 30053, by: nil, isOwn: true))
        let web = ServicePort.web("web", .tcp, to: try [.at(endpoint)])
        #expect(stale([web]).transports.isEmpty)
        #expect(try !contains(stale([web]), to: clusterIP, 80, by: nil))
    }

    @Test("what a change ends one by one, a look at everything ends too, and no living one", arguments: Seed.fresh(300))
    func agreement(_ seed: Seed) throws {
        var seed = seed
        let (before, after) = (try port(&seed), try port(&seed))
        var table = ServiceTable([before])
        let found = table.table
        let flows = table.set([before.name: seed.chance(1, in: 8) ? [] : [after]]).flows
        let stale = table.staleConnections(formerly: ServiceTable.endlessFronts(in: found))
        var doors: [(address: String, port: UInt16, isOwn: Bool)] = [(clusterIP, before.number, false)]
        if let port = before.nodePort { doors.append((own, port, true)) }
        for door in doors {
            let address = door.isOwn ? nil : try ip(door.address)
            for pod in before.endpoints {
                let isEnded = flows.contains { flow in
                    guard flow.transport == before.transport, flow.address == address, flow.port == door.port else {
                        return false
                    }
                    return flow.answerer == .anybody || flow.answerer == .endpoint(pod.socket)
                }
                let isStale = try contains(
                    stale, before.transport, to: door.address, door.port, by: pod.address.description, isOwn: door.isOwn)
                #expect(isEnded == isStale, "\(pod.socket) at \(door)")
            }
        }
    }

    private func port(_ seed: inout Seed) throws -> ServicePort {
        var port = ServicePort.web("dns", seed.chance(1, in: 2) ? .udp : .sctp, seed.chance(1, in: 2) ? 80 : 81)
        for last in 2...7 where seed.chance(1, in: 2) {
            var endpoint = try ServicePort.Endpoint.at("10.244.1.\(last)")
            if seed.chance(1, in: 4) { endpoint.end() }
            port.endpoints.append(endpoint)
        }
        if seed.chance(1, in: 2) { port.nodePort = 30053 }
        return port
    }
}
