import APIServer
import GRDB
import Glibc
import Logging
import NIOPosix
import Netlink
import Synchronization

/// The bet on Hummingbird, GRDB and NIO's WebSockets: 2,000 small writes a second into SQLite on two cores, surviving kill -9,
/// with watches and a WebSocket, served on a socket that was bound in another network namespace.
///
/// The server is a process of its own, so that it can be killed; this process is its clients, inside the namespace.
enum APIServerBenchmark {
    /// The first argument under which ``run(_:)`` is reached: the server process is started by it.
    static let name = "api-server"

    /// - Parameter arguments: what follows ``name``. None: the whole benchmark. `serve PATH`: be the server, on descriptor 3.
    static func run(_ arguments: [String] = []) async throws {
        if arguments.first == "serve", arguments.count == 2 { return try await serve(arguments[1]) }
        let directory = try Directory()
        defer { directory.remove() }
        let plain = try plainSQLite(directory.file("plain"))
        try await storeAlone(directory.file("alone"))
        let socket = try IsolatedSocket()
        defer { close(socket.descriptor) }
        let server = try ServerProcess(directory.file("served"), socket.descriptor)
        do {
            defer { server.kill() }
            try await writes(socket, connections: 1, count: 3_000, plain: plain)
            try await writes(socket, connections: 8, count: 20_000, plain: plain)
            try list(socket)
            try watchers(socket, count: 100, rounds: 300)
            try watchers(socket, count: 1_000, rounds: 50)
            try webSocket(socket, rounds: 3_000)
        }
        try await cluster(directory.file("cluster"), socket)
        for round in 1...5 { try await killed(directory.file("killed-\(round)"), socket, after: 700 * round) }
    }

    private static let body = body(named: "x")

    /// A ConfigMap of about 280 bytes.
    private static func body(named name: String) -> String {
        #"{"kind":"ConfigMap","metadata":{"name":"\#(name)"},"data":{"key":""# + String(repeating: "v", count: 200) + #""}}"#
    }

    private static func serve(_ path: String) async throws {
        let store = try Store(path: path)
        var logger = Logger(label: "api")
        logger.logLevel = .error
        let surroundings = Surroundings(seconds: { Int64(time(nil)) }, random: { UInt64.random(in: 0...(.max)) })
        try await Server(
            store, on: [Listener(owning: 3)], webSockets: [.echo(path: "/echo")], surroundings: surroundings, logger: logger
        ).run()
    }
}

// MARK: - Measurements

extension APIServerBenchmark {
    /// What HTTP and the store are compared with: a row a transaction, by GRDB alone.
    private static func plainSQLite(_ path: String) throws -> Double {
        let pool = try DatabasePool(path: path)
        try pool.write { try $0.execute(sql: "CREATE TABLE t (name TEXT PRIMARY KEY, body BLOB) WITHOUT ROWID") }
        let bytes = DatabaseValue(value: body) ?? .null
        var times: [Duration] = []
        for number in 0..<10_000 {
            times.append(
                try ContinuousClock().measure {
                    try pool.write { db in
                        try db.cachedStatement(sql: "INSERT INTO t VALUES (?, ?)").execute(arguments: ["c\(number)", bytes])
                    }
                })
        }
        let rate = 10_000 / seconds(times.reduce(.zero, +))
        print("plain SQLite, a row a transaction:  \(whole(rate)) writes/s   \(spread(times))")
        try pool.close()
        return rate
    }

    private static func storeAlone(_ path: String) async throws {
        for writers in [1, 64] {
            let store = try Store(path: path + "-\(writers)")
            let clock = ContinuousClock()
            let start = clock.now
            try await withThrowingTaskGroup(of: Void.self) { group in
                for writer in 0..<writers {
                    group.addTask {
                        for number in 0..<(20_000 / writers) {
                            let key = ObjectKey(resource: "configmaps", namespace: "default", name: "c\(writer)-\(number)")
                            _ = try await store.create(key, Body(Array(body.utf8)))
                        }
                    }
                }
                try await group.waitForAll()
            }
            print("store without HTTP, \(writers) writers: \(whole(20_000 / seconds(clock.now - start))) writes/s")
            try store.close()
        }
    }

