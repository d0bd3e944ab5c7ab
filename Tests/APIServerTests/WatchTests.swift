import Glibc
import NIOHTTP1
import Synchronization
import Testing

@testable import APIServer

@Suite("the watch board")
struct WatchBoardTests {
    let pods = Selection(resource: "pods")

    func board(changes: Int = 4, bytes: Int = .max) -> WatchBoard {
        WatchBoard(opening: .zero, limits: ChangeLog.Limits(changes: changes, bytes: bytes))
    }

    func added(_ name: String, _ revision: Int64, in namespace: String = "default") -> Change {
        Change(.added, StoredObject(key: pod(name, in: namespace), revision: Revision(rawValue: revision), body: []))
    }

    @Test("a watcher gets each change once, in order, then waits")
    func once() throws {
        var board = board()
        let id = try board.add(pods, after: .zero).get()
        _ = board.publish([added("a", 1), added("b", 2)])
        #expect(board.next(id, atMost: 1) == .changes([added("a", 1)]))
        #expect(board.next(id, atMost: 9) == .changes([added("b", 2)]))
        #expect(board.next(id, atMost: 9) == .wait)
        #expect(board.publish([added("c", 3)]) == [id])
        #expect(board.next(id, atMost: 9) == .changes([added("c", 3)]))
    }

    @Test("a change wakes those it concerns, and each only once")
    func wakes() throws {
        var board = board()
        let here = try board.add(Selection(resource: "pods", namespace: "here"), after: .zero).get()
        let there = try board.add(Selection(resource: "pods", namespace: "there"), after: .zero).get()
        let nodes = try board.add(Selection(resource: "nodes"), after: .zero).get()
        for id in [here, there, nodes] { #expect(board.next(id, atMost: 9) == .wait) }
        #expect(board.publish([added("a", 1, in: "here"), added("b", 2, in: "here")]) == [here])
        #expect(board.isWaiting(there) && board.isWaiting(nodes) && !board.isWaiting(here))
    }

    @Test("a watcher that reads too slowly is told so and taken off; others go on")
    func slow() throws {
        var board = board(changes: 4)
        let slow = try board.add(pods, after: .zero).get()
        let quick = try board.add(pods, after: .zero).get()
        for revision in 1...6 {
            _ = board.publish([added("p\(revision)", Int64(revision))])
            #expect(board.next(quick, atMost: 9) == .changes([added("p\(revision)", Int64(revision))]))
        }
        #expect(board.next(slow, atMost: 9) == .expired(position: .zero, oldest: Revision(rawValue: 2)))
        #expect(board.next(slow, atMost: 9) == .ended)
        #expect(board.watcherCount == 1)
    }

    @Test("a watcher that waits for a quiet namespace never expires by the noise of another")
    func quiet() throws {
        var board = board(changes: 2)
        let id = try board.add(Selection(resource: "pods", namespace: "quiet"), after: .zero).get()
        #expect(board.next(id, atMost: 9) == .wait)
        for revision in 1...50 { _ = board.publish([added("p", Int64(revision), in: "noisy")]) }
        #expect(board.publish([added("q", 51, in: "quiet")]) == [id])
        #expect(board.next(id, atMost: 9) == .changes([added("q", 51, in: "quiet")]))
    }

    @Test("one resource's noise does not make another's changes forgotten")
    func perResource() throws {
        var board = board(changes: 2)
        for revision in 1...50 { _ = board.publish([added("p", Int64(revision))]) }
        #expect(board.oldest("pods") == Revision(rawValue: 48))
        #expect(board.oldest("nodes") == .zero)
        #expect(throws: StoreError.self) { try board.add(pods, after: Revision(rawValue: 47)).get() }
        _ = try board.add(pods, after: Revision(rawValue: 48)).get()
    }

    @Test("memory is limited in bytes too, but the newest change is always kept")
    func bytes() {
        var log = ChangeLog(floor: .zero, limits: ChangeLog.Limits(changes: 100, bytes: 1000))
        for revision in 1...20 {
            let object = StoredObject(
                key: pod("p"), revision: Revision(rawValue: Int64(revision)), body: Array(repeating: 0, count: 300))
            log.append(Change(.added, object))
        }
        #expect(log.count == 2)
        let huge = StoredObject(key: pod("p"), revision: Revision(rawValue: 21), body: Array(repeating: 0, count: 5000))
        log.append(Change(.added, huge))
        #expect(log.changes(after: Revision(rawValue: 20))?.map(\.revision.rawValue) == [21])
        #expect(log.changes(after: Revision(rawValue: 19)) == nil)
    }

    @Test("a watcher that has seen a commit before it was published does not get it again")
    func ahead() throws {
        var board = board()
        let id = try board.add(pods, after: Revision(rawValue: 2)).get()
        #expect(board.next(id, atMost: 9) == .wait)
        #expect(board.publish([added("a", 1), added("b", 2)]).isEmpty)
        #expect(board.publish([added("c", 3)]) == [id])
        #expect(board.next(id, atMost: 9) == .changes([added("c", 3)]))
    }

    @Test("a closed board ends every watch, also new ones")
    func closed() throws {
        var board = board()
        let before = try board.add(pods, after: .zero).get()
        board.close()
        let after = try board.add(pods, after: .zero).get()
        #expect(board.next(before, atMost: 9) == .ended)
        #expect(board.next(after, atMost: 9) == .ended)
    }
}

@Suite("watches of a store")
struct WatchTests {
    let directory: TemporaryDirectory
    let store: Store
    let pods = Selection(resource: "pods")

