import Addressing
import Cluster
import KubeAPI
import Netlink
import Plan

/// Services and slices as an API server would list them, by number, and the plan's table of them.
///
/// Every address of an endpoint is one of the stage's server; the client stands for a pod of this node.
struct ServiceObjects {
    private var index = ServiceIndex()
    private let facts = ServiceFacts(
        node: "n1", ownSources: [IPPrefix(.v4(IPv4Address(198, 18, 1, 0)), length: 24)],
        serviceRanges: [IPPrefix(.v4(IPv4Address(10, 96, 0, 0)), length: 12)])
    private let endpointsEach: Int

    static let port: UInt16 = 80
    static let targetPort: UInt16 = 8080

    static func address(ofService number: Int) -> IPv4Address { IPv4Address(rawValue: 0x0A60_0000 + UInt32(number)) }
    static func address(ofEndpoint number: Int) -> IPv4Address { IPv4Address(rawValue: 0x0AF0_0000 + UInt32(number)) }

    init(services count: Int, endpointsEach: Int) throws {
        self.endpointsEach = endpointsEach
        for number in 0..<count {
            let service: JSONValue = [
                "apiVersion": "v1", "kind": "Service", "metadata": ["name": .string("s\(number)"), "namespace": "default"],
                "spec": [
                    "clusterIP": .string("\(Self.address(ofService: number))"),
                    "ports": [["name": "http", "port": 80, "protocol": "TCP"]],
                ],
            ]
            _ = index.set(try Self.object(service, Service.self))
            _ = index.set(try slice(number, more: nil))
        }
    }

    private static func object<Kind>(_ tree: JSONValue, _ kind: Kind.Type) throws -> Kind {
        guard let object = Registry.standard.read(tree).object as? Kind else {
            throw KernelError(.inputOutput, "read an object of the benchmark")
        }
        return object
    }

    /// - Parameter more: the number of an endpoint beside its own.
    private func slice(_ service: Int, more: Int?) throws -> EndpointSlice {
        let endpoints = (0..<endpointsEach).map { service * endpointsEach + $0 } + (more.map { [$0] } ?? [])
        return try Self.object(
            [
                "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
                "metadata": [
                    "name": .string("s\(service)-a"), "namespace": "default",
                    "labels": [EndpointSlice.serviceLabel: .string("s\(service)")],
                ],
                "ports": [["name": "http", "port": 8080, "protocol": "TCP"]],
                "endpoints": .array(
                    endpoints.map {
                        [
                            "addresses": [.string("\(Self.address(ofEndpoint: $0))")], "nodeName": "n2",
                            "conditions": ["ready": true],
                        ]
                    }),
            ], EndpointSlice.self)
    }

    /// From what is understood of the objects to the plan's memory of its table.
    func table() -> ServiceTable {
        ServiceTable(facts, .v4, Dictionary(uniqueKeysWithValues: index.names.map { ($0, index.ports(of: $0)) }))
    }

    /// A service gets one endpoint more, or has its own alone again.
    ///
    /// - Returns: what it is now.
    mutating func change(_ service: Int, more: Int?) throws -> [ServiceIndex.Name: [ServicePort]] {
        let touched = index.set(try slice(service, more: more))
        return Dictionary(uniqueKeysWithValues: touched.map { ($0, index.ports(of: $0)) })
    }
}
