import Glibc
import Logging
import NIOHTTP1
import Netlink
import ServiceLifecycle
import Testing

@testable import APIServer

/// Runs a server on a free port of the loopback for as long as the closure runs.
func withServer<Result>(
    memory: Store.Memory = Store.Memory(), limits: Server.Limits = Server.Limits(),
    _ body: (UInt16, Store) async throws -> Result
) async throws -> Result {
    let directory = try TemporaryDirectory()
    let store = try Store(path: directory.store, memory: memory)
    let socket = try Loopback.bound()
    let result = try await withServer(store, on: [socket.descriptor], limits: limits) { try await body(socket.port, store) }
    try store.close()
    return result
}

func withServer<Result>(
    _ store: Store, on descriptors: [CInt], limits: Server.Limits = Server.Limits(), _ body: () async throws -> Result
) async throws -> Result {
    let server = Server(
        store, on: descriptors.map { Listener(owning: $0) }, webSockets: [.echo(path: "/echo")], limits: limits,
        logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    // A socket that is bound but does not listen yet refuses; a client may come before the server's task has run.
    for descriptor in descriptors { listen(descriptor, 16) }
    return try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await server.run() }
        let result = try await body()
        group.cancelAll()
        try await group.waitForAll()
        return result
    }
}

let maps = "/api/v1/namespaces/default/configmaps"

