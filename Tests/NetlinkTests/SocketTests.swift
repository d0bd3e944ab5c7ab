import Addressing
import Glibc
import Testing

@testable import Netlink

@Suite("a socket and the kernel", .tags(.kernel), .enabled(if: hasKernel, "needs root"))
struct SocketTests {
    private func bridge(_ name: String) -> NetlinkRequest {
        LinkMessage(name: name, kind: .bridge).request(.create, operation: "add link \(name)")
    }

    private func names(_ socket: NetlinkSocket) throws -> [String] {
        try socket.links().compactMap(\.name).filter { $0.hasPrefix("br") }.sorted()
    }

    @Test("a batch goes on after an error in the middle, and each request has its own answer")
    func batch() throws {
        let socket = try NetlinkSocket(.route, in: .new())
        let outcomes = try socket.perform([bridge("br0"), bridge("br1"), bridge("br1"), bridge("br2"), bridge("br0")])
        #expect(outcomes.map { $0?.code } == [nil, nil, .fileExists, nil, .fileExists])
        #expect(outcomes[2]?.operation == "add link br1")
        #expect(try names(socket) == ["br0", "br1", "br2"])
        #expect(try socket.perform([]).isEmpty)
    }

    @Test("a batch larger than one datagram comes back in order")
    func largeBatch() throws {
        let socket = try NetlinkSocket(.route, in: .new())
        let lo = try socket.link(named: "lo").index
        var up = LinkMessage(index: lo)
        up.isUp = true
        #expect(try socket.perform([up.request(.change, operation: "")]) == [nil])
        let requests = try (0..<1000).map { number in
            // Every hundredth is there already.
            let last = number % 100 == 99 ? number - 1 : number
            var route = RouteMessage(IPPrefix(host: try #require(IPAddress("198.18.\(last / 250).\(last % 250)"))))
            (route.type, route.scope, route.proto, route.table, route.link) = (1, 253, 84, 254, lo)
            return route.request(.create, operation: "\(number)")
        }
        let refused = try socket.perform(requests).compactMap { $0 }
        #expect(refused.map(\.operation) == (1...10).map { "\($0 * 100 - 1)" })
        #expect(refused.allSatisfy { $0.code == .fileExists })
        #expect(try socket.list(RouteMessage(all: .v4, proto: 84), operation: "list routes").count == 990)
    }

    @Test("the kernel's own words are kept, with the place of the fault")
    func words() throws {
        let socket = try NetlinkSocket(.route, in: .new())
        var route = RouteMessage(.all(.v4))
        (route.type, route.proto, route.table, route.gateway) = (1, 84, 254, IPAddress("192.0.2.1"))
        let refused = try #require(try socket.perform([route.request(.create, operation: "add route")]).first ?? nil)
        #expect(refused.description == "add route: network is unreachable (kernel: Nexthop has invalid gateway)")
        let unknown = LinkMessage(name: "x", kind: .other("no-such-kind")).request(.create, operation: "add link")
        let kind = try #require(try socket.perform([unknown]).first ?? nil)
        #expect(kind.code == .notSupported && kind.explanation == "Unknown device type")
        #expect(kind.offset == nil || kind.offset ?? 0 > 16)
    }

    @Test("asking for one object answers with it, or says that it is not there")
    func get() throws {
        let socket = try NetlinkSocket(.route, in: .new())
        #expect(try socket.link(named: "lo").isLoopback)
        #expect { try socket.link(named: "none") } throws: { Errno.noSuchDevice ~= $0 }
        // The conversation goes on.
        #expect(try socket.link(named: "lo").isUp == false)
    }

    @Test("a dump that a change interrupted is repeated, and comes out whole")
    func interrupted() throws {
        let namespace = try NetworkNamespace.new()
        let reader = try NetlinkSocket(.route, in: namespace)
        let writer = try NetlinkSocket(.route, in: namespace)
        // More links than one datagram holds, so that the dump takes several calls.
        _ = try writer.perform((0..<100).map { bridge("br\($0)") })
        var restarts = 0
        var seen: Set<String> = []
        var hasChanged = false
        try reader.dump(
            LinkQuery().request(.get, operation: "list links"),
            restart: {
                restarts += 1
                seen.removeAll()
            },
            { message in
                if let name = LinkMessage(message)?.name { seen.insert(name) }
                guard !hasChanged else { return }
                hasChanged = true
                _ = try? writer.perform([bridge("br100")])
            })
        #expect(restarts == 1)
        #expect(seen.isSuperset(of: (0...100).map { "br\($0)" }))
    }

    @Test("a dump that never comes to rest gives up with words")
    func neverAtRest() throws {
        let namespace = try NetworkNamespace.new()
        let reader = try NetlinkSocket(.route, in: namespace)
        let writer = try NetlinkSocket(.route, in: namespace)
        _ = try writer.perform((0..<100).map { bridge("br\($0)") })
        var number = 100
        var isFirst = true
        #expect {
            try reader.dump(
                LinkQuery().request(.get, operation: "list links"), restart: { isFirst = true },
                { _ in
                    guard isFirst else { return }
                    isFirst = false
                    number += 1
                    _ = try? writer.perform([bridge("br\(number)")])
                })
        } throws: { Errno.busy ~= $0 }
        // What the last dump left unread does not answer the next request.
        #expect(try reader.link(named: "lo").name == "lo")
    }

    @Test("a socket stays in its namespace, and namespaces do not see each other")
    func namespaces() throws {
        let (one, other) = (try NetworkNamespace.new(), try NetworkNamespace.new())
        let socket = try NetlinkSocket(.route, in: one)
        _ = try socket.perform([bridge("br0")])
        #expect(try names(NetlinkSocket(.route, in: one)) == ["br0"])
        #expect(try names(NetlinkSocket(.route, in: other)) == [])
        #expect(one.identity != other.identity)
        #expect(try one.identity != NetworkNamespace.current().identity)
        // The calling thread went nowhere.
        let here = try NetworkNamespace.current().identity
        let there = try one.perform { () throws(KernelError) in try NetworkNamespace(path: "/proc/thread-self/ns/net").identity }
        #expect(there == one.identity)
        #expect(try NetworkNamespace.current().identity == here)
    }

    @Test("an error in a namespace comes out of it, and a file that is no namespace is refused")
    func namespaceErrors() throws {
        let namespace = try NetworkNamespace.new()
        #expect {
            try namespace.perform { () throws(KernelError) in throw KernelError(.busy, "try") }
        } throws: { Errno.busy ~= $0 }
        #expect { try NetworkNamespace(path: "/proc/self/ns/none") } throws: { Errno.noSuchObject ~= $0 }
        let file = NetworkNamespace(try .open("/dev/null"))
        #expect { try file.perform { () throws(KernelError) in } } throws: { Errno.invalidArgument ~= $0 }
    }