    private static func writes(_ socket: IsolatedSocket, connections: Int, count: Int, plain: Double) async throws {
        let clock = ContinuousClock()
        let start = clock.now
        let times = try await inParallel(connections) { connection in
            var client = try PlainConnection(socket.namespace, port: socket.port)
            defer { client.close() }
            return try (0..<count / connections).map { number in
                let body = body(named: "c\(connections)-\(connection)-\(number)")
                let start = clock.now
                guard try client.ask("POST", "/api/v1/namespaces/default/configmaps", body).status == 201 else {
                    throw PlainConnection.Ended()
                }
                return clock.now - start
            }
        }.flatMap { $0 }
        let rate = Double(times.count) / seconds(clock.now - start)
        print("HTTP, \(connections) connections: \(whole(rate)) writes/s   \(spread(times))")
        print("      ratio to plain SQLite: \(hundredths(rate / plain))")
    }

    private static func list(_ socket: IsolatedSocket) throws {
        var client = try PlainConnection(socket.namespace, port: socket.port)
        defer { client.close() }
        var times: [Duration] = []
        var length = 0
        for _ in 0..<20 {
            times.append(
                try ContinuousClock().measure { length = try client.ask("GET", "/api/v1/configmaps?limit=10000").length })
        }
        print("list of 10,000 objects, \(length / 1000) kB: \(spread(times))")
    }

    /// From the moment a writer has its acknowledgement to the moment the last of so many watchers has the event.
    private static func watchers(_ socket: IsolatedSocket, count: Int, rounds: Int) throws {
        var writer = try PlainConnection(socket.namespace, port: socket.port)
        var watching = try (0..<count).map { _ in try PlainConnection(socket.namespace, port: socket.port) }
        defer { for connection in watching + [writer] { connection.close() } }
        _ = try writer.ask("POST", "/api/v1/namespaces", #"{"metadata":{"name":"watched\#(count)"}}"#)
        let path = "/api/v1/namespaces/watched\(count)/configmaps"
        for index in watching.indices { try watching[index].send("GET", path + "?watch=1") }
        for index in watching.indices { _ = try watching[index].head() }
        let clock = ContinuousClock()
        var (last, each): ([Duration], [Duration]) = ([], [])
        for round in 0..<rounds {
            guard try writer.ask("POST", path, body(named: "c\(round)")).status == 201 else { throw PlainConnection.Ended() }
            let acknowledged = clock.now
            var missing = Set(watching.indices)
            while !missing.isEmpty {
                for index in try ready(watching, missing) where try watching[index].receiveLine() {
                    missing.remove(index)
                    each.append(clock.now - acknowledged)
                }
            }
            last.append(clock.now - acknowledged)
        }
        print("acknowledgement to event, \(count) watchers, each: \(spread(each))")
        print("                                 the last: \(spread(last))")
    }

    private static func webSocket(_ socket: IsolatedSocket, rounds: Int) throws {
        var client = try PlainConnection(socket.namespace, port: socket.port)
        defer { client.close() }
        try client.send(
            Array(
                """
                GET /echo HTTP/1.1\r\nHost: api\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n
                """.utf8))
        guard try client.head().contains(" 101 ") else { throw PlainConnection.Ended() }
        // A final binary frame of 64 bytes, masked with zeros.
        let frame: [UInt8] = [0x82, 0x80 | 64, 0, 0, 0, 0] + Array(repeating: 7, count: 64)
        var times: [Duration] = []
        for _ in 0..<rounds {
            times.append(
                try ContinuousClock().measure {
                    try client.send(frame)
                    guard try client.take(66).last == 7 else { throw PlainConnection.Ended() }
                })
        }
        print("WebSocket echo of 64 bytes: \(spread(times))")
    }

    /// Eight clients write; the server is killed when so many writes are acknowledged; then the store must hold all of them.
    private static func killed(_ path: String, _ socket: IsolatedSocket, after limit: Int) async throws {
        let server = try ServerProcess(path, socket.descriptor)
        defer { server.kill() }
        let names = try await inParallel(8) { writer in
            var acknowledged: [String] = []
            var client = try PlainConnection(socket.namespace, port: socket.port)
            defer { client.close() }
            do {
                for number in 0... {
                    let name = "c\(writer)-\(number)"
                    let path = "/api/v1/namespaces/default/configmaps"
                    guard try client.ask("POST", path, body(named: name)).status == 201 else { break }
                    acknowledged.append(name)
                    if writer == 0, number == limit / 8 { server.kill() }
                }
            } catch is PlainConnection.Ended {}
            return acknowledged
        }.flatMap { $0 }
        let store = try Store(path: path)
        let kept = Set(try await store.list(Selection(resource: "configmaps")).objects.map(\.key.name))
        let lost = names.filter { !kept.contains($0) }.count
        print("kill -9 after \(names.count) acknowledged writes: \(lost) lost (\(kept.count) kept)")
        try store.close()
    }
}

// MARK: - Parts

extension APIServerBenchmark {
    static func inParallel<Result: Sendable>(
        _ count: Int, _ body: @escaping @Sendable (Int) throws -> Result
    ) async throws -> [Result] {
        let pool = NIOThreadPool(numberOfThreads: count)
        pool.start()
        defer { pool.shutdownGracefully { _ in } }
        return try await withThrowingTaskGroup(of: Result.self) { group in
            for index in 0..<count { group.addTask { try await pool.runIfActive { try body(index) } } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
    }

    /// Which of the missing connections have something to read; waits until one has.
    private static func ready(_ connections: [PlainConnection], _ missing: Set<Int>) throws -> [Int] {
        let indices = Array(missing)
        var polled = indices.map { pollfd(fd: connections[$0].descriptor, events: Int16(POLLIN), revents: 0) }
        guard poll(&polled, nfds_t(polled.count), 5_000) > 0 else { throw PlainConnection.Ended() }
        return zip(indices, polled).filter { $0.1.revents != 0 }.map(\.0)
    }

    static func spread(_ times: [Duration]) -> String {
        let sorted = times.sorted()
        guard let first = sorted.first else { return "nothing measured" }
        func at(_ share: Double) -> String { milliseconds(sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))]) }
        return "min \(milliseconds(first))  median \(at(0.5))  p99 \(at(0.99)) ms"
    }

