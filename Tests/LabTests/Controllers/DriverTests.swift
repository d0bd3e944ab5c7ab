import KubeAPI
import Testing

@testable import Lab

@Suite("The controllers' driver")
struct DriverTests {
    /// A cluster that answers writes, refuses the first create, and says what it was told.
    private actor Writer: ObjectWriter {
        private var cluster = MemoryCluster()
        private var refusals = 1
        let created: AsyncStream<ObjectKey>
        private let continuation: AsyncStream<ObjectKey>.Continuation

        init() { (created, continuation) = AsyncStream.makeStream() }

        func carryOut(_ write: Write) throws -> JSONValue? {
            if case .create = write, refusals > 0 {
                refusals -= 1
                throw MemoryCluster.Refusal.unreadable
            }
            let result = try cluster.carryOut(write, at: Moment(sinceEpoch: .zero))
            if case .create(let tree) = write, let key = Item(tree)?.key { continuation.yield(key) }
            return result
        }

        func put(_ tree: JSONValue) throws -> JSONValue? { try cluster.carryOut(.create(tree), at: Moment(sinceEpoch: .zero)) }
        func tell(_ notice: Notice) {}
    }

    @Test("from the answers to its own writes it goes on, and a refused write is tried again", .timeLimit(.minutes(5)))
    func run() async throws {
        let writer = Writer()
        let start = ContinuousClock.now
        let driver = ControllerDriver(
            [DeploymentController(), ReplicaSetController()], writer: writer, seed: 1,
            clock: { Moment(sinceEpoch: ContinuousClock.now - start) },
            // Back at once: the driver looks at the clock by itself.
            sleep: { _ in
                try Task.checkCancellation()
                await Task.yield()
            })
        await driver.learn(try #require(try await writer.put(Sample.workload("Deployment"))))
        let running = Task { await driver.run() }
        var kinds: [String] = []
        for await key in writer.created {
            kinds.append(key.kind)
            if kinds.count == 4 { break }
        }
        #expect(kinds == ["ReplicaSet", "Pod", "Pod", "Pod"])
        running.cancel()
        await running.value
        #expect(await driver.world.all(Kinds.pod).count >= 2)
    }

    // The watch's word of the old pod's end took the new one out of the world, and nothing brought it back.
    @Test("news of the end of an object changes nothing of another that has its name by now")
    func namesake() async throws {
        let driver = ControllerDriver(
            [Scheduler()], writer: Writer(), seed: 1, clock: { Moment(sinceEpoch: .zero) }, sleep: { _ in })
        var pod = Sample.pod("web-0")
        let key = try #require(Item(pod)?.key)
        pod[field: "metadata", "uid"] = "old"
        await driver.learn(pod)
        pod[field: "metadata", "uid"] = "new"
        await driver.learn(pod)
        await driver.forget(key, uid: "old")
        #expect(await driver.world[key]?.uid == "new")
        // What is still told of the old one is told too late.
        pod[field: "metadata", "uid"] = "old"
        await driver.learn(pod)
        #expect(await driver.world[key]?.uid == "new")
        await driver.forget(key, uid: "new")
        #expect(await driver.world[key] == nil)
    }

    /// Refuses all writes but the first.
    private actor Refuser: ObjectWriter {
        private var count = 0
        private(set) var told: [String] = []

        func carryOut(_ write: Write) throws -> JSONValue? {
            count += 1
            if count > 1 { throw MemoryCluster.Refusal.unreadable }
            var tree: JSONValue? = nil
            if case .create(let created) = write { tree = created }
            tree?[field: "metadata", "uid"] = .string("uid-\(count)")
            return tree
        }

        func tell(_ notice: Notice) { told.append(notice.message) }
    }

    @Test("what was done is told though the write after it was refused", .timeLimit(.minutes(5)))
    func told() async throws {
        let writer = Refuser()
        let (rests, rest) = AsyncStream.makeStream(of: Void.self)
        let driver = ControllerDriver(
            [ReplicaSetController()], writer: writer, seed: 1, clock: { Moment(sinceEpoch: .zero) },
            // Asked for when the refused key waits: the look is over.
            sleep: { _ in
                rest.yield()
                let (never, feed) = AsyncStream.makeStream(of: Never.self)
                for await _ in never {}
                withExtendedLifetime(feed) {}
                throw CancellationError()
            })
        var set = Sample.workload("ReplicaSet")
        set[field: "metadata", "uid"] = "set"
        await driver.learn(set)
        let running = Task { await driver.run() }
        for await _ in rests { break }
        running.cancel()
        await running.value
        let told = await writer.told
        #expect(told.count == 1 && told.first?.hasPrefix("Created pod: ") == true, "\(told)")
    }
}