    @Test("whoever visits a namespace comes back, from a visit within a visit and after an error too")
    func visits() throws {
        let (one, other) = (try NetworkNamespace.new(), try NetworkNamespace.new())
        let home = try NetworkNamespace.current().identity
        let seen = try one.perform { () throws(KernelError) in
            let before = try NetworkNamespace.current().identity
            let inner = try other.perform { () throws(KernelError) in try NetworkNamespace.current().identity }
            try? other.perform { () throws(KernelError) -> Void in throw KernelError(.busy, "try") }
            return [before, inner, try NetworkNamespace.current().identity]
        }
        #expect(seen == [one.identity, other.identity, one.identity])
        #expect(try NetworkNamespace.current().identity == home)
    }

    @Test("a pair is made with its other end in another namespace in one message")
    func pair() throws {
        let (node, pod) = (try NetworkNamespace.new(), try NetworkNamespace.new())
        var peer = LinkMessage(name: "eth0")
        peer.namespace = pod
        peer.mac = MACAddress(local: 2)
        peer.mtu = 1450
        let pair = LinkMessage(name: "tl0", kind: .veth(peer: peer))
        #expect(try NetlinkSocket(.route, in: node).perform([pair.request(.create, operation: "")]) == [nil])
        let end = try NetlinkSocket(.route, in: pod).link(named: "eth0")
        #expect(end.mac == MACAddress(local: 2) && end.mtu == 1450 && end.peerNamespaceID != nil)
    }
}

