import Addressing
import Cluster
import HostNetwork
import KubeAPI
import NFTables
import Plan
import Testing

@Suite("the plan of a node")
struct NodePlanTests {
    @Test("a peer outside the segment has no road and is a problem, of that family alone")
    func offSegment() throws {
        let far = try node(2, at: ["203.0.113.2", "2001:db8::2"])
        let part = NodePlan(try facts(1), [try node(1), far]).part(.peer("n2"))
        #expect(part.network.description == "route 2001:db8:1:2::/64 via 2001:db8::2 dev uplink proto 84 src 2001:db8::1\n")
        #expect(part.problems.map(\.id) == [.peerNotOnSegment])
        #expect(
            part.problems.first?.message
                == "its address 203.0.113.2 is not in 192.0.2.0/24, the segment of this node's uplink")
    }

    @Test("a node that the cluster does not know has no roads, no tables and no settings, keeps its pods and says so")
    func unknown() throws {
        let plan = NodePlan(try facts(1), [try node(2)], [try attachment("web", ["10.244.1.1"])])
        #expect(plan.own == nil)
        #expect(plan.whole.problems.map(\.id) == [.nodeUnknown])
        #expect(plan.whole.tables.isEmpty)
        #expect(plan.whole.network.routes.map(\.prefix.description) == ["10.244.1.1/32"])
        #expect(plan.whole.network.sysctls.count == 2, "of the pod's link")
    }

    @Test("forwarding is switched on for the families that this node has pods of")
    func settings() throws {
        func settings(_ pods: String...) throws -> [String] {
            NodePlan(try facts(1), [try node(1, pods: pods)]).whole.network.sysctls.map(\.path).sorted()
        }
        #expect(try settings() == [])
        #expect(try settings("10.244.1.0/24") == ["net/ipv4/ip_forward"])
        #expect(try settings("2001:db8:1:1::/64") == ["net/ipv6/conf/all/forwarding"])
        #expect(try settings("10.244.1.0/24", "2001:db8:1:1::/64") == NodePlan.settings.sorted())
    }

    @Test("links that live by router advertisements are told to go on, where IPv6 is forwarded")
    func advertisements() throws {
        var facts = try facts(1)
        facts.advertisedLinks = ["uplink"]
        let wanted = Sysctl("net/ipv6/conf/uplink/accept_ra", "2")
        #expect(NodePlan(facts, [try node(1)]).whole.network.sysctls.contains(wanted))
        #expect(!NodePlan(facts, [try node(1, pods: ["10.244.1.0/24"])]).whole.network.sysctls.contains(wanted))
    }

    @Test("a kernel without IPv6 gets nothing of it, and one problem says so")
    func withoutIPv6() throws {
        var facts = try facts(1)
        facts.families = [.v4]
        facts.uplinks = facts.uplinks.filter { $0.key.family == .v4 }
        let whole = NodePlan(facts, [try node(1), try node(2)]).whole
        #expect(whole.problems.map(\.id) == [.familyUnavailable])
        #expect(whole.problems.first?.message.contains("2001:db8:1:1::/64") == true)
        #expect(!whole.network.description.contains("ipv6") && !whole.network.description.contains("2001:"))
        #expect(Set(whole.tables.keys) == [Table.ID(.ip, "tulle-pods")])
        #expect(whole.network.routes.count == 2)
    }

    @Test("whether a key has a part is told without making all keys")
    func contains() throws {
        let plan = NodePlan(try facts(1), [try node(1), try node(2)], [try attachment("web", ["10.244.1.1"])])
        for key in plan.keys { #expect(plan.contains(key), "\(key)") }
        for key: NodePlan.Key in [.peer("n1"), .peer("n9"), .attachment(.init(container: "x", interface: "eth0"))] {
            #expect(!plan.contains(key) && !plan.keys.contains(key), "\(key)")
        }
    }

    @Test("an address of this node that is on no link makes no roads and is a problem")
    func addressMissing() throws {
        let plan = NodePlan(try facts(1), [try node(1, at: ["192.0.2.77", "2001:db8::1"]), try node(2)])
        #expect(plan.whole.problems.map(\.message) == ["its address 192.0.2.77 is on no link of this node"])
        #expect(plan.part(.peer("n2")).network.routes.map(\.prefix.family) == [.v6])
    }

    @Test("what is on this node's own link is its own, whichever older node claims it, and no road leads there")
    func ownAddress() throws {
        var thief = try node(2, at: ["192.0.2.1", "2001:db8::2"])
        thief.metadata.creationTimestamp = "2020-01-01T00:00:00Z"
        var own = try node(1)
        own.metadata.creationTimestamp = "2026-01-01T00:00:00Z"
        let plan = NodePlan(try facts(1), [own, thief, try node(3)])
        #expect(plan.own?.addresses.map(\.description) == ["192.0.2.1", "2001:db8::1"])
        #expect(
            plan.part(.peer("n3")).network.routes.map(\.description).sorted() == [
                "route 10.244.3.0/24 via 192.0.2.3 dev uplink proto 84 src 192.0.2.1",
                "route 2001:db8:1:3::/64 via 2001:db8::3 dev uplink proto 84 src 2001:db8::1",
            ])
        let part = plan.part(.peer("n2"))
        #expect(part.network.routes.map(\.prefix.description) == ["2001:db8:1:2::/64"])
        #expect(part.problems.map(\.message) == ["its address 192.0.2.1 is on this node's own uplink"])
        #expect(part.problems.map(\.id) == [.nodeAddressShared])
        // Where it is on no link of ours, the older node has it.
        let elsewhere = NodePlan(try facts(3), [own, thief, try node(3)])
        #expect(elsewhere.part(.peer("n1")).network.routes.map(\.prefix.family) == [.v6])
        #expect(elsewhere.part(.peer("n2")).network.routes.count == 2)
    }

    @Test("a range on a segment of this node makes no road, no pool and no element, and says so")
    func onSegment() throws {
        let (own, peer) = try (
            node(1, pods: ["192.0.2.128/25", "10.244.1.0/24"]), node(2, pods: ["192.0.0.0/16", "10.244.2.0/24"])
        )
        let plan = NodePlan(try facts(1), [own, peer, try node(3, at: ["192.0.3.3"], pods: ["2001:db8:0:0:8::/80"])])
        #expect(plan.own?.podPrefixes.map(\.description) == ["10.244.1.0/24"])
        #expect(plan.whole.network.routes.map(\.prefix).sorted().map(\.description) == ["10.244.1.0/24", "10.244.2.0/24"])
        let table = try #require(plan.whole.tables[Table.ID(.ip, "tulle-pods")]).text
        #expect(!table.contains("192.0.2.128") && !table.contains("192.0.0.0"))
        #expect(plan.part(.node).problems.map(\.id) == [.podCIDROnSegment])
        #expect(
            plan.part(.peer("n3")).problems.map(\.message) == [
                "its pod range spec.podCIDRs 2001:db8:0:0:8::/80 overlaps 2001:db8::/64, the segment of this node's uplink"
            ])
    }

    @Test("without the overlay there are no roads; without the pods nothing of pods, their ranges and their tables")
    func duties() throws {
        let (nodes, pods) = try ([node(1), node(2)], [attachment("web", ["10.244.1.1"])])
        func plan(_ duties: Set<Duty>) throws -> NodePlan {
            var snapshot = Snapshot()
            snapshot.replace(with: nodes)
            let known = duties.contains(.pods) ? pods : []
            return NodePlan(
                facts: try facts(1), snapshot: snapshot, attachments: Dictionary(known.map { ($0.id, $0) }) { $1 }, duties: duties
            )
        }
        let (roads, home, whole) = try (plan([.overlay]).whole, plan([.pods]).whole, plan(.all).whole)
        #expect(roads.network.routes.map(\.prefix).sorted().map(\.description) == ["10.244.2.0/24", "2001:db8:1:2::/64"])
        #expect(roads.network.links.isEmpty && roads.tables.isEmpty && roads.network.sysctls.count == 2)
        #expect(
            home.network.routes.map(\.prefix).sorted().map(\.description) == [
                "10.244.1.0/24", "10.244.1.1/32", "2001:db8:1:1::/64",
            ])
        #expect(home.network.links.count == 1 && home.tables == whole.tables)
        #expect(home.network.sysctls.count == 4, "two of forwarding, two of the pod's link")
        #expect(try plan([.overlay]).part(.masquerade(.v4)).isEmpty && plan([.overlay]).part(.peer("n2")).elements.isEmpty)
        // Without roads another node has its place in the table all the same.
        let other = try plan([.pods]).part(.peer("n2"))
        #expect(other.network.isEmpty && other.problems.isEmpty && other.elements.count == 4)
    }

    @Test("an agent without the pods does not look at their links, nor at what stands on them")
    func blind() throws {
        let pod = PodNetwork(try attachment("web", ["10.244.1.1"])).node
        let unreachable = Object.route(Route(try net("10.244.1.0/24"), .unreachable, proto: PacketPath.routeProtocol))
        let road = Object.route(
            Route(try net("10.244.2.0/24"), via: try ip("192.0.2.2"), device: "uplink", proto: PacketPath.routeProtocol))
        let (roads, pods): (Set<Duty>, Set<Duty>) = ([.overlay], [.pods])
        for object in pod.objects.values { #expect(!roads.concern(object) && pods.concern(object)) }
        #expect(!roads.concern(unreachable) && roads.concern(road) && pods.concern(unreachable))
        #expect(roads.concern(.link(Link("tlan0", .bridge))))
    }

    @Test("a family that this node has no pods of has no table")
    func oneFamily() throws {
        let plan = NodePlan(try facts(1), [try node(1, pods: ["10.244.1.0/24"]), try node(2)])
        #expect(Set(plan.whole.tables.keys) == [Table.ID(.ip, "tulle-pods")])
    }

    @Test("what is not there has an empty part")
    func empty() throws {
        let plan = NodePlan(try facts(1), [try node(1)])
        #expect(plan.part(.peer("n9")).isEmpty && plan.part(.peer("n1")).isEmpty)
        #expect(plan.part(.attachment(.init(container: "x", interface: "eth0"))).isEmpty)
    }

    // The route of the range and the route of the pod had one key: which of them stood depended on the order of a set.
    @Test("a range of one address is its pod's")
    func tinyRange() throws {
        let plan = NodePlan(try facts(1), [try node(1, pods: ["10.244.1.1/32"])], [try attachment("web", ["10.244.1.1"])])
        let link = try #require(plan.attachments.values.first).link
        #expect(plan.whole.network.routes.map(\.description) == ["route 10.244.1.1/32 dev \(link) proto 84 scope link"])
        #expect(plan.part(.node).network.routes.isEmpty)
    }

    @Test(
        "the whole is the union of the parts, and parts of different keys never speak of the same thing", arguments: Seed.fresh(8)
    )
    func union(_ seed: Seed) throws {
        var world = RandomWorld(seed)
        world.chooseBackend()
        for _ in 0..<40 {
            try world.step()
            let plan = try world.plan()
            let parts = plan.keys.map(plan.part)
            let whole = plan.whole
            #expect(whole.network.count == parts.reduce(0) { $0 + $1.network.count })
            #expect(whole.tables.count == parts.reduce(0) { $0 + $1.tables.count })
            #expect(Set(whole.network.objects.values) == Set(parts.flatMap { $0.network.objects.values }))
            #expect(whole.problems.sorted() == parts.flatMap(\.problems).sorted())
            let elements = parts.reduce(0) { sum, part in
                sum + part.tables.values.reduce(0) { $0 + $1.elementCount } + part.elements.values.reduce(0) { $0 + $1.count }
            }
            #expect(whole.tables.values.reduce(0) { $0 + $1.elementCount } == elements && whole.elements.isEmpty)
        }
    }

    @Test("planning the keys of what was touched comes to what planning everything comes to", arguments: Seed.fresh(16))
    func keyed(_ seed: Seed) throws {
        var world = RandomWorld(seed)
        world.chooseBackend()
        let start = try world.plan()
        var parts = Dictionary(uniqueKeysWithValues: start.keys.map { ($0, start.part($0)) })
        for _ in 0..<60 {
            let touched = try world.step()
            let plan = try world.plan()
            let dirty = touched.contains(.node("n1")) ? plan.keys.union(parts.keys) : Set(touched.flatMap(NodePlan.keys))
            for key in dirty.union(world.changedAttachments.map(NodePlan.Key.attachment)) {
                parts[key] = plan.keys.contains(key) ? plan.part(key) : nil
            }
            try #require(parts == Dictionary(uniqueKeysWithValues: plan.keys.map { ($0, plan.part($0)) }))
        }
    }

    @Test("settling the whole again changes nothing, and a node that went takes its routes along and no other's")
    func settles() throws {
        let pod = MemoryHost()
        let host = try host(1)
        host.namespaces[PodNetwork.podNamespace] = pod
        var tables = MemoryTables()
        let foreign = "route 203.0.113.0/24 via 192.0.2.250 dev uplink proto 4"
        let web = try attachment("web", ["10.244.1.1", "2001:db8:1:1::1"])
        for (nodes, changes) in [
            ([1, 2, 3], true), ([1, 2, 3], false), ([1, 3], true), ([1, 3], false), ([], true), ([1, 2], true),
        ] {
            let whole = NodePlan(try facts(1), try nodes.map { try node($0) }, [web]).whole
            let done = try host.settle(whole.network, owned: NodePlan.ownership)
            #expect(done.refusals.isEmpty, "\(done.refusals)")
            #expect(done.changes.isEmpty == !changes)
            for id in NodePlan.tables { #expect(try tables.settle(id, to: whole.tables[id]).isEmpty == !changes) }
            let lines = host.state.description.split(separator: "\n").map(String.init)
            #expect(lines.contains(foreign))
            #expect(lines.contains { $0.hasPrefix("route 10.244.2.0/24") } == (nodes.contains(2) && nodes.contains(1)))
            #expect(lines.contains { $0.hasPrefix("route 10.244.1.1/32") })
            for id in NodePlan.tables { #expect(try tables.observe(id)?.table == whole.tables[id]) }
        }
        let inPod = try pod.settle(PodNetwork(web).pod, owned: Ownership(links: ["lo", "eth0"], proto: PacketPath.routeProtocol))
        #expect(inPod.refusals.isEmpty, "\(inPod.refusals)")
        let again = try pod.settle(PodNetwork(web).pod, owned: Ownership(links: ["lo", "eth0"], proto: PacketPath.routeProtocol))
        #expect(again.changes.isEmpty)
        // Without the attachment the link goes, and the pod's end with it.
        _ = try host.settle(
            NodePlan(try facts(1), [try node(1)]).whole.network, owned: NodePlan.ownership(links: [web.link]))
        #expect(host.state.link(web.link) == nil && pod.state.link("eth0") == nil)
    }
}

extension Table {
    fileprivate var elementCount: Int { sets.values.reduce(0) { $0 + $1.elements.count } }
}

/// A small cluster that changes by chance, as node n1 sees it.
struct RandomWorld {
    private var seed: Seed
    private var snapshot = Snapshot()
    private var attachments: [Plan.Attachment.ID: Plan.Attachment] = [:]
    private(set) var changedAttachments: [Plan.Attachment.ID] = []

    init(_ seed: Seed) { self.seed = seed }

    /// Host gateways, unless something else is chosen by chance.
    private var network = NetworkSettings()

    mutating func chooseBackend() {
        switch seed.number(below: 4) {
        case 0: network.backend = .hostGateway
        case 1: network.backend = .none
        case 2: network.backend = .vxlan(.init())
        default: network.backend = .vxlan(.init(isDirectOnSegment: true))
        }
        network.masquerades = seed.chance(3, in: 4)
    }

    func plan() throws -> NodePlan {
        NodePlan(facts: try facts(1), snapshot: snapshot, attachments: attachments, network: network)
    }

    /// - Returns: what the change touched.
    @discardableResult
    mutating func step() throws -> Set<Snapshot.Subject> {
        changedAttachments = []
        let number = 1 + seed.number(below: 5)
        switch seed.number(below: 6) {
        case 0: return snapshot.remove(try node(number).key)
        case 1, 2:
            let changed = try attachment("c\(number)", ["10.244.1.\(number)", "2001:db8:1:1::\(number)"])
            changedAttachments = [changed.id]
            attachments[changed.id] = seed.chance(2, in: 3) ? changed : nil
            return []
        default:
            let segments =
                switch seed.number(below: 8) {
                case 0: ["203.0.113.\(number)"]
                case 1: ["2001:db8::\(number)"]
                default: ["192.0.2.\(number)", "2001:db8::\(number)"]
                }
            let other = 1 + seed.number(below: 5)
            let pods = seed.chance(3, in: 4) ? nil : ["10.244.\(other).0/24"]
            return snapshot.set(try node(number, at: segments, pods: pods))
        }
    }
}
