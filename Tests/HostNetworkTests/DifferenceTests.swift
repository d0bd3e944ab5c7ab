import Addressing
import HostNetwork
import Testing

@Suite("differences")
struct DifferenceTests {
    private let ours = Ownership(linkPrefixes: ["tl"], proto: 84)

    private func steps(_ observed: State, _ desired: State, keys: Set<Key>? = nil) -> [String] {
        difference(from: observed, to: desired, owned: ours, keys: keys).map(\.description)
    }

    @Test("equal states differ in nothing")
    func equal() throws {
        let state = try Clause.node()
        #expect(steps(state, state) == [])
    }

    @Test("objects come to be in an order the kernel accepts, and go in the reverse")
    func order() throws {
        let state: State = [
            try route("203.0.113.0/24", via: "192.0.2.9", dev: "tl1"), try route("192.0.2.9/32", dev: "tl1"),
            try address("198.51.100.1/32", on: "eth0", proto: 84),
            .rule(Rule(.v4, priority: 1, table: 7, proto: 84)), try address("192.0.2.1/32", on: "tl1"),
            .sysctl(Sysctl("net/ipv4/conf/tl1/forwarding", "1")), .link(Link("tl1", .bridge)),
        ]
        let forward = [
            "link tl1 bridge up", "sysctl net/ipv4/conf/tl1/forwarding = 1", "address 198.51.100.1/32 dev eth0 proto 84",
            "address 192.0.2.1/32 dev tl1", "route 192.0.2.9/32 dev tl1 proto 84 scope link",
            "route 203.0.113.0/24 via 192.0.2.9 dev tl1 proto 84", "rule 1 IPv4 table 7 proto 84",
        ]
        #expect(steps([], state) == forward.map { "+ \($0)" })
        // What stands on the link goes with it, and a setting cannot go by itself.
        #expect(
            steps(state, []) == [
                "- rule 1 IPv4 table 7 proto 84", "- address 198.51.100.1/32 dev eth0 proto 84", "- link tl1 bridge up",
            ])
    }

    @Test("what a desired link does not say is right as it is")
    func unsaid() {
        let observed: State = [.link(Link("tl1", .bridge, mac: mac(1), mtu: 1400, alias: "x", makesLinkLocal: true))]
        #expect(steps(observed, [.link(Link("tl1", .bridge))]) == [])
        #expect(steps(observed, [.link(Link("tl1", .bridge, mtu: 1300))]) == ["~ link tl1 bridge up mtu 1300"])
    }

    @Test("only the keys are looked at, and what goes along with them")
    func keyed() throws {
        let observed: State = [
            vxlan("tl.v", id: 1), try address("192.0.2.1/32", on: "tl.v"), try route("198.51.100.0/24", dev: "eth0"),
        ]
        let desired: State = [vxlan("tl.v", id: 2), try address("192.0.2.1/32", on: "tl.v"), veth("tl1", peer: "p")]
        #expect(steps(observed, desired, keys: []) == [])
        #expect(
            steps(observed, desired, keys: [.link("tl.v")]).map { $0.prefix(12) } == [
                "- link tl.v ", "+ link tl.v ", "+ address 19",
            ])
        let gone = Key.route(Route.Key(try net("198.51.100.0/24")))
        #expect(steps(observed, desired, keys: [gone]) == ["- route 198.51.100.0/24 dev eth0 proto 84 scope link"])
    }

    @Test("what is not ours is neither changed nor removed")
    func foreign() throws {
        let observed: State = [
            .link(Link("eth0", .other(""))), try address("192.0.2.1/24", on: "eth0"),
            try route("0.0.0.0/0", via: "192.0.2.2", dev: "eth0", proto: 3),
            .neighbour(Neighbour(try ip("192.0.2.2"), on: "eth0", .mac(mac(2)))),
            .rule(Rule(.v4, priority: 1, table: 7, proto: 0)), .sysctl(Sysctl("net/ipv4/ip_forward", "1")),
        ]
        #expect(steps(observed, []) == [])
        #expect(
            steps(observed, [try route("0.0.0.0/0", .blackhole)]) == ["+ route blackhole 0.0.0.0/0 proto 84"],
            "tried, so that the kernel's refusal tells of the conflict")
    }

    @Test("each way of owning an object counts")
    func ownership() throws {
        let all = Ownership(links: ["br0"], linkPrefixes: ["tl"], proto: 84, rulePriorities: 10...20)
        let mine: [Object] = [
            .link(Link("br0", .bridge)), .link(Link("tl1", .bridge)), try address("192.0.2.1/24", on: "tl1"),
            try address("192.0.2.1/24", on: "eth0", proto: 84), try route("0.0.0.0/0", .blackhole, proto: 84),
            .rule(Rule(.v4, priority: 15, table: 7, proto: 0)), .rule(Rule(.v4, priority: 5, table: 7, proto: 84)),
            .neighbour(Neighbour(try ip("192.0.2.2"), on: "tl1", .proxy)),
            .forwarding(Forwarding(mac(1), on: "tl1", to: try ip("192.0.2.2"))),
        ]
        for object in mine { #expect(all.owns(object), "\(object)") }
        for object in mine { #expect(Ownership().owns(object) == false, "\(object)") }
        #expect(!all.owns(try route("0.0.0.0/0", dev: "tl1", proto: 3)), "a route on our link that another made")
    }

    @Test("random states lead to each other, and a second time to nothing", arguments: 0..<200 as Range<UInt64>)
    func random(seed: UInt64) throws {
        var random = SplitMix(seed)
        let host = MemoryHost()
        for _ in 0..<4 {
            let desired = try state(&random)
            let (changes, refusals) = try host.settle(desired, owned: Clause.ours)
            #expect(refusals.isEmpty, "seed \(seed): \(refusals) of \(changes)")
            let left = difference(from: host.state, to: desired, owned: Clause.ours)
            #expect(left.isEmpty, "seed \(seed)")
        }
    }

    @Test(
        "random states come out the same in memory and in the kernel", .tags(.kernel), .enabled(if: hasKernel, "needs root"),
        arguments: 0..<30 as Range<UInt64>)
    func oracle(seed: UInt64) throws {
        var random = SplitMix(seed)
        let memory = Stage.inMemory().node
        let kernel = try Stage.inKernel().node
        for _ in 0..<3 {
            let desired = try state(&random)
            let wanted = try memory.settle(desired, owned: Clause.ours).changes.map(\.object.key)
            let (changes, refusals) = try kernel.settle(desired, owned: Clause.ours)
            #expect(refusals.isEmpty, "seed \(seed): \(refusals)")
            #expect(changes.map(\.object.key) == wanted, "seed \(seed)")
            let again = try kernel.settle(desired, owned: Clause.ours).changes.map(\.description)
            #expect(again == [], "seed \(seed) after \(changes.map(\.description).joined(separator: "\n"))")
            let objects = try [kernel, memory].map { end in
                try end.observe(Interest()).filter { if case .link = $0 { false } else { true } }.description
            }
            #expect(objects[0] == objects[1], "seed \(seed)")
        }
    }

    /// Any part of a handful of objects that stand on each other.
    private func state(_ random: inout SplitMix) throws -> State {
        var state = State()
        for (number, name) in ["tl1", "tl2", "tl3"].enumerated() where Bool.random(using: &random) {
            let isOverlay = number == 2
            let kind: Link.Kind =
                isOverlay ? .vxlan(Link.Overlay(id: .random(in: 1...2, using: &random), port: 8472)) : .bridge
            state.insert(.link(Link(name, kind, mtu: Bool.random(using: &random) ? 1400 : nil)))
            let octet = number + 1
            for host in 1...2 where Bool.random(using: &random) {
                state.insert(try address("192.0.\(octet).\(host)/\(Bool.random(using: &random) ? 24 : 25)", on: name))
            }
            if state.addresses.contains(where: { $0.link == name }) {
                state.insert(try route("198.51.\(octet).0/24", via: "192.0.\(octet).9", dev: name, onlink: true))
            }
            if Bool.random(using: &random) { state.insert(try route("203.0.\(octet).0/24", dev: name)) }
            if Bool.random(using: &random) { state.insert(.neighbour(Neighbour(try ip("192.0.2.9"), on: name, .proxy))) }
        }
        return state
    }
}

/// A small random generator with a seed.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