@Suite("subscriptions", .tags(.kernel), .enabled(if: hasKernel, "needs root"))
struct SubscriptionTests {
    /// `RTNLGRP_LINK`
    private let links: UInt32 = 1

    private func bridge(_ number: Int) -> NetlinkRequest {
        LinkMessage(name: "br\(number)", kind: .bridge).request(.create, operation: "add link br\(number)")
    }

    @Test("a change is heard of, and silence is no event")
    func hears() throws {
        let namespace = try NetworkNamespace.new()
        let subscription = try Subscription(.route, groups: [links], in: namespace)
        #expect(try subscription.next(timeout: .zero) == nil)
        _ = try NetlinkSocket(.route, in: namespace).perform([bridge(0)])
        guard case .messages(let messages)? = try subscription.next(timeout: .seconds(5)) else {
            Issue.record("nothing was heard")
            return
        }
        #expect(messages.compactMap { LinkMessage($0)?.name } == ["br0"])
    }

    @Test("a subscriber that reads too late is told, looks again, and hears the next change")
    func overrun() throws {
        let namespace = try NetworkNamespace.new()
        let socket = try NetlinkSocket(.route, in: namespace)
        let subscription = try Subscription(.route, groups: [links], in: namespace)
        subscription.limitBuffer(to: 4096)
        _ = try socket.perform((0..<50).map(bridge))
        var overruns = 0
        var heard: Set<String> = []
        while let event = try subscription.next(timeout: .zero) {
            switch event {
            case .overrun:
                overruns += 1
                heard = Set(try socket.links().compactMap(\.name))
            case .messages(let messages): heard.formUnion(messages.compactMap { LinkMessage($0)?.name })
            }
        }
        #expect(overruns >= 1)
        #expect(heard.isSuperset(of: (0..<50).map { "br\($0)" }))
        _ = try socket.perform([bridge(50)])
        guard case .messages(let messages)? = try subscription.next(timeout: .seconds(5)) else {
            Issue.record("nothing was heard after the overrun")
            return
        }
        #expect(messages.contains { LinkMessage($0)?.name == "br50" })
    }

    @Test("an unknown group is refused")
    func unknownGroup() throws {
        #expect { try Subscription(.route, groups: [9999], in: .new()) } throws: { Errno.invalidArgument ~= $0 }
    }
}

@Suite("an actor on a thread of its own")
struct SessionExecutorTests {
    private actor Session {
        private let executor: SessionExecutor
        nonisolated let tasks: SessionTasks

        init() {
            executor = SessionExecutor(name: "session")
            tasks = SessionTasks(on: executor)
        }

        nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
        private var count = 0

        func thread() -> UInt { UInt(pthread_self()) }
        func increment() { count += 1 }
        func total() -> Int { count }
    }

    @Test("runs every call on the same thread, one after the other")
    func sameThread() async {
        let session = Session()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<1000 { group.addTask { await session.increment() } }
        }
        #expect(await session.total() == 1000)
        let first = await session.thread()
        #expect(await session.thread() == first)
        #expect(await Session().thread() != first)
    }

    @Test("a task that prefers the thread takes every step there, also those that are no actor's")
    func preferring() async {
        let session = Session()
        let thread = await session.thread()
        let (stream, continuation) = AsyncStream.makeStream(of: Int.self)
        let reading = Task(executorPreference: session.tasks) {
            var threads = [Self.thread()]
            for await _ in stream {
                threads.append(Self.thread())
                await session.increment()
                threads.append(Self.thread())
            }
            return threads
        }
        for number in 0..<10 { continuation.yield(number) }
        continuation.finish()
        #expect(await reading.value == Array(repeating: thread, count: 21))
        #expect(await session.total() == 10)
    }

    private static func thread() -> UInt { UInt(pthread_self()) }
}
