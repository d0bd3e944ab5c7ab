import Addressing
import DNS
import KubeClient
import Logging
import NameServer
import Netlink
import Plan
import Testing

@testable import Agent

@Suite("what a name server follows", .timeLimit(.minutes(5)))
struct NameFollowingTests {
    private let directory: TemporaryDirectory
    private let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

    init() throws { directory = try TemporaryDirectory() }

    @Test("resolvers that cannot be read for a moment, or that a file does not name any more, stay whom we ask")
    func resolvers() throws {
        let (one, two) = ("\(directory.path)/one", "\(directory.path)/two")
        var followed = FollowedResolvers()
        func look(_ path: String?) -> Bool { followed.look(at: path, nil) }
        func servers() -> [String] { followed.resolvers?.nameServers.map(\.description) ?? [] }
        #expect(!look(one) && servers() == [])
        try directory.write("nameserver 192.0.2.1\nsearch one.example\n", to: "one")
        #expect(look(one) && servers() == ["192.0.2.1"])
        #expect(!look(one))
        directory.remove("one")
        #expect(!look(one) && servers() == ["192.0.2.1"])
        // Another file, which is not there yet.
        #expect(!look(two) && servers() == ["192.0.2.1"])
        try directory.write("nameserver 192.0.2.2\n", to: "two")
        #expect(look(two) && servers() == ["192.0.2.2"])
        try directory.write("search two.example\n", to: "two")
        #expect(look(two) && servers() == ["192.0.2.2"])
        #expect(followed.resolvers?.search == [try #require(DomainName("two.example"))])
        // While nobody needs one, it is not read; then it is read anew.
        try directory.write("nameserver 192.0.2.3\n", to: "two")
        #expect(!look(nil) && servers() == ["192.0.2.2"])
        #expect(look(two) && servers() == ["192.0.2.3"])
    }

    @Test("a configuration that names another file of resolvers asks those of before until that one can be read")
    func otherFile() throws {
        try directory.write("nameserver 192.0.2.1\n", to: "one")
        try directory.write("forward: {resolverFile: \(directory.path)/one}\n", to: "names.yaml")
        var follower = try NameConfigurationFollower(
            "\(directory.path)/names.yaml", listening: [], logger: logger, override: { _ in })
        func look() -> Bool { follower.look() }
        func upstreams() -> [String] { follower.forwarding(domains: []).upstreams.map(\.description) }
        #expect(upstreams() == ["192.0.2.1"])
        try directory.write("forward: {resolverFile: \(directory.path)/two}\n", to: "names.yaml")
        #expect(look() && upstreams() == ["192.0.2.1"])
        try directory.write("nameserver 192.0.2.2\n", to: "two")
        #expect(look() && upstreams() == ["192.0.2.2"])
    }

    @Test("who asks for the configuration to be read is heard while events wait, on a single thread")
    func heard() async throws {
        // Without a limit of answers there is nothing else to follow.
        try directory.write("ttl: 1s\nrateLimit: false\n", to: "names.yaml")
        let load = Load()
        let (reloads, reload) = AsyncStream.makeStream(of: Void.self)
        let follower = try NameConfigurationFollower(
            "\(directory.path)/names.yaml", listening: [], logger: logger, override: { if $0.ttl == 2 { load.noteReading() } })
        try directory.write("ttl: 2s\nrateLimit: false\n", to: "names.yaml")
        let forwarder = Forwarder(ForwardingSettings(), now: { .zero }, random: { 0 }, logger: logger)
        let service = NameService(
            NameService.Settings(), sources: { _ in Source(events: load.events) { reload.yield() } },
            server: DNSServer(NameServerSettings(addresses: [], now: { .zero }), outside: forwarder, logger: logger),
            forwarder: forwarder, log: QueryLog(now: { .zero }), configuration: follower, reloads: reloads,
            surroundings: Surroundings(now: { .zero }, random: { 0 }), logger: logger)
        let thread = SessionExecutor(name: "one")
        let waiting = await withTaskExecutorPreference(SessionTasks(on: thread)) {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { try? await service.run() }
                defer { group.cancelAll() }
                return await load.readings.first { _ in true }
            }
        }
        #expect(waiting ?? 0 > 1, "all events were taken before")
    }

    /// Events that are there before they are asked for, as under load; what they tell is nothing.
    private struct Load {
        private static let most = 20_000
        let events: AsyncStream<ObjectBatch>
        private let more: AsyncStream<ObjectBatch>.Continuation
        /// How many waited, when the configuration was read again.
        let readings: AsyncStream<Int>
        private let reading: AsyncStream<Int>.Continuation

        init() {
            (events, more) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(Self.most))
            (readings, reading) = AsyncStream.makeStream()
            for _ in 0..<Self.most { more.yield(ObjectBatch([], age: { .zero })) }
        }

        /// The room that is left for one more tells how many wait.
        func noteReading() {
            if case .enqueued(let room) = more.yield(ObjectBatch([], age: { .zero })) {
                reading.yield(Self.most - room)
            } else {
                reading.yield(Self.most)
            }
        }
    }

    private struct Source: ObjectSource {
        let events: AsyncStream<ObjectBatch>
        let begins: @Sendable () -> Void

        func run() async {
            begins()
            for await _ in AsyncStream.makeStream(of: Void.self).stream {}
        }
    }
}
