import Addressing
import HostNetwork
import Netlink
import Testing

@testable import HostNetworkKernel

@Suite("the kernel's end", .tags(.kernel), .enabled(if: hasKernel, "needs root"))
struct KernelHostTests {
    /// A pod's end of a link, up, and the node's.
    private func pod() throws -> (pod: NetworkNamespace, end: KernelHost, node: KernelHost) {
        let pod = try NetworkNamespace.new()
        let (node, end) = (try KernelHost(.new()), try KernelHost(pod))
        node.namespaces["pod"] = pod
        try node.accept(.add(veth("tl1", peer: "eth0", in: "pod")))
        let eth0 = try #require(try end.observe(Interest([])).link("eth0"))
        var up = eth0
        up.isUp = true
        try end.accept(.change(from: .link(eth0), to: .link(up)))
        try node.settleCarrier(of: "tl1")
        return (pod, end, node)
    }

    @Test("an IPv6 address that has settled receives")
    func settled() throws {
        let (pod, end, node) = try pod()
        defer { withExtendedLifetime(node) {} }
        let socket = try NetlinkSocket(.route, in: pod)
        for number in 1...50 {
            let one = try ip("2001:db8::\(number)")
            try end.accept(.add(try address("2001:db8::\(number)/128", on: "eth0")))
            try end.settleAddress(one)
            let answer = try socket.get(RouteMessage(IPPrefix(host: one)).request(.get, operation: "look up \(one)"))
            #expect(RouteMessage(answer)?.type == 2, "RTN_LOCAL")
        }
    }

    private func localRoutes(_ socket: NetlinkSocket, _ address: IPAddress) throws -> [RouteMessage] {
        try socket.list(RouteMessage(all: .v6, table: 255), operation: "list local routes")
            .filter { $0.destination == IPPrefix(host: address) }
    }

