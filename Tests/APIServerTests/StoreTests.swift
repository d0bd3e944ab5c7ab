import Testing

@testable import APIServer

@Suite("the store")
struct StoreTests {
    let directory: TemporaryDirectory
    let store: Store

    init() throws {
        directory = try TemporaryDirectory()
        store = try Store(path: directory.store)
    }

    @Test("each change has the next revision")
    func revisions() async throws {
        let a = try await store.create(pod("a"), Body(text: "1"))
        let b = try await store.create(pod("b"), Body(text: "1"))
        let changed = try await store.update(pod("a"), Body(text: "2"))
        let gone = try await store.delete(pod("b"))
        #expect([a, b, changed, gone].map(\.revision.rawValue) == [1, 2, 3, 4])
        #expect(try await store.revision() == Revision(rawValue: 4))
        #expect(try await store.object(pod("a"))?.text == "2")
        #expect(try await store.object(pod("b")) == nil)
    }

    @Test("what is refused takes no revision and changes nothing")
    func refusals() async throws {
        let made = try await store.create(pod("a"), Body(text: "1"))
        await #expect { try await store.create(pod("a"), Body(text: "x")) } throws: { StoreError.Code.alreadyExists ~= $0 }
        await #expect { try await store.update(pod("b"), Body(text: "x")) } throws: { StoreError.Code.notFound ~= $0 }
        await #expect { try await store.delete(pod("b")) } throws: { StoreError.Code.notFound ~= $0 }
        let other = Revision(rawValue: 7)
        await #expect { try await store.update(pod("a"), Body(text: "x"), expected: other) } throws: {
            StoreError.Code.conflict ~= $0
        }
        await #expect { try await store.delete(pod("a"), expected: other) } throws: { StoreError.Code.conflict ~= $0 }
        #expect(try await store.object(pod("a")) == made)
        #expect(try await store.revision() == made.revision)
    }

    @Test("of writers that start from one revision, one wins")
    func optimisticConcurrency() async throws {
        let start = try await store.create(pod("a"), Body(text: "start"))
        let winners = await withTaskGroup(of: Bool.self) { group in
            for writer in 0..<20 {
                group.addTask {
                    (try? await store.update(pod("a"), Body(text: "\(writer)"), expected: start.revision)) != nil
                }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(winners == 1)
    }

    @Test("a body can carry its own revision, and a deleted one that of its deletion")
    func stamped() async throws {
        let watch = try await store.watch(Selection(resource: "pods"), after: .zero)
        _ = try await store.create(pod("other"), Body(text: ""))
        let made = try await store.create(pod("a"), Body { Array("rv=\($0)".utf8) })
        #expect(made.text == "rv=2")
        _ = try await store.delete(pod("a")) { object, revision in Array("\(object.text) then \(revision)".utf8) }
        let lines = try await watch.next()?.map(\.line)
        #expect(lines == ["ADDED default/other@1 ", "ADDED default/a@2 rv=2", "DELETED default/a@3 rv=2 then 3"])
    }

    @Test("a second opener of the same file is sent away until the first has gone")
    func exclusive() async throws {
        let other = try TemporaryDirectory()
        let first = try Store(path: other.store)
        #expect { try Store(path: other.store) } throws: { StoreError.Code.busy ~= $0 }
        try first.close()
        _ = try Store(path: other.store)
    }

    @Test("after a restart everything is there, and revisions go on, also past a deleted newest object")
    func reopen() async throws {
        let other = try TemporaryDirectory()
        do {
            let store = try Store(path: other.store)
            _ = try await store.create(pod("a"), Body(text: "kept"))
            _ = try await store.create(pod("b"), Body(text: "lost"))
            _ = try await store.delete(pod("b"))
            try store.close()
        }
        let store = try Store(path: other.store)
        #expect(try await store.object(pod("a"))?.text == "kept")
        #expect(try await store.create(pod("c"), Body(text: "")).revision == Revision(rawValue: 4))
    }

    @Test("writers that come together share transactions, and each is answered with its own change")
    func groupCommit() async throws {
        let revisions = try await withThrowingTaskGroup(of: Revision.self) { group in
            for number in 0..<500 {
                group.addTask { try await store.create(pod("p\(number)"), Body(text: "\(number)")).revision }
            }
            return try await group.reduce(into: Set<Revision>()) { $0.insert($1) }
        }
        #expect(revisions.count == 500)
        // A writer alone takes a transaction for itself; five hundred at once must not take five hundred.
        #expect(store.queue.commits < 250)
        #expect(try await store.list(Selection(resource: "pods")).objects.count == 500)
    }

    @Test("a watch cannot begin at a revision the store never had")
    func future() async throws {
        await #expect { try await store.watch(Selection(resource: "pods"), after: Revision(rawValue: 9)) } throws: {
            StoreError.Code.future ~= $0
        }
    }

    @Test("after a restart a watch goes on from the newest revision, and no older one")
    func watchAfterReopen() async throws {
        let other = try TemporaryDirectory()
        do {
            let store = try Store(path: other.store)
            for name in ["a", "b"] { _ = try await store.create(pod(name), Body(text: "")) }
            try store.close()
        }
        let store = try Store(path: other.store)
        let pods = Selection(resource: "pods")
        await #expect { try await store.watch(pods, after: Revision(rawValue: 1)) } throws: { StoreError.Code.expired ~= $0 }
        let watch = try await store.watch(pods, after: Revision(rawValue: 2))
        _ = try await store.create(pod("c"), Body(text: "new"))
        #expect(try await watch.next()?.map(\.line) == ["ADDED default/c@3 new"])
    }
}