    static func seconds(_ duration: Duration) -> Double { duration / .seconds(1) }
    private static func milliseconds(_ duration: Duration) -> String { hundredths(duration / .milliseconds(1), digits: 1_000) }
    static func whole(_ number: Double) -> String { String(Int(number.rounded())) }
    private static func hundredths(_ number: Double, digits: Double = 100) -> String {
        String((number * digits).rounded() / digits)
    }
}

/// A directory of the benchmark's own.
struct Directory {
    let path: String

    init() throws {
        var template = Array("/tmp/tulle-bench-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw KernelError(Errno(rawValue: errno), "make a directory") }
        path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    func file(_ name: String) -> String { "\(path)/\(name)" }

    func remove() {
        guard let entries = opendir(path) else { return }
        while let entry = readdir(entries) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            unlink(file(name))
        }
        closedir(entries)
        rmdir(path)
    }
}

/// This program again, as a server on the given socket.
final class ServerProcess: Sendable {
    let id: pid_t
    /// A number may belong to somebody else as soon as its process was waited for.
    private let isKilled = Atomic(false)

    init(_ path: String, _ descriptor: CInt) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, descriptor, 3)
        let texts: [String] = ["tulle-bench", APIServerBenchmark.name, "serve", path]
        let arguments: [UnsafeMutablePointer<CChar>?] = texts.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var id = pid_t()
        let code = posix_spawn(&id, "/proc/self/exe", &actions, nil, arguments, [nil])
        guard code == 0 else { throw KernelError(Errno(rawValue: code), "start the server") }
        self.id = id
    }

    /// Kills it at once and waits for its end. Twice is as good as once.
    func kill() {
        guard !isKilled.exchange(true, ordering: .relaxed) else { return }
        Glibc.kill(id, SIGKILL)
        var status: CInt = 0
        waitpid(id, &status, 0)
    }
}
