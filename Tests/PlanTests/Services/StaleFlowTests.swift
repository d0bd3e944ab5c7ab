import Addressing
import KubeAPI
import Testing

@testable import Cluster
@testable import Plan

@Suite("connections that lead nowhere any more") struct StaleFlowTests {
    @Test("TCP is left to end by itself")
    func tcp() throws {
        let port = ServicePort.web("dns", .tcp, to: try [.at("10.244.1.2")])
        var table = ServiceTable([port])
        #expect(table.set([port.name: []]).flows.isEmpty)
    }

    @Test(
        "an endpoint that is gone, at every way in; not one that ends and still serves",
        arguments: [TransportProtocol.udp, .sctp])
    func endpoint(_ transport: TransportProtocol) throws {
        var port = ServicePort.web("dns", transport, to: try [.at("10.244.1.2"), .at("10.244.1.3")]) { $0.nodePort = 30053 }
        var table = ServiceTable([port])
        port.endpoints[0].end()
        #expect(table.set([port.name: [port]]).flows.isEmpty)
        let gone = port.endpoints.removeFirst().socket
        #expect(
            table.set([port.name: [port]]).flows == [
                ServiceFlow(.v4, transport, at: try ip("10.96.0.10"), 80, answeredBy: .endpoint(gone)),
                ServiceFlow(.v4, transport, at: nil, 30053, answeredBy: .endpoint(gone)),
            ])
    }

    @Test("the last endpoint, the service, a port and a protocol: everything that went there")
    func ways() throws {
        let port = ServicePort.web("dns", .udp, to: try [.at("10.244.1.2")])
        let address = try ip("10.96.0.10")
        let all: Set<ServiceFlow> = [ServiceFlow(.v4, .udp, at: address, 80, answeredBy: .anybody)]
        let new: Set<ServiceFlow> = [ServiceFlow(.v4, .udp, at: address, 80, answeredBy: .untranslated)]
        for change: (inout ServicePort) -> Void in [{ $0.endpoints = [] }, { $0.number = 81 }, { $0.transport = .tcp }] {
            var table = ServiceTable([port])
            var other = port
            change(&other)
            #expect(table.set([port.name: [other]]).flows.isSuperset(of: all))
        }
        var table = ServiceTable([port])
        #expect(table.set([port.name: []]).flows == all)
        // What a client sent before the service was there went on untranslated.
        #expect(table.set([port.name: [port]]).flows == new)
    }
}