    // On a busy machine ADD failed with "no local route for it within a second": the kernel's work queue was behind.
    @Test("an IPv6 address receives although the kernel has not come to its route, and the kernel's own route still comes")
    func standIn() throws {
        let (pod, end, node) = try pod()
        defer { withExtendedLifetime(node) {} }
        let socket = try NetlinkSocket(.route, in: pod)
        let one = try ip("2001:db8::1")
        try end.accept(.add(try address("2001:db8::1/128", on: "eth0")))
        while try localRoutes(socket, one).isEmpty {}
        // As it is before the queue has run.
        let own = try #require(try localRoutes(socket, one).first)
        try socket.perform(own.request(.remove, operation: "remove the kernel's route"))
        try end.settleAddress(one)
        try end.settleAddress(one)
        #expect(try localRoutes(socket, one).map(\.proto) == [3], "ours, once")

        let two = try ip("2001:db8::2")
        try socket.perform(end.standIn(for: two, on: try #require(own.link)).request(.create, operation: "make a route"))
        try end.accept(.add(try address("2001:db8::2/128", on: "eth0")))
        while try localRoutes(socket, two).count < 2 {}
        #expect(try localRoutes(socket, two).map(\.proto) == [2, 3], "the kernel's own comes first")

        // A node that got another address went on to answer at the old one.
        try end.accept(.remove(try address("2001:db8::2/128", on: "eth0")))
        try end.unsettleAddress(two)
        try end.unsettleAddress(two)
        while !(try localRoutes(socket, two).isEmpty) {}
    }

    @Test("an IPv6 address that cannot settle is told of, with the reason")
    func unsettled() throws {
        let (_, end, node) = try pod()
        defer { withExtendedLifetime(node) {} }
        #expect { try end.settleAddress(ip("2001:db8::1")) } throws: { Errno.addressNotAvailable ~= $0 }
        var detecting = Address(try #require(InterfaceAddress("2001:db8::3/128")), on: "eth0")
        detecting.detectsDuplicates = true
        try end.accept(.add(.address(detecting)))
        #expect { try end.settleAddress(ip("2001:db8::3")) } throws: { Errno.busy ~= $0 }
    }

    @Test("the carrier of a link that is not there does not settle")
    func noLink() throws {
        let host = try KernelHost(.new())
        #expect { try host.settleCarrier(of: "none") } throws: { Errno.noSuchDevice ~= $0 }
    }

    @Test("a refusal is the kernel's error, number and words")
    func refusal() throws {
        let host = try KernelHost(.new())
        let refusal = try #require(try host.apply([.add(.link(Link("x", .other("no-such-kind"))))]).first)
        #expect(
            refusal.kernelError.description == "add link x no-such-kind up: operation not supported (kernel: Unknown device type)"
        )
        #expect(Errno.notSupported ~= refusal.kernelError)
    }

    @Test(
        "no setting outside the network is written",
        arguments: ["kernel/hostname", "net/../kernel/hostname", "/net/ipv4", "net//x"])
    func settings(_ path: String) throws {
        let refusals = try KernelHost(.new()).apply([.add(.sysctl(Sysctl(path, "x")))])
        #expect(refusals.map(\.code) == [.invalid])
    }

    /// An agent that looked while a pod was attached took the route without a link for a stray one: the pod lost its route.
    @Test("what stands on a link that came while the look was under way is left out whole")
    func halfSeen() throws {
        let host = try KernelHost(.new())
        let observation = try Observation(NetlinkSocket(.route, in: host.namespace), Interest())
        try host.accept(
            .add(veth("tl1", peer: "tl2")), .add(try address("192.0.2.1/24", on: "tl1")),
            .add(.neighbour(Neighbour(try ip("192.0.2.7"), on: "tl1", .mac(mac(7))))),
            .add(try route("198.51.100.7/32", dev: "tl1")),
            .add(try route("2001:db8::7/128", dev: "tl1")), .add(try route("203.0.113.0/24", .unreachable)))
        let seen = try observation.state(with: []).filter { if case .link = $0 { false } else { true } }
        #expect(seen.description == "route unreachable 203.0.113.0/24 proto 84\n")
    }

    /// A node beside a router has a million of others' routes, and thousands of neighbours.
    @Test("what is not asked for does not come: the kernel sorts it out")
    func messages() throws {
        let host = try KernelHost(.new())
        try host.accept(.add(veth("a", peer: "b")), .add(veth("tl1", peer: "c")), .add(try route("198.51.100.1/32", dev: "tl1")))
        try host.accept(.add(.neighbour(Neighbour(try ip("198.51.100.1"), on: "tl1", .mac(mac(1))))))
        func cost() throws -> Int {
            let before = host.messageCount
            let state = try host.observe(
                Interest(
                    [.addresses, .neighbours, .routes], neighbourLinks: ["tl1"], routeProtocols: [84, 9],
                    routeTables: [Route.mainTable]))
            #expect(state.routes.count == 1)
            return host.messageCount - before
        }
        let alone = try cost()
        for number in 1...200 {
            try host.accept(
                .add(try route("203.0.113.\(number)/32", dev: "a", proto: 186)),
                .add(try route("2001:db8::\(number)/128", dev: "a", proto: 186)),
                .add(.neighbour(Neighbour(try ip("192.0.2.\(number)"), on: "a", .mac(mac(2))))))
        }
        #expect(try cost() == alone)
        let before = host.messageCount
        _ = try host.observe(Interest([.neighbours, .routes]))
        #expect(host.messageCount - before > 600)
    }

    @Test("a second settling sends nothing that changes the kernel")
    func quiet() throws {
        let namespace = try NetworkNamespace.new()
        let host = try KernelHost(namespace)
        host.namespaces["pod"] = try .new()
        let desired = try Clause.node()
        #expect(try host.settle(desired, owned: Clause.ours).refusals == [])
        // Every group of rtnetlink there is: links, neighbours, addresses, routes, rules.
        let subscription = try Subscription(.route, groups: [1, 3, 5, 7, 8, 9, 11, 19], in: namespace)
        #expect(try host.settle(desired, owned: Clause.ours).changes == [])
        while case .messages(let messages)? = try subscription.next(timeout: .zero) {
            // Only what the kernel does by itself, such as link-local addresses becoming usable.
            #expect(messages.allSatisfy { RouteMessage($0)?.proto != 84 })
        }
    }
}
