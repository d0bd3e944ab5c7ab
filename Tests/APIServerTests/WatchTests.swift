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
}
