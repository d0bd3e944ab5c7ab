import Addressing
import Cluster
import KubeAPI
import Testing

@Suite("members")
struct MemberTests {
    @Test("a node has its first address of each family and all its ranges")
    func plain() throws {
        var own = try node("n1", at: ["192.0.2.1", "192.0.2.2", "2001:db8::1"], pods: ["198.51.100.0/24", "2001:db8:1::/64"])
        own.status.addresses.append(Node.Address(.externalIP, "203.0.113.1"))
        own.status.addresses.append(Node.Address(.hostname, "n1.example.org"))
        own.status.addresses.append(Node.Address(.internalIP, "no address"))
        #expect(
            Snapshot(of: [own]).text == """
                n1 at ["192.0.2.1", "2001:db8::1"] pods ["198.51.100.0/24", "2001:db8:1::/64"]
                """)
    }

    @Test("a node without a range, or without an address of a range's family, is a member with a problem")
    func missing() throws {
        let nodes = try [
            node("bare"), node("v4", at: ["192.0.2.1"]),
            node("halves", at: ["192.0.2.2"], pods: ["198.51.100.0/24", "2001:db8:1::/64"]),
        ]
        #expect(
            Snapshot(of: nodes).text == """
                bare at [] pods []
                halves at ["192.0.2.2"] pods ["198.51.100.0/24", "2001:db8:1::/64"]
                v4 at ["192.0.2.1"] pods []
                node-without-address Node halves: it has pods of IPv6 and no IPv6 address of its own
                node-without-pod-cidr Node bare: it has no range for its pods
                node-without-pod-cidr Node v4: it has no range for its pods
                """)
    }

    @Test("the node that was there first keeps an address and a range that a later one claims too")
    func claims() throws {
        let nodes = try [
            node("b", at: ["192.0.2.1"], pods: ["198.51.100.0/24"], since: "2026-01-02T00:00:00Z"),
            node(
                "a", at: ["192.0.2.1", "192.0.2.3"], pods: ["198.51.100.128/25", "198.18.0.0/24"], since: "2026-01-03T00:00:00Z"),
            node("c", at: ["192.0.2.4"], pods: ["198.51.0.0/16"], since: "2026-01-03T00:00:00Z"),
        ]
        let text = """
            a at [] pods ["198.18.0.0/24"]
            b at ["192.0.2.1"] pods ["198.51.100.0/24"]
            c at ["192.0.2.4"] pods []
            node-address-shared Node a: its address 192.0.2.1 is also the address of node b
            node-without-address Node a: it has pods of IPv4 and no IPv4 address of its own
            pod-cidr-overlap Node a: its pod range 198.51.100.128/25 overlaps 198.51.100.0/24 of node b
            pod-cidr-overlap Node c: its pod range 198.51.0.0/16 overlaps 198.51.100.0/24 of node b
            """
        #expect(Snapshot(of: nodes).text == text)
        #expect(Snapshot(of: nodes.reversed()).text == text)
    }

    @Test("a node without a timestamp was there first; of equally old ones the name decides")
    func age() throws {
        let nodes = try [
            node("z", at: ["192.0.2.1"], pods: ["198.51.100.0/24"]),
            node("b", at: ["192.0.2.1"], pods: ["198.51.101.0/24"], since: "2026-01-01T00:00:00Z"),
            node("a", at: ["192.0.2.1"], pods: ["198.51.101.0/24"], since: "2026-01-01T00:00:00Z"),
        ]
        #expect(
            Snapshot(of: nodes).members.mapValues(\.podPrefixes.count) == ["z": 1, "a": 1, "b": 0])
    }

    // Two overlapping ranges in one Node object became two overlapping elements of one interval set: the kernel refused the whole
    // table, on every node of the cluster.
    @Test("of a node's own ranges that overlap each other the first counts")
    func ownOverlap() throws {
        let nodes = try [
            node("n1", at: ["192.0.2.1"], pods: ["198.51.0.0/16", "198.51.100.0/24", "198.51.0.0/16"]),
            node("n2", at: ["192.0.2.2"], pods: ["198.51.200.0/24"], since: "2026-01-01T00:00:00Z"),
        ]
        #expect(
            Snapshot(of: nodes).text == """
                n1 at ["192.0.2.1"] pods ["198.51.0.0/16"]
                n2 at ["192.0.2.2"] pods []
                pod-cidr-overlap Node n1: its pod range 198.51.0.0/16 overlaps 198.51.0.0/16 of node n1
                pod-cidr-overlap Node n1: its pod range 198.51.100.0/24 overlaps 198.51.0.0/16 of node n1
                pod-cidr-overlap Node n2: its pod range 198.51.200.0/24 overlaps 198.51.0.0/16 of node n1
                """)
    }

    // One node listed every other's address as a second InternalIP of its own: being the oldest, it took them all.
    @Test("a node claims the first address of each family and no other; one that lost it is told to be without")
    func firstOnly() throws {
        let nodes = try [
            node("a", at: ["192.0.2.1", "192.0.2.2", "192.0.2.3"], pods: ["10.244.1.0/24"]),
            node("b", at: ["192.0.2.2"], pods: ["10.244.2.0/24"], since: "2026-01-01T00:00:00Z"),
            node("c", at: ["192.0.2.1", "192.0.2.3"], pods: ["10.244.3.0/24"], since: "2026-01-01T00:00:00Z"),
        ]
        let snapshot = Snapshot(of: nodes)
        #expect(
            snapshot.text == """
                a at ["192.0.2.1"] pods ["10.244.1.0/24"]
                b at ["192.0.2.2"] pods ["10.244.2.0/24"]
                c at [] pods ["10.244.3.0/24"]
                node-address-shared Node c: its address 192.0.2.1 is also the address of node a
                node-without-address Node c: it has pods of IPv4 and no IPv4 address of its own
                """)
        #expect(snapshot.members["c"]?.claimedAddresses.map(\.description) == ["192.0.2.1"])
    }

    @Test(
        "a range that means something else, or is wider than any node's, is nobody's",
        arguments: [
            ("0.0.0.0/0", "pod-cidr-too-wide"), ("10.0.0.0/7", "pod-cidr-too-wide"), ("::/0", "pod-cidr-too-wide"),
            ("fc00::/7", "pod-cidr-too-wide"), ("fd00::/15", "pod-cidr-too-wide"), ("0.1.0.0/16", "pod-cidr-reserved"),
            ("127.0.0.0/8", "pod-cidr-reserved"), ("127.0.0.1/32", "pod-cidr-reserved"),
            ("169.254.1.0/24", "pod-cidr-reserved"), ("169.0.0.0/8", "pod-cidr-reserved"),
            ("224.0.0.0/8", "pod-cidr-reserved"), ("240.1.0.0/16", "pod-cidr-reserved"),
            ("255.255.255.255/32", "pod-cidr-reserved"), ("::1/128", "pod-cidr-reserved"), ("::/64", "pod-cidr-reserved"),
            ("fe80::/64", "pod-cidr-reserved"), ("febf::/16", "pod-cidr-reserved"), ("ff02::/16", "pod-cidr-reserved"),
            ("10.0.0.0/8", ""), ("100.64.0.0/10", ""), ("223.255.255.0/24", ""), ("169.253.0.0/16", ""), ("1.0.0.0/24", ""),
            ("fd00::/16", ""), ("fec0::/16", ""), ("2001:db8::/32", ""), ("::2/128", ""),
        ])
    func reservedRanges(_ range: String, _ problem: String) throws {
        let snapshot = Snapshot(of: [try node("n1", at: ["192.0.2.1", "2001:db9::1"], pods: [range])])
        #expect(snapshot.problems.map(\.id.rawValue) == (problem.isEmpty ? [] : [problem]))
        #expect(snapshot.members["n1"]?.podPrefixes.map(\.description) == (problem.isEmpty ? [range] : []))
        if !problem.isEmpty {
            let message = try #require(snapshot.problems.first).description
            #expect(
                message.contains("Node n1: its pod range spec.podCIDRs \(range)") && message.contains("; give the node a range"))
        }
    }

    @Test("a range that holds a node's address is refused, whosever address it is and wherever in the range")
    func holdsNode() throws {
        let later = "2026-01-01T00:00:00Z"
        let nodes = try [
            node("a", at: ["192.0.2.1", "2001:db8::1"], pods: ["10.244.1.0/24"]),
            node("b", at: ["192.0.2.9"], pods: ["192.0.2.0/29"], since: later),
            node("c", at: ["198.51.100.255"], pods: ["198.51.100.0/24", "10.244.3.0/24"], since: later),
            node("d", at: ["203.0.113.1"], pods: ["2001:db8::/32"], since: later),
            node("e", at: ["192.0.2.1"], pods: ["192.0.2.1/32"], since: later),
        ]
        let text = """
            a at ["192.0.2.1", "2001:db8::1"] pods ["10.244.1.0/24"]
            b at ["192.0.2.9"] pods []
            c at ["198.51.100.255"] pods ["10.244.3.0/24"]
            d at ["203.0.113.1"] pods []
            e at [] pods []
            pod-cidr-holds-node Node b: its pod range spec.podCIDRs 192.0.2.0/29 holds 192.0.2.1, the address of node a
            pod-cidr-holds-node Node c: its pod range spec.podCIDRs 198.51.100.0/24 holds 198.51.100.255, the address of node c
            pod-cidr-holds-node Node d: its pod range spec.podCIDRs 2001:db8::/32 holds 2001:db8::1, the address of node a
            node-address-shared Node e: its address 192.0.2.1 is also the address of node a
            pod-cidr-holds-node Node e: its pod range spec.podCIDRs 192.0.2.1/32 holds 192.0.2.1, the address of node e
            """
        #expect(Snapshot(of: nodes).text == text)
        #expect(Snapshot(of: nodes.reversed()).text == text)
    }

    // A node's own kubelet writes its addresses: one inside another node's range must not take that node's running pods away.
    @Test("a later node's address inside an earlier one's range falls away, and the range stays")
    func addressInRange() throws {
        let nodes = try [
            node("a", at: ["192.0.2.1"], pods: ["10.244.1.0/24"]),
            node("b", at: ["10.244.1.7"], pods: ["10.244.2.0/24"], since: "2026-01-01T00:00:00Z"),
        ]
        #expect(
            Snapshot(of: nodes).text == """
                a at ["192.0.2.1"] pods ["10.244.1.0/24"]
                b at [] pods ["10.244.2.0/24"]
                node-address-in-pod-cidr Node b: its address 10.244.1.7 is in 10.244.1.0/24, the pod range of node a
                node-without-address Node b: it has pods of IPv4 and no IPv4 address of its own
                """)
    }

    @Test("members never share an address nor overlap, and every claim that fell away is a problem", arguments: Seed.fresh(20))
    func disjoint(_ seed: Seed) throws {
        var seed = seed
        let nodes = try (0..<20).map { try randomNode("n\($0)", &seed) }
        let snapshot = Snapshot(of: nodes)
        let prefixes = snapshot.members.values.flatMap(\.podPrefixes)
        for (index, prefix) in prefixes.enumerated() {
            for other in prefixes[(index + 1)...] { #expect(!prefix.overlaps(other), "\(prefix) and \(other)") }
        }
        let addresses = snapshot.members.values.flatMap(\.addresses)
        #expect(Set(addresses).count == addresses.count)
        // Each claim that fell away has its problem; a range that is listed twice may have one for both.
        for node in nodes {
            var fallen = node.spec.podCIDRs
            for prefix in snapshot.members[node.metadata.name]?.podPrefixes ?? [] {
                if let index = fallen.firstIndex(of: prefix) { fallen.remove(at: index) }
            }
            let problems = snapshot.problems.count {
                $0.subject == node.key && [.podCIDROverlap, .podCIDRHoldsNode].contains($0.id)
            }
            #expect((Set(fallen).count...max(fallen.count, Set(fallen).count)).contains(problems), "\(node.metadata.name)")
        }
        for address in addresses { #expect(!prefixes.contains { $0.contains(address) }, "\(address)") }
    }
}

/// A node out of a small world, so that many are at odds.
func randomNode(_ name: String, _ seed: inout Seed) throws -> Node {
    let addresses = (0..<seed.number(below: 3)).map { _ in
        seed.chance(1, in: 2) ? "192.0.2.\(seed.number(below: 20))" : "2001:db8::\(seed.number(below: 20))"
    }
    let pods = (0..<seed.number(below: 3)).map { _ in
        let length = [8, 16, 20, 24][seed.number(below: 4)]
        let number = UInt32(10) << 24 | UInt32(seed.number(below: 64)) << 18 | UInt32(seed.number(below: 16)) << 8
        return seed.chance(3, in: 4)
            ? IPPrefix(.v4(IPv4Address(rawValue: number)), length: length).description
            : "2001:db8:\(seed.number(below: 5))::/\([48, 64][seed.number(below: 2)])"
    }
    let timestamp = seed.chance(1, in: 3) ? nil : "2026-01-0\(1 + seed.number(below: 3))T00:00:00Z"
    return try node(name, at: addresses, pods: pods, since: timestamp)
}
