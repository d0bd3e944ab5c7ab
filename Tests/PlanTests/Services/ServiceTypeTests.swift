import Addressing
import KubeAPI
import NFTables
import Testing

@testable import Cluster
@testable import Plan

/// From the objects to the table, whatever the service was before.
@Suite("services that change their type") struct ServiceTypeTests {
    /// What each type brings along, as an API server leaves it.
    private static let specs: [(name: String, spec: String)] = [
        ("ClusterIP", #"{"type": "ClusterIP", "clusterIPs": ["10.96.0.10", "fd00:10:96::10"]}"#),
        ("ClusterIP of one family", #"{"type": "ClusterIP", "clusterIPs": ["fd00:10:96::10"]}"#),
        ("headless", #"{"type": "ClusterIP", "clusterIP": "None", "clusterIPs": ["None"]}"#),
        ("NodePort", #"{"type": "NodePort", "clusterIPs": ["10.96.0.10", "fd00:10:96::10"]}"#),
        (
            "LoadBalancer",
            #"{"type": "LoadBalancer", "clusterIPs": ["10.96.0.10", "fd00:10:96::10"], "externalTrafficPolicy": "Local"}"#
        ),
        ("ExternalName", #"{"type": "ExternalName", "externalName": "example.org"}"#),
    ]

    @Test(
        "from every type to every other, it is served as if it had never been anything else", arguments: specs.map(\.name),
        specs.map(\.name))
    func transitions(_ from: String, _ to: String) throws {
        for family in IPFamily.allCases {
            var (index, fresh) = (ServiceIndex(), ServiceIndex())
            for slice in try slices() {
                _ = index.set(slice)
                _ = fresh.set(slice)
            }
            _ = index.set(try service(from))
            var table = ServiceTable(.n1, family, [shopWeb: index.ports(of: shopWeb)])
            var kernel = MemoryTables()
            try kernel.settle(table.id, to: table.table)

            let touched = index.set(try service(to))
            #expect(touched == (from == to ? [] : [shopWeb]))
            try kernel.apply(table.set([shopWeb: index.ports(of: shopWeb)]).changes)
            _ = fresh.set(try service(to))
            let wanted = ServiceTable(.n1, family, [shopWeb: fresh.ports(of: shopWeb)])
            let observed = try #require(try kernel.observe(table.id)).table
            for set in ServiceSet.all {
                // Chains that are not needed any more stay, and with them how to get there.
                if observed.sets[set.name]?.shape.data == .verdict { continue }
                #expect(observed.sets[set.name] == wanted.table.sets[set.name], "\(set.name)")
            }
            try answers(observed, to, family)
        }
    }

    /// What a client from outside gets at each way in.
    private func answers(_ table: Table, _ type: String, _ family: IPFamily) throws {
        let client = try ip(family == .v4 ? "198.51.100.9" : "2001:db8:9::9")
        func answer(_ address: String?, _ port: UInt16) throws -> Bool {
            if case .balanced = table.answer(.tcp, try address.map(ip), port, from: client, inside: false) { true } else { false }
        }
        let hasFamily = !["headless", "ExternalName"].contains(type) && (family == .v6 || type != "ClusterIP of one family")
        #expect(try answer(family == .v4 ? "10.96.0.10" : "fd00:10:96::10", 80) == hasFamily)
        #expect(try answer(nil, 30080) == (hasFamily && ["NodePort", "LoadBalancer"].contains(type)))
        #expect(try answer(family == .v4 ? "203.0.113.7" : "2001:db8:7::7", 80) == (type == "LoadBalancer"))
    }

    private let shopWeb = ServiceIndex.Name(namespace: "shop", name: "web")

    private func service(_ type: String) throws -> Service {
        let spec = try #require(Self.specs.first { $0.name == type }).spec
        var tree: JSONValue = ["apiVersion": "v1", "kind": "Service", "metadata": ["name": "web", "namespace": "shop"]]
        tree[at: "spec"] = try JSONReader().value(Array(spec.utf8))
        tree[at: "spec", "ports"] = [["port": 80, "name": "http", "targetPort": 8080, "nodePort": 30080]]
        tree[at: "status", "loadBalancer", "ingress"] = [["ip": "203.0.113.7"], ["ip": "2001:db8:7::7"]]
        return try #require(Registry.standard.read(tree).object as? Service)
    }

    private func slices() throws -> [EndpointSlice] {
        try [("IPv4", "10.244.1.2"), ("IPv6", "fd00:10:244:1::2")].map { family, address in
            let tree: JSONValue = [
                "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": .string(family),
                "metadata": [
                    "name": .string("web-\(family.lowercased())"), "namespace": "shop",
                    "labels": [EndpointSlice.serviceLabel: "web"],
                ],
                "ports": [["name": "http", "port": 8080]],
                "endpoints": [["addresses": [.string(address)], "nodeName": "n1", "conditions": ["ready": true]]],
            ]
            return try #require(Registry.standard.read(tree).object as? EndpointSlice)
        }
    }
}