    init() throws {
        directory = try TemporaryDirectory()
        store = try Store(path: directory.store)
    }

    @Test("a list and the watch behind it show every change once, under concurrent writers")
    func continuity() async throws {
        let seed = UInt64.random(in: 0...(.max))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<4 {
                group.addTask { try await write(SeededGenerator(state: seed &+ UInt64(writer)), writer) }
            }
            for _ in 0..<6 {
                group.addTask {
                    let list = try await store.list(pods)
                    var replica = Dictionary(uniqueKeysWithValues: list.objects.map { ($0.key, $0) })
                    let watch = try await store.watch(pods, after: list.revision)
                    try await follow(watch, &replica, seed: seed)
                    #expect(replica.values.sorted { $0.key < $1.key } == (try await store.list(pods).objects), "seed \(seed)")
                }
            }
            try await group.waitForAll()
        }
    }

    /// Random changes of the writer's own pods, then a mark that it is done.
    private func write(_ random: SeededGenerator, _ writer: Int) async throws {
        var random = random
        for step in 0..<150 {
            let key = pod("p\(writer)-\(Int.random(in: 0..<5, using: &random))")
            switch Int.random(in: 0..<3, using: &random) {
            case 0: _ = try? await store.create(key, Body(text: "\(step)"))
            case 1: _ = try? await store.update(key, Body(text: "\(step)"))
            default: _ = try? await store.delete(key)
            }
        }
        _ = try await store.create(pod("done-\(writer)"), Body(text: ""))
    }

