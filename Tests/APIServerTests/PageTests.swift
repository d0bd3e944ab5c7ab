import Testing

@testable import APIServer

@Suite("pages of a list")
struct PageTests {
    let directory: TemporaryDirectory
    let store: Store
    let pods = Selection(resource: "pods")

    init() throws {
        directory = try TemporaryDirectory()
        store = try Store(path: directory.store)
    }

    @Test("a list holds its resource and namespace only, in the order of the keys")
    func selection() async throws {
        for key in [pod("b", in: "two"), pod("a", in: "two"), pod("z", in: "one"), ObjectKey(resource: "nodes", name: "n")] {
            _ = try await store.create(key, Body(text: ""))
        }
        #expect(try await store.list(pods).objects.map { "\($0.key)" } == ["pods one/z", "pods two/a", "pods two/b"])
        let one = try await store.list(Selection(resource: "pods", namespace: "one"))
        #expect(one.objects.map(\.key) == [pod("z", in: "one")])
        #expect(try await store.list(Selection(resource: "nodes")).objects.map(\.key.name) == ["n"])
        #expect(try await store.list(Selection(resource: "secrets")).objects.isEmpty)
    }

    @Test("all pages show the revision of the first, whatever is written between them", arguments: 1...5)
    func consistent(limit: Int) async throws {
        let seed = UInt64.random(in: 0...(.max))
        var random = SeededGenerator(state: seed)
        for number in 0..<12 { _ = try await store.create(pod("p\(number)"), Body(text: "old")) }
        let whole = try await store.list(pods)
        var page = try await store.list(pods, limit: limit)
        var shown = page.objects
        while let rest = page.rest {
            try await disturb(&random)
            page = try await store.list(pods, limit: limit, from: rest)
            #expect(page.revision == whole.revision)
            #expect(page.objects.count <= limit)
            shown += page.objects
        }
        #expect(shown == whole.objects, "seed \(seed)")
    }

    @Test("the second page is refused when the changes since the first are forgotten")
    func expired() async throws {
        for number in 0..<4 { _ = try await store.create(pod("p\(number)"), Body(text: "")) }
        let page = try await store.list(pods, limit: 2)
        let last = try await store.create(pod("later"), Body(text: ""))
        store.compact("pods", through: last.revision)
        let rest = try #require(page.rest)
        await #expect { try await store.list(pods, limit: 2, from: rest) } throws: { StoreError.Code.expired ~= $0 }
    }

    /// A few creations, changes and deletions of random pods; what is impossible is left.
    private func disturb(_ random: inout SeededGenerator) async throws {
        for _ in 0..<6 {
            let key = pod("p\(Int.random(in: 0..<16, using: &random))")
            switch Int.random(in: 0..<3, using: &random) {
            case 0: _ = try? await store.create(key, Body(text: "new"))
            case 1: _ = try? await store.update(key, Body(text: "changed"))
            default: _ = try? await store.delete(key)
            }
        }
    }
}
