import Addressing
import KubeAPI
import Testing

@testable import Lab

@Suite("Cluster IPs and node ports")
struct AllocatorTests {
    private func allocator(_ ranges: String...) throws -> ServiceAllocator {
        ServiceAllocator(ranges: try ranges.map { try #require(IPPrefix($0)) })
    }

    private func service(_ name: String, _ spec: JSONValue) -> JSONValue {
        ["metadata": ["name": .string(name), "namespace": "default"], "spec": spec]
    }

    private func accepted(_ admission: ServiceAllocator.Admission) throws -> JSONValue {
        guard case .accepted(let tree) = admission else { throw Refused(admission: admission) }
        return tree
    }

    private struct Refused: Error { var admission: ServiceAllocator.Admission }

    private func text(_ admission: ServiceAllocator.Admission) -> String {
        guard case .refused(let errors) = admission else { return "\(admission)" }
        return errors.map(\.description).joined(separator: "; ")
    }

    @Test("what nobody asked for comes from above the bands")
    func bands() throws {
        var dice = Dice(seed: 7)
        var allocator = try allocator("198.51.100.0/24")
        for number in 0..<200 {
            let tree = try accepted(
                allocator.admit(service("s\(number)", ["type": "NodePort", "ports": [["port": 80]]]), random: &dice))
            let address = try #require(tree[field: "spec", "clusterIP"]?.string.flatMap { IPv4Address($0) })
            #expect(address.rawValue & 255 > 16)
            #expect(try #require(tree[field: "spec", "ports"]?.array?[0]["nodePort"]?.integer) >= 30086)
        }
        #expect(Set(allocator.addresses.keys).count == 200)
        #expect(Set(allocator.ports.keys).count == 200)
    }

    @Test("a full range falls back to the band of those who ask, then is exhausted, and what is released is given again")
    func exhaustion() throws {
        var dice = Dice(seed: 7)
        var allocator = try allocator("198.51.100.0/27")
        var last: JSONValue = [:]
        for number in 0..<30 { last = try accepted(allocator.admit(service("s\(number)", [:]), random: &dice)) }
        #expect(
            allocator.admit(service("more", [:]), random: &dice) == .exhausted("failed to allocate a serviceIP: range is full"))
        allocator.release(last)
        _ = try accepted(allocator.admit(service("more", [:]), random: &dice))
    }

    @Test("refusals say what kube-apiserver says")
    func refusals() throws {
        var dice = Dice(seed: 7)
        var allocator = try allocator("198.51.100.0/24")
        _ = try accepted(
            allocator.admit(
                service("a", ["type": "NodePort", "clusterIP": "198.51.100.10", "ports": [["port": 80, "nodePort": 30001]]]),
                random: &dice))
        #expect(
            text(allocator.admit(service("b", ["clusterIP": "198.51.100.10"]), random: &dice))
                == "spec.clusterIPs: Invalid value: [\"198.51.100.10\"]: failed to allocate IP 198.51.100.10: provided IP is already allocated"
        )
        #expect(
            text(allocator.admit(service("b", ["clusterIP": "203.0.113.1"]), random: &dice)).hasSuffix(
                "failed to allocate IP 203.0.113.1: the provided IP (203.0.113.1) is not in the valid range. The range of valid IPs is 198.51.100.0/24"
            ))
        #expect(
            text(allocator.admit(service("b", ["type": "NodePort", "ports": [["port": 1, "nodePort": 30001]]]), random: &dice))
                == "spec.ports[0].nodePort: Invalid value: 30001: provided port is already allocated")
        #expect(
            text(allocator.admit(service("b", ["type": "NodePort", "ports": [["port": 1, "nodePort": 80]]]), random: &dice))
                == "spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-32767"
        )
        #expect(
            text(allocator.admit(service("b", ["ipFamilyPolicy": "RequireDualStack"]), random: &dice))
                == "spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": this cluster is not configured for dual-stack services"
        )
        #expect(
            text(allocator.admit(service("b", ["ipFamilies": ["IPv6"]]), random: &dice))
                == "spec.ipFamilies[0]: Invalid value: \"IPv6\": not configured on this cluster")
        #expect(allocator.addresses.count == 1, "a refused request takes nothing")
        #expect(allocator.ports.count == 1)
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
        var dice = Dice(seed: 1)
        var allocator = try allocator("198.51.100.0/24", "2001:db8::/112")
        let tree = try accepted(allocator.admit(service("a", spec), random: &dice))
        #expect(tree[field: "spec", "ipFamilies"]?.array?.compactMap(\.string) == families)
        let addresses = try #require(tree[field: "spec", "clusterIPs"]?.array?.compactMap { $0.string.flatMap { IPAddress($0) } })
        #expect(addresses.map(\.family.name) == families)
    }

    @Test("changes of type and policy give and take back, and what was given stays when it is left out")
    func changes() throws {
        var dice = Dice(seed: 7)
        var allocator = try allocator("198.51.100.0/24", "2001:db8::/112")
        let ports: JSONValue = [["port": 80, "protocol": "TCP"], ["port": 80, "protocol": "UDP"]]
        let first = try accepted(allocator.admit(service("a", ["ports": ports]), random: &dice))
        let node = try accepted(
            allocator.admit(service("a", ["type": "NodePort", "ports": ports]), replacing: first, random: &dice))
        #expect(node[field: "spec", "clusterIP"] == first[field: "spec", "clusterIP"])
        #expect(allocator.ports.count == 1, "two protocols share a number")
        let again = try accepted(
            allocator.admit(service("a", ["type": "NodePort", "ports": ports]), replacing: node, random: &dice))
        #expect(again == node)
        var dual = node
        dual[field: "spec", "ipFamilyPolicy"] = "PreferDualStack"
        dual = try accepted(allocator.admit(dual, replacing: node, random: &dice))
        #expect(allocator.addresses.count == 2)
        var single = dual
        single[field: "spec", "ipFamilyPolicy"] = "SingleStack"
        single = try accepted(allocator.admit(single, replacing: dual, random: &dice))
        #expect(allocator.addresses.count == 1)
        var moved = single
        moved[field: "spec", "clusterIP"] = "198.51.100.77"
        #expect(text(allocator.admit(moved, replacing: single, random: &dice)).hasSuffix("may not change once set"))
        var external = single
        external[field: "spec", "type"] = "ExternalName"
        external = try accepted(allocator.admit(external, replacing: single, random: &dice))
        #expect(external[field: "spec", "clusterIP"] == nil)
        #expect(allocator.addresses.isEmpty)
        #expect(allocator.ports.isEmpty)
    }

    @Test("headless services hold no address")
    func headless() throws {
        var dice = Dice(seed: 7)
        var allocator = try allocator("198.51.100.0/24")
        let tree = try accepted(allocator.admit(service("a", ["clusterIP": "None", "selector": ["a": "b"]]), random: &dice))
        #expect(tree[field: "spec", "clusterIPs"] == ["None"])
        #expect(tree[field: "spec", "ipFamilies"] == ["IPv4"])
        #expect(allocator.addresses.isEmpty)
    }

    @Test(
        "random requests never give an address or a port twice, and repair finds what they hold",
        arguments: [1, 2, 3] as [UInt64])
    func random(seed: UInt64) throws {
        var dice = Dice(seed: seed)
        var allocator = try allocator("198.51.100.0/26", "2001:db8::/122")
        var stored: [String: JSONValue] = [:]
        for _ in 0..<600 {
            let name = "s\(Int.random(in: 0..<40, using: &dice))"
            if Int.random(in: 0..<4, using: &dice) == 0, let old = stored.removeValue(forKey: name) {
                allocator.release(old)
                continue
            }
            var tree = stored[name] ?? service(name, ["ports": [["port": 80]]])
            tree[field: "spec", "type"] = ["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"].randomElement(using: &dice)
            tree[field: "spec", "ipFamilyPolicy"] = ["SingleStack", "PreferDualStack"].randomElement(using: &dice)
            if case .accepted(let next) = allocator.admit(tree, replacing: stored[name], random: &dice) { stored[name] = next }
            let addresses = stored.values.flatMap { $0[field: "spec", "clusterIPs"]?.array ?? [] }
            let ports = stored.values.flatMap { $0[field: "spec", "ports"]?.array ?? [] }.compactMap { $0["nodePort"] }
            try #require(Set(addresses).count == addresses.count, "seed \(seed)")
            try #require(Set(ports).count == ports.count, "seed \(seed)")
            try #require(allocator.addresses.count == addresses.count, "seed \(seed)")
            try #require(allocator.ports.count == ports.count, "seed \(seed)")
        }
        var repaired = try self.allocator("198.51.100.0/26", "2001:db8::/122")
        #expect(repaired.repair(Array(stored.values)) == [])
        #expect(repaired.addresses == allocator.addresses)
        #expect(repaired.ports == allocator.ports)
    }
}