@Suite("the server", .timeLimit(.minutes(1)))
struct ServerTests {
    @Test("an object goes in, comes out, changes and goes, over one connection")
    func roundTrip() async throws {
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                let made = try await client.ask(.POST, "\(maps)/a", #"{"data":{"k":"1"}}"#)
                #expect(made.status == 201 && made.headers["etag"] == ["\"1\""])
                #expect(try await client.ask(.GET, "\(maps)/a").body == #"{"data":{"k":"1"}}"#)
                let changed = try await client.ask(.PUT, "\(maps)/a", "{}", headers: [("If-Match", "\"1\"")])
                #expect(changed.status == 200 && changed.headers["etag"] == ["\"2\""])
                #expect(try await client.ask(.DELETE, "\(maps)/a").status == 200)
                #expect(try await client.ask(.GET, "\(maps)/a").status == 404)
            }
        }
    }

    @Test(
        "what cannot be done is said as a Status",
        arguments: [
            (HTTPMethod.GET, "\(maps)/none", "", 404, "NotFound"),
            (.PUT, "\(maps)/none", "{}", 404, "NotFound"),
            (.POST, "\(maps)/a", "{}", 409, "AlreadyExists"),
            (.PUT, "\(maps)/a", "{}", 409, "Conflict"),
            (.GET, "/nowhere", "", 404, "NotFound"),
            (.GET, "\(maps)?limit=x", "", 400, "BadRequest"),
            (.GET, "\(maps)?continue=x", "", 400, "BadRequest"),
            (.GET, "\(maps)?watch=1&resourceVersion=x", "", 400, "BadRequest"),
            (.GET, "\(maps)?watch=1&resourceVersion=99", "", 504, "Timeout"),
            (.GET, "\(maps)?watch=1&resourceVersion=1", "", 410, "Expired"),
            (.POST, "\(maps)/large", String(repeating: "x", count: 2000), 413, "RequestEntityTooLarge"),
        ])
    func refusal(_ method: HTTPMethod, _ uri: String, _ body: String, _ code: Int, _ reason: String) async throws {
        try await withServer(limits: Server.Limits(body: 1000)) { port, store in
            let made = try await store.create(
                ObjectKey(resource: "configmaps", namespace: "default", name: "a"), Body(text: "{}"))
            _ = try await store.create(ObjectKey(resource: "configmaps", namespace: "default", name: "b"), Body(text: "{}"))
            store.compact("configmaps", through: Revision(rawValue: 2))
            try await Client.with(port: port) { client in
                let answer = try await client.ask(method, uri, body, headers: [("If-Match", "\(made.revision.rawValue + 1)")])
                #expect(answer.status == code)
                #expect(answer.body.contains(#""kind":"Status""#) && answer.body.contains(#""reason":"\#(reason)""#))
                // The connection is still good.
                #expect(try await client.ask(.GET, "\(maps)/a").body == "{}")
            }
        }
    }

    @Test("a list is cut into pages, and its revision is where a watch goes on")
    func listAndWatch() async throws {
        try await withServer { port, store in
            for name in ["a", "b", "c"] {
                let key = ObjectKey(resource: "configmaps", namespace: "default", name: name)
                _ = try await store.create(key, Body(text: #"{"n":"\#(name)"}"#))
            }
            try await Client.with(port: port) { client in
                let first = try await client.ask(.GET, "\(maps)?limit=2")
                #expect(first.body.contains(#""resourceVersion":"3","continue":"3/default/b"},"items":[{"n":"a"},{"n":"b"}]"#))
                let second = try await client.ask(.GET, "\(maps)?limit=2&continue=3/default/b")
                #expect(second.body.contains(#"{"resourceVersion":"3"},"items":[{"n":"c"}]"#))
                let watch = try await client.begin(.GET, "\(maps)?watch=1&resourceVersion=3")
                #expect(watch.status == 200 && watch.headers["transfer-encoding"] == ["chunked"])
                let key = ObjectKey(resource: "configmaps", namespace: "default", name: "a")
                _ = try await store.update(key, Body(text: #"{"n":"new"}"#))
                _ = try await store.delete(key)
                #expect(try await client.line() == #"{"type":"MODIFIED","object":{"n":"new"}}"#)
                #expect(try await client.line() == #"{"type":"DELETED","object":{"n":"new"}}"#)
            }
        }
    }

    @Test("a watch without a revision begins with what is there, and one of a whole resource sees every namespace")
    func watchAll() async throws {
        try await withServer { port, store in
            _ = try await store.create(pod("a", in: "one"), Body(text: "1"))
            try await Client.with(port: port) { client in
                _ = try await client.begin(.GET, "/api/v1/pods?watch=true")
                #expect(try await client.line() == #"{"type":"ADDED","object":1}"#)
                _ = try await store.create(pod("b", in: "two"), Body(text: "2"))
                #expect(try await client.line() == #"{"type":"ADDED","object":2}"#)
            }
        }
    }

    @Test("a client that does not read its watch is cut off with 410 while another gets everything")
    func slowClient() async throws {
        try await withServer(memory: Store.Memory(changes: 16)) { port, store in
            try await Client.with(port: port) { slow in
                _ = try await slow.begin(.GET, "/api/v1/pods?watch=1&resourceVersion=0")
                try await Client.with(port: port) { quick in
                    _ = try await quick.begin(.GET, "/api/v1/pods?watch=1&resourceVersion=0")
                    // More than the kernel's socket buffers hold.
                    let body = Body(Array(repeating: UInt8(ascii: "1"), count: 200_000))
                    for number in 0..<150 {
                        _ = try await store.create(pod("p\(number)"), body)
                        #expect(try await quick.line()?.hasPrefix(#"{"type":"ADDED""#) == true)
                    }
                }
                var lines = 0
                var last = ""
                while let line = try await slow.line() { (lines, last) = (lines + 1, line) }
                #expect(lines < 150)
                #expect(last.hasPrefix(#"{"type":"ERROR","object":{"kind":"Status""#) && last.contains(#""code":410"#))
            }
        }
    }

    @Test("a watch of something quiet is forgotten when its client hangs up")
    func hangUp() async throws {
        try await withServer { port, store in
            try await Client.with(port: port) { client in
                _ = try await client.begin(.GET, "/api/v1/pods?watch=1&resourceVersion=0")
            }
            // The suite's time limit ends this when it never happens.
            while store.hub.read({ $0.watcherCount }) > 0 { await Task.yield() }
        }
    }

    @Test("a graceful shutdown ends watches and idle connections, and run returns")
    func graceful() async throws {
        let directory = try TemporaryDirectory()
        let store = try Store(path: directory.store)
        let socket = try Loopback.bound()
        listen(socket.descriptor, 16)
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let server = Server(store, on: [Listener(owning: socket.descriptor)], webSockets: [.echo(path: "/echo")], logger: logger)
        let services = ServiceGroup(configuration: .init(services: [server], logger: logger))
        async let running: Void = services.run()
        try await Client.with(port: socket.port) { idle in
            #expect(try await idle.ask(.GET, "/api/v1/pods").status == 200)
            try await Client.with(port: socket.port) { watching in
                _ = try await watching.begin(.GET, "/api/v1/pods?watch=1")
                await services.triggerGracefulShutdown()
                #expect(try await watching.line() == nil)
                await #expect(throws: (any Error).self) { try await idle.ask(.GET, "/api/v1/pods") }
            }
        }
        try await running
        try store.close()
    }

    @Test("one server answers on several sockets")
    func severalListeners() async throws {
        let directory = try TemporaryDirectory()
        let store = try Store(path: directory.store)
        let sockets = [try Loopback.bound(), try Loopback.bound()]
        try await withServer(store, on: sockets.map(\.descriptor)) {
            for socket in sockets {
                try await Client.with(port: socket.port) { client in
                    let answer = try await client.ask(.GET, "/api/v1/pods")
                    #expect(answer.status == 200)
                }
            }
        }
        try store.close()
    }

    @Test(
        "a server whose socket was bound in another namespace is reached there", .tags(.kernel),
        .enabled(if: geteuid() == 0 || getenv("REQUIRE_KERNEL") != nil, "needs root"))
    func otherNamespace() async throws {
        let namespace = try NetworkNamespace.new()
        let socket = try namespace.perform { () throws(KernelError) in
            do {
                try Loopback.up()
                return try Loopback.bound()
            } catch {
                throw KernelError(Errno(rawValue: errno), "listen in a namespace")
            }
        }
        let directory = try TemporaryDirectory()
        let store = try Store(path: directory.store)
        try await withServer(store, on: [socket.descriptor]) {
            let client = try namespace.perform { () throws(KernelError) in
                do { return try Loopback.connected(to: socket.port) } catch {
                    throw KernelError(Errno(rawValue: errno), "connect in a namespace")
                }
            }
            try await Client.with(connected: client) { client in
                let answer = try await client.ask(.POST, "\(maps)/a", "{}")
                #expect(answer.status == 201)
            }
            // And nowhere else: in the namespace of this process nobody listens on that port.
            #expect(throws: Loopback.Refused.self) { try Loopback.connected(to: socket.port) }
        }
        try store.close()
    }
}

extension Loopback {
    /// Brings `lo` up in the namespace that the calling thread is in: one that the test made.
    static func up() throws {
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        defer { close(descriptor) }
        // struct ifreq: 16 bytes of name, then the flags, which for `lo` are IFF_UP alone.
        var request = [UInt8](repeating: 0, count: 40)
        request.replaceSubrange(0..<2, with: Array("lo".utf8))
        request[16] = UInt8(IFF_UP)
        guard descriptor >= 0, ioctl(descriptor, UInt(SIOCSIFFLAGS), &request) == 0 else { throw Refused(errno: errno) }
    }
}
