import Addressing
import KubeAPI
import Testing

@testable import APIServer

@Suite("Cluster IPs and node ports")
struct AllocatorTests {
    /// Both halves of admission, as a write runs them.
    private struct Desk {
        var allocator: ServiceAllocator
        var random: SeededGenerator

        mutating func admit(_ service: JSONValue, replacing old: JSONValue? = nil) throws -> JSONValue {
            let settled = try ServiceRequest.settled(service, replacing: old, families: allocator.ranges.families)
            return try allocator.admit(settled, replacing: old, random: &random)
        }
    }

    private func desk(_ ranges: String..., seed: UInt64) throws -> Desk {
        let ranges = ServiceRanges(clusterIPs: try ranges.map { try #require(IPPrefix($0)) })
        return Desk(allocator: ServiceAllocator(ranges), random: SeededGenerator(state: seed))
    }

    private func service(_ name: String, _ spec: JSONValue) -> JSONValue {
        ["metadata": ["name": .string(name), "namespace": "default"], "spec": spec]
    }

    /// What the error says; empty when there is none.
    private func text(_ body: () throws -> JSONValue) -> String {
        do {
            _ = try body()
            return ""
        } catch AllocationError.refused(let errors) {
            return errors.map(\.description).joined(separator: "; ")
        } catch {
            return "\(error)"
        }
    }

    @Test("what nobody asked for comes from above the bands")
    func bands() throws {
        var desk = try desk("198.51.100.0/24", seed: 7)
        for number in 0..<200 {
            let tree = try desk.admit(service("s\(number)", ["type": "NodePort", "ports": [["port": 80]]]))
            let address = try #require(tree.at("spec", "clusterIP")?.string.flatMap { IPv4Address($0) })
            #expect(address.rawValue & 255 > 16)
            #expect(try #require(tree.at("spec", "ports")?.array?[0]["nodePort"]?.integer) >= 30086)
        }
        #expect(Set(desk.allocator.addresses.keys).count == 200)
        #expect(Set(desk.allocator.ports.keys).count == 200)
    }

    @Test("a full range falls back to the band of those who ask, then is exhausted, and what is released is given again")
    func exhaustion() throws {
        var desk = try desk("198.51.100.0/27", seed: 7)
        var last: JSONValue = [:]
        for number in 0..<30 { last = try desk.admit(service("s\(number)", [:])) }
        #expect(throws: AllocationError.exhausted("failed to allocate a serviceIP: range is full")) {
            try desk.admit(service("more", [:]))
        }
        desk.allocator.release(last)
        _ = try desk.admit(service("more", [:]))
    }

    @Test("refusals say what kube-apiserver says")
    func refusals() throws {
        var desk = try desk("198.51.100.0/24", seed: 7)
        _ = try desk.admit(
            service("a", ["type": "NodePort", "clusterIP": "198.51.100.10", "ports": [["port": 80, "nodePort": 30001]]]))
        #expect(
            text { try desk.admit(service("b", ["clusterIP": "198.51.100.10"])) }
                == "spec.clusterIPs: Invalid value: [\"198.51.100.10\"]: failed to allocate IP 198.51.100.10: provided IP is already allocated"
        )
        #expect(
            text { try desk.admit(service("b", ["clusterIP": "203.0.113.1"])) }.hasSuffix(
                "failed to allocate IP 203.0.113.1: the provided IP (203.0.113.1) is not in the valid range. The range of valid IPs is 198.51.100.0/24"
            ))
        #expect(
            text { try desk.admit(service("b", ["type": "NodePort", "ports": [["port": 1, "nodePort": 30001]]])) }
                == "spec.ports[0].nodePort: Invalid value: 30001: provided port is already allocated")
        #expect(
            text { try desk.admit(service("b", ["type": "NodePort", "ports": [["port": 1, "nodePort": 80]]])) }
                == "spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-32767"
        )
        #expect(
            text { try desk.admit(service("b", ["ipFamilyPolicy": "RequireDualStack"])) }
                == "spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": this cluster is not configured for dual-stack services"
        )
        #expect(
            text { try desk.admit(service("b", ["ipFamilies": ["IPv6"]])) }
                == "spec.ipFamilies[0]: Invalid value: \"IPv6\": not configured on this cluster")
        #expect(desk.allocator.addresses.count == 1, "a refused request takes nothing")
        #expect(desk.allocator.ports.count == 1)
    }

    @Test(
        "the policy decides how many families a service has on a dual-stack cluster",
        arguments: [
            ([:], ["IPv4"]),
            (["ipFamilyPolicy": "PreferDualStack"], ["IPv4", "IPv6"]),
            (["ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6"]], ["IPv6", "IPv4"]),
            (["ipFamilies": ["IPv6"]], ["IPv6"]),
            (["clusterIP": "2001:db8::9"], ["IPv6"]),
        ] as [(JSONValue, [String])])
    func policies(spec: JSONValue, families: [String]) throws {
        var desk = try desk("198.51.100.0/24", "2001:db8::/112", seed: 1)
        let tree = try desk.admit(service("a", spec))
        #expect(tree.at("spec", "ipFamilies")?.array?.compactMap(\.string) == families)
        let addresses = try #require(tree.at("spec", "clusterIPs")?.array?.compactMap { $0.string.flatMap { IPAddress($0) } })
        #expect(addresses.map(\.family.name) == families)
    }

    @Test("changes of type and policy give and take back, and what was given stays when it is left out")
    func changes() throws {
        var desk = try desk("198.51.100.0/24", "2001:db8::/112", seed: 7)
        let ports: JSONValue = [["port": 80, "protocol": "TCP"], ["port": 80, "protocol": "UDP"]]
        let first = try desk.admit(service("a", ["ports": ports]))
        let node = try desk.admit(service("a", ["type": "NodePort", "ports": ports]), replacing: first)
        #expect(node.at("spec", "clusterIP") == first.at("spec", "clusterIP"))
        #expect(desk.allocator.ports.count == 1, "two protocols share a number")
        let again = try desk.admit(service("a", ["type": "NodePort", "ports": ports]), replacing: node)
        #expect(again == node)
        var dual = node
        dual.set("PreferDualStack", at: "spec", "ipFamilyPolicy")
        dual = try desk.admit(dual, replacing: node)
        #expect(desk.allocator.addresses.count == 2)
        var single = dual
        single.set("SingleStack", at: "spec", "ipFamilyPolicy")
        single = try desk.admit(single, replacing: dual)
        #expect(desk.allocator.addresses.count == 1)
        var moved = single
        moved.set("198.51.100.77", at: "spec", "clusterIP")
        #expect(text { try desk.admit(moved, replacing: single) }.hasSuffix("may not change once set"))
        var external = single
        external.set("ExternalName", at: "spec", "type")
        external = try desk.admit(external, replacing: single)
        #expect(external.at("spec", "clusterIP") == nil)
        #expect(desk.allocator.addresses.isEmpty)
        #expect(desk.allocator.ports.isEmpty)
    }

    @Test("headless services hold no address")
    func headless() throws {
        var desk = try desk("198.51.100.0/24", seed: 7)
        let tree = try desk.admit(service("a", ["clusterIP": "None", "selector": ["a": "b"]]))
        #expect(tree.at("spec", "clusterIPs") == ["None"])
        #expect(tree.at("spec", "ipFamilies") == ["IPv4"])
        #expect(desk.allocator.addresses.isEmpty)
    }

    @Test(
        "random requests never give an address or a port twice, and repair finds what they hold",
        arguments: [1, 2, 3] as [UInt64])
    func random(seed: UInt64) throws {
        var desk = try desk("198.51.100.0/26", "2001:db8::/122", seed: seed)
        var stored: [String: JSONValue] = [:]
        for _ in 0..<600 {
            let name = "s\(Int.random(in: 0..<40, using: &desk.random))"
            if Int.random(in: 0..<4, using: &desk.random) == 0, let old = stored.removeValue(forKey: name) {
                desk.allocator.release(old)
                continue
            }
            var tree = stored[name] ?? service(name, ["ports": [["port": 80]]])
            tree.set(
                ["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"].randomElement(using: &desk.random), at: "spec", "type")
            tree.set(["SingleStack", "PreferDualStack"].randomElement(using: &desk.random), at: "spec", "ipFamilyPolicy")
            if let next = try? desk.admit(tree, replacing: stored[name]) { stored[name] = next }
            let addresses = stored.values.flatMap { $0.at("spec", "clusterIPs")?.array ?? [] }
            let ports = stored.values.flatMap { $0.at("spec", "ports")?.array ?? [] }.compactMap { $0["nodePort"] }
            try #require(Set(addresses).count == addresses.count, "seed \(seed)")
            try #require(Set(ports).count == ports.count, "seed \(seed)")
            try #require(desk.allocator.addresses.count == addresses.count, "seed \(seed)")
            try #require(desk.allocator.ports.count == ports.count, "seed \(seed)")
        }
        var repaired = try self.desk("198.51.100.0/26", "2001:db8::/122", seed: seed).allocator
        #expect(repaired.repair(Array(stored.values)) == [])
        #expect(repaired.addresses == desk.allocator.addresses)
        #expect(repaired.ports == desk.allocator.ports)
    }
}