    /// Applies changes until all four writers are done; each must fit what was there, or one was lost or came twice.
    private func follow(_ watch: Watch, _ replica: inout [ObjectKey: StoredObject], seed: UInt64) async throws {
        while (0..<4).contains(where: { replica[pod("done-\($0)")] == nil }) {
            for change in try #require(try await watch.next(atMost: 7)) {
                #expect(replica[change.key] == change.previous, "seed \(seed)")
                replica[change.key] = change.kind == .deleted ? nil : change.object
            }
        }
    }

    @Test("a cancelled task and a cancelled watch both end; a store that ends its watches ends all")
    func ends() async throws {
        let watch = try await store.watch(pods, after: .zero)
        let task = Task { try await watch.next() }
        task.cancel()
        #expect(try await task.value == nil)

        let second = try await store.watch(pods, after: .zero)
        async let waiting = second.next()
        second.cancel()
        #expect(try await waiting == nil)

        let third = try await store.watch(pods, after: .zero)
        async let last = third.next()
        store.endWatches()
        #expect(try await last == nil)
        _ = try await store.create(pod("a"), Body(text: "still writing"))
    }

    @Test("a slow watch is dropped with the reason while others go on")
    func slow() async throws {
        let other = try TemporaryDirectory()
        let store = try Store(path: other.store, memory: Store.Memory(changes: 8))
        let slow = try await store.watch(pods, after: .zero)
        let quick = try await store.watch(pods, after: .zero)
        var seen = 0
        for number in 0..<40 {
            _ = try await store.create(pod("p\(number)"), Body(text: ""))
            seen += try await quick.next()?.count ?? 0
        }
        #expect(seen == 40)
        await #expect { try await slow.next() } throws: { StoreError.Code.expired ~= $0 }
        #expect(try await slow.next() == nil)
    }

    @Test("whoever watches is told of the end of the watch while the reader is busy, and once")
    func endings() async throws {
        let other = try TemporaryDirectory()
        let store = try Store(path: other.store, memory: Store.Memory(changes: 4))
        let (slow, cancelled, closed) = (
            try await store.watch(pods, after: .zero), try await store.watch(pods, after: .zero),
            try await store.watch(Selection(resource: "nodes"), after: .zero)
        )
        let told = Mutex<[String]>([])
        slow.onEnd { told.withLock { $0.append("slow") } }
        cancelled.onEnd { told.withLock { $0.append("cancelled") } }
        closed.onEnd { told.withLock { $0.append("closed") } }
        cancelled.cancel()
        #expect(told.withLock { $0 } == ["cancelled"])
        for number in 0..<10 { _ = try await store.create(pod("p\(number)"), Body(text: "")) }
        #expect(told.withLock { $0 } == ["cancelled", "slow"])
        store.endWatches()
        #expect(told.withLock { $0 } == ["cancelled", "slow", "closed"])
        slow.onEnd { told.withLock { $0.append("late") } }
        #expect(told.withLock { $0 }.last == "late")
    }
}

@Suite("a client that does not read", .timeLimit(.minutes(5)))
struct UnreadWatchTests {
    // Its connection and its task stayed for ever: the server found out only after a write that never ended.
    @Test(
        "is dropped when the changes that it has not read are forgotten, or its time is over",
        arguments: ["", "&timeoutSeconds=1"])
    func dropped(timeout: String) async throws {
        let memory = timeout.isEmpty ? Store.Memory(changes: 64) : Store.Memory()
        let limits = Server.Limits(farewell: .milliseconds(1))
        try await withServer(memory: memory, limits: limits) { port, store in
            try await Client.with(port: port) { client in
                #expect(try await client.ask(.GET, maps).status == 200)
                // More than both sockets hold.
                let text = String(repeating: "x", count: 100_000)
                for number in 0..<200 { _ = try await store.create(key("big\(number)"), Body(text: #"{"a":"\#(text)"}"#)) }
                let deaf = try Loopback.connected(to: port)
                defer { close(deaf) }
                let request = "GET \(maps)?watch=true\(timeout) HTTP/1.1\r\nHost: api.example.org\r\n\r\n"
                #expect(write(deaf, request, request.utf8.count) == request.utf8.count)
                // The answer has begun, so the watch is there; nothing is taken off the socket.
                var begin = pollfd(fd: deaf, events: Int16(POLLIN), revents: 0)
                while poll(&begin, 1, 0) == 0 { await Task.yield() }
                // The server's end of the connection is closed although nobody reads.
                let remote = try Self.port(of: deaf)
                var count = 0
                while try Self.isOpen(from: port, to: remote) {
                    if count < 400 { _ = try await store.create(key("small\(count)"), Body(text: "{}")) }
                    count += 1
                    await Task.yield()
                }
            }
        }
    }

    private static func port(of descriptor: CInt) throws -> UInt16 {
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let code = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        try #require(code == 0)
        return UInt16(bigEndian: address.sin_port)
    }

    /// Whether the kernel has this end of a connection as established.
    private static func isOpen(from local: UInt16, to remote: UInt16) throws -> Bool {
        let file = try #require(fopen("/proc/self/net/tcp", "r"))
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 512)
        while fgets(&line, CInt(line.count), file) != nil {
            let words = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self).split(
                separator: " ")
            guard words.count > 3, words[3] == "01" else { continue }
            let ports = [words[1], words[2]].map { $0.split(separator: ":").last.flatMap { UInt16($0, radix: 16) } }
            if ports == [local, remote] { return true }
        }
        return false
    }

    private func key(_ name: String) -> ObjectKey { ObjectKey(resource: "configmaps", namespace: "default", name: name) }
}
