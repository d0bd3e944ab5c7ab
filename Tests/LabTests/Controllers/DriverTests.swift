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

    @Test("from the answers to its own writes it goes on, and a refused write is tried again", .timeLimit(.minutes(1)))
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
}
