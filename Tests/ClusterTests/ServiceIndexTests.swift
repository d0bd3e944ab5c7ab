import Addressing
import KubeAPI
import Testing

@testable import Cluster

@Suite("services and their endpoints") struct ServiceIndexTests {
    @Test(
        "a port says where it is asked for",
        arguments: [
            // A plain service of both families.
            (#"{"clusterIPs": ["192.0.2.1", "2001:db8::1"]}"#, "web:80/TCP at 192.0.2.1 2001:db8::1"),
            // Nobody balances these.
            (#"{"clusterIP": "None"}"#, ""),
            (#"{"type": "ExternalName", "externalName": "example.org"}"#, ""),
            (#"{}"#, ""),
            // What is seen outside: of the service's families only.
            (
                #"{"type": "NodePort", "clusterIP": "192.0.2.1", "externalIPs": ["198.51.100.1", "2001:db8::9"]}"#,
                "web:80/TCP at 192.0.2.1, external 198.51.100.1, node port 30080"
            ),
            (
                #"{"type": "LoadBalancer", "clusterIP": "192.0.2.1", "loadBalancerSourceRanges": ["203.0.113.0/24"]}"#,
                "web:80/TCP at 192.0.2.1, balancer 198.51.100.7, from 203.0.113.0/24, node port 30080"
            ),
            // A node port that stayed in the object when its type changed is nobody's.
            (
                #"{"type": "ClusterIP", "clusterIP": "192.0.2.1", "loadBalancerSourceRanges": ["203.0.113.0/24"]}"#,
                "web:80/TCP at 192.0.2.1"
            ),
            (
                #"{"type": "LoadBalancer", "clusterIP": "192.0.2.1", "externalTrafficPolicy": "Local", "healthCheckNodePort": 31000}"#,
                "web:80/TCP at 192.0.2.1, balancer 198.51.100.7, node port 30080, external Local, health 31000"
            ),
            (
                #"{"clusterIP": "192.0.2.1", "sessionAffinity": "ClientIP", "internalTrafficPolicy": "Local"}"#,
                "web:80/TCP at 192.0.2.1, internal Local, affinity 10800.0 seconds"
            ),
        ])
    func frontends(spec: String, expected: String) throws {
        var index = ServiceIndex()
        let touched = index.set(try service("web", spec))
        #expect(touched == [ServiceIndex.Name(namespace: "shop", name: "web")])
        #expect(index.ports(of: ServiceIndex.Name(namespace: "shop", name: "web")).map(text).joined(separator: "\n") == expected)
    }

    @Test("a service of another proxy, or labelled headless, is not ours", arguments: ServiceIndex.foreignLabels)
    func foreign(label: String) throws {
        var index = ServiceIndex()
        var web = try service("web", #"{"clusterIP": "192.0.2.1"}"#)
        web.metadata.labels[label] = ""
        _ = index.set(web)
        #expect(index.ports(of: shopWeb).isEmpty)
        web.metadata.labels[label] = nil
        #expect(index.set(web) == [shopWeb], "the label alone is a change")
        #expect(index.ports(of: shopWeb).count == 1)
    }

    @Test("endpoints come from every slice of the service, by port name, and once each") func endpoints() throws {
        var index = ServiceIndex()
        _ = index.set(try service("web", #"{"clusterIPs": ["192.0.2.1"]}"#))
        _ = index.set(try slice("web-1", of: "web", [("198.51.100.1", true), ("198.51.100.2", false)]))
        _ = index.set(try slice("web-2", of: "web", [("198.51.100.2", true), ("198.51.100.3", true)]))
        _ = index.set(try slice("web-3", of: "web", port: "other", [("198.51.100.4", true)]))
        _ = index.set(try slice("web-4", of: "other", [("198.51.100.5", true)]))
        _ = index.set(try slice("web-5", of: "web", family: "IPv6", [("2001:db8::5", true)]))
        let endpoints = try #require(index.ports(of: shopWeb).first).endpoints
        #expect(
            endpoints.map { "\($0.address):\($0.port) \($0.isReady)" } == [
                "198.51.100.1:8080 true", "198.51.100.2:8080 true", "198.51.100.3:8080 true",
            ])
    }

    @Test("what changes nothing touches nothing, and a slice that changes hands touches both") func touches() throws {
        var index = ServiceIndex()
        let web = try service("web", #"{"clusterIPs": ["192.0.2.1"]}"#)
        var part = try slice("part", of: "web", [("198.51.100.1", true)])
        #expect(index.set(part) == [shopWeb])
        #expect(index.set(web) == [shopWeb])
        var annotated = web
        annotated.metadata.annotations["a"] = "b"
        annotated.metadata.resourceVersion = "7"
        #expect(index.set(annotated) == [] && index.set(part) == [])
        part.metadata.labels[EndpointSlice.serviceLabel] = "api"
        #expect(index.set(part) == [shopWeb, ServiceIndex.Name(namespace: "shop", name: "api")])
        #expect(index.ports(of: shopWeb).first?.endpoints == [])
        #expect(index.remove(part.key) == [ServiceIndex.Name(namespace: "shop", name: "api")] && index.remove(part.key) == [])
        #expect(index.remove(web.key) == [shopWeb] && index.ports(of: shopWeb).isEmpty && index.names.isEmpty)
    }

    @Test("whatever comes in whatever order, the end is the same, and every change is told", arguments: Seed.fresh(12))
    func histories(seed: Seed) throws {
        var random = seed
        for _ in 0..<5 {
            var index = ServiceIndex()
            var objects: [ObjectKey: any KubernetesObject] = [:]
            for _ in 0..<40 {
                let before = Dictionary(uniqueKeysWithValues: names.map { ($0, index.ports(of: $0)) })
                let touched: Set<ServiceIndex.Name>
                let name = ["a", "b", "c"].randomElement(using: &random)!
                switch Int.random(in: 0..<4, using: &random) {
                case 0:
                    let service = try service(name, #"{"clusterIP": "192.0.2.\#(Int.random(in: 1...2, using: &random))"}"#)
                    objects[service.key] = service
                    touched = index.set(service)
                case 1, 2:
                    let owner = ["a", "b", "c"].randomElement(using: &random)!
                    let endpoints = (1...3).filter { _ in Bool.random(using: &random) }.map {
                        ("198.51.100.\($0)", Bool.random(using: &random))
                    }
                    let slice = try slice("slice-\(name)", of: owner, endpoints)
                    objects[slice.key] = slice
                    touched = index.set(slice)
                default:
                    guard let key = objects.keys.sorted().randomElement(using: &random) else { continue }
                    objects[key] = nil
                    touched = index.remove(key)
                }
                for (name, ports) in before where !touched.contains(name) { #expect(index.ports(of: name) == ports) }
            }
            var scratch = ServiceIndex()
            for object in objects.values.shuffled(using: &random) {
                if let service = object as? Service { _ = scratch.set(service) }
                if let slice = object as? EndpointSlice { _ = scratch.set(slice) }
            }
            for name in names { #expect(index.ports(of: name) == scratch.ports(of: name)) }
        }
    }

    private let shopWeb = ServiceIndex.Name(namespace: "shop", name: "web")
    private let names = ["a", "b", "c"].map { ServiceIndex.Name(namespace: "shop", name: $0) }

    private func service(_ name: String, _ spec: String) throws -> Service {
        var tree = try JSONReader().value(Array(#"{"apiVersion": "v1", "kind": "Service"}"#.utf8))
        tree[at: "metadata"] = ["name": .string(name), "namespace": "shop"]
        tree[at: "spec"] = try JSONReader().value(Array(spec.utf8))
        tree[at: "spec", "ports"] = [["port": 80, "name": "http", "targetPort": 8080, "nodePort": 30080]]
        tree[at: "status", "loadBalancer", "ingress"] = [["ip": "198.51.100.7"], ["ip": "198.51.100.8", "ipMode": "Proxy"]]
        return try #require(Registry.standard.read(tree).object as? Service)
    }

    private func slice(
        _ name: String, of service: String, port: String = "http", family: String = "IPv4", _ endpoints: [(String, Bool)]
    ) throws -> EndpointSlice {
        let tree: JSONValue = [
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": .string(family),
            "metadata": [
                "name": .string(name), "namespace": "shop", "labels": [EndpointSlice.serviceLabel: .string(service)],
            ],
            "ports": [["name": .string(port), "port": 8080]],
            "endpoints": .array(endpoints.map { ["addresses": [.string($0)], "conditions": ["ready": .bool($1)]] }),
        ]
        return try #require(Registry.standard.read(tree).object as? EndpointSlice)
    }

    private func text(_ port: ServicePort) -> String {
        func words(_ title: String, _ list: [IPAddress]) -> String? {
            list.isEmpty ? nil : "\(title) \(list.map(\.description).joined(separator: " "))"
        }
        let parts: [String?] = [
            "\(port.id.service):\(port.number)/\(port.transport.rawValue)\(words(" at", port.clusterIPs) ?? "")",
            words("external", port.externalIPs), words("balancer", port.loadBalancerIPs),
            port.sourceRanges.map { "from \($0.map(\.description).joined(separator: " "))" },
            port.nodePort.map { "node port \($0)" },
            port.internalTrafficPolicy == .local ? "internal Local" : nil,
            port.externalTrafficPolicy == .local ? "external Local" : nil,
            port.affinity.map { "affinity \($0)" }, port.healthCheckNodePort.map { "health \($0)" },
        ]
        return parts.compactMap(\.self).joined(separator: ", ")
    }
}
