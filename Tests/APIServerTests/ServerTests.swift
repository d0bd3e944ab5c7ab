import Addressing
import Glibc
import Logging
import NIOHTTP1
import Netlink
import ServiceLifecycle
import Testing

@testable import APIServer

/// Runs a server on a free port of the loopback for as long as the closure runs.
func withServer<Result>(
    memory: Store.Memory = Store.Memory(), limits: Server.Limits = Server.Limits(), security: Server.Security = .none,
    services: ServiceRanges = .test, pods: (any PodStreams)? = nil, surroundings: Surroundings = .test,
    _ body: (UInt16, Store) async throws -> Result
) async throws -> Result {
    let directory = try TemporaryDirectory()
    let store = try Store(path: directory.store, memory: memory)
    let socket = try Loopback.bound()
    let result = try await withServer(
        store, on: [socket.descriptor], limits: limits, security: security, services: services, pods: pods,
        surroundings: surroundings
    ) { try await body(socket.port, store) }
    try store.close()
    return result
}

func withServer<Result>(
    _ store: Store, on descriptors: [CInt], limits: Server.Limits = Server.Limits(), security: Server.Security = .none,
    services: ServiceRanges = .test, pods: (any PodStreams)? = nil, surroundings: Surroundings = .test,
    _ body: () async throws -> Result
) async throws -> Result {
    let server = Server(
        store, on: descriptors.map { Listener(owning: $0) }, security: security, services: services, pods: pods,
        webSockets: [.echo(path: "/echo")], limits: limits, surroundings: surroundings,
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

extension Surroundings {
    /// It is always 2030-03-17T17:46:40Z.
    static let test = Surroundings(seconds: { 1_900_000_000 }, random: { UInt64.random(in: 0...(.max)) })
}

extension ServiceRanges {
    static let test = ServiceRanges(clusterIPs: [IPPrefix("192.0.2.0/24"), IPPrefix("2001:db8::/112")].compactMap(\.self))
}

let maps = "/api/v1/namespaces/default/configmaps"

/// A ConfigMap as a client sends it.
func map(_ name: String, _ data: String = "{}") -> String {
    #"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"\#(name)"},"data":\#(data)}"#
}

@Suite("the server", .timeLimit(.minutes(5)))
struct ServerTests {
    @Test("an object goes in, comes out, changes and goes, over one connection")
    func roundTrip() async throws {
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                let made = try await client.ask(.POST, maps, map("a", #"{"k":"1"}"#))
                #expect(made.status == 201)
                #expect(made["metadata", "creationTimestamp"] == "2030-03-17T17:46:40Z")
                #expect(try await client.ask(.GET, "\(maps)/a")["data"] == #"{"k":"1"}"#)
                let changed = try await client.ask(.PUT, "\(maps)/a", map("a", #"{"k":"2"}"#))
                #expect(changed.status == 200 && changed["metadata", "uid"] == made["metadata", "uid"])
                let gone = try await client.ask(.DELETE, "\(maps)/a")
                #expect(gone.status == 200 && gone["status"] == "Success" && gone["details", "name"] == "a")
                #expect(try await client.ask(.GET, "\(maps)/a").status == 404)
            }
        }
    }

    @Test(
        "what cannot be done is said as a Status",
        arguments: [
            (HTTPMethod.GET, "\(maps)/none", "", 404, "NotFound"),
            (.PUT, "\(maps)/none", map("none"), 404, "NotFound"),
            (.DELETE, "\(maps)/none", "", 404, "NotFound"),
            (.POST, maps, map("a"), 409, "AlreadyExists"),
            (.PUT, "\(maps)/a", #"{"metadata":{"resourceVersion":"1"}}"#, 409, "Conflict"),
            (.PUT, "\(maps)/a", #"{"metadata":{"uid":"other"}}"#, 409, "Conflict"),
            (.DELETE, "\(maps)/a", #"{"preconditions":{"uid":"other"}}"#, 409, "Conflict"),
            (.DELETE, "\(maps)/a", #"{"preconditions":{"resourceVersion":"1"}}"#, 409, "Conflict"),
            (.DELETE, "/api/v1/namespaces/default", "", 403, "Forbidden"),
            (.GET, "/nowhere", "", 404, "NotFound"),
            (.GET, "/api/v1/unknowns", "", 404, "NotFound"),
            (.GET, "/api/v1/configmaps/a", "", 404, "NotFound"),
            (.POST, "/api/v1/configmaps", map("b"), 405, "MethodNotAllowed"),
            (.PUT, maps, map("b"), 405, "MethodNotAllowed"),
            (.POST, "\(maps)/a", map("a"), 405, "MethodNotAllowed"),
            (.GET, "\(maps)?limit=x", "", 400, "BadRequest"),
            (.GET, "\(maps)?continue=x", "", 400, "BadRequest"),
            (.GET, "\(maps)?labelSelector=%3D", "", 400, "BadRequest"),
            (.GET, "\(maps)?labelSelector=%F", "", 400, "BadRequest"),
            (.GET, "\(maps)?watch=1&resourceVersion=x", "", 400, "BadRequest"),
            (.GET, "\(maps)?watch=1&sendInitialEvents=true", "", 422, "Invalid"),
            (.GET, "\(maps)?watch=1&resourceVersion=99", "", 504, "Timeout"),
            (.GET, "\(maps)?resourceVersion=99", "", 504, "Timeout"),
            (.GET, "\(maps)?resourceVersionMatch=Exact", "", 422, "Invalid"),
            (.GET, "\(maps)?watch=1&resourceVersion=1", "", 410, "Expired"),
            (.POST, maps, map("large", #"{"k":"\#(String(repeating: "x", count: 2000))"}"#), 413, "RequestEntityTooLarge"),
            (.POST, "\(maps)?dryRun=Some", map("b"), 400, "BadRequest"),
            (.POST, "\(maps)?fieldValidation=Some", map("b"), 400, "BadRequest"),
            (.POST, maps, "", 400, "BadRequest"),
            (.POST, maps, "[]", 400, "BadRequest"),
            (.POST, maps, "null", 400, "BadRequest"),
            (.POST, maps, #"{"kind":"Pod"}"#, 400, "BadRequest"),
            (.POST, maps, #"{"apiVersion":"v2"}"#, 400, "BadRequest"),
            (.POST, maps, #"{"metadata":5}"#, 400, "BadRequest"),
            (.POST, maps, #"{"metadata":{"name":5}}"#, 400, "BadRequest"),
            (.POST, maps, #"{"metadata":{"name":"b","labels":{"a":1}}}"#, 400, "BadRequest"),
            (.POST, maps, #"{"metadata":{"name":"b","namespace":"other"}}"#, 400, "BadRequest"),
            (.POST, maps, #"{"metadata":{"name":"b","resourceVersion":"1"}}"#, 400, "BadRequest"),
            (.POST, maps, #"{"metadata":{"name":"b","name":"c"}}"#, 400, "BadRequest"),
            (.POST, maps, #"{"metadata":{}}"#, 422, "Invalid"),
            (.POST, "/api/v1/namespaces/absent/configmaps", map("a"), 404, "NotFound"),
            (.PUT, "\(maps)/a", map("b"), 400, "BadRequest"),
            (.DELETE, "\(maps)/a", "[]", 400, "BadRequest"),
            (.DELETE, "\(maps)/a", #"{"gracePeriodSeconds":"x"}"#, 400, "BadRequest"),
            (.DELETE, "\(maps)/a?propagationPolicy=Some", "", 400, "BadRequest"),
            (.PATCH, "\(maps)/a", "{}", 415, "UnsupportedMediaType"),
            (.POST, "/api/v1/namespaces/default/serviceaccounts/a/token", "{}", 404, "NotFound"),
            (.GET, "\(maps)/a/status", "", 404, "NotFound"),
        ])
    func refusal(_ method: HTTPMethod, _ uri: String, _ body: String, _ code: Int, _ reason: String) async throws {
        try await withServer(limits: Server.Limits(body: 1000)) { port, store in
            try await Client.with(port: port) { client in
                #expect(try await client.ask(.POST, maps, map("a")).status == 201)
                store.compact("configmaps", through: try await store.revision())
                let before = try await client.ask(.GET, "\(maps)/a").body
                let answer = try await client.ask(method, uri, body)
                #expect(answer.status == code, "\(answer.body)")
                #expect(answer["kind"] == "Status" && answer["reason"] == reason && answer["code"] == "\(code)", "\(answer.body)")
                // The connection is still good, and nothing was half done.
                #expect(try await client.ask(.GET, "\(maps)/a").body == before)
                #expect(try await client.ask(.GET, maps)["items"]?.hasPrefix("[{") == true)
                #expect(try await client.ask(.GET, "\(maps)/b").status == 404)
            }
        }
    }

    @Test("a list is cut into pages, and its revision is where a watch goes on")
    func listAndWatch() async throws {
        try await withServer { port, store in
            try await Client.with(port: port) { client in
                for name in ["a", "b", "c"] { _ = try await client.ask(.POST, maps, map(name)) }
                let first = try await client.ask(.GET, "\(maps)?limit=2")
                let version = try #require(first["metadata", "resourceVersion"])
                #expect(first["metadata", "continue"] == "\(version)/default/b" && first.names == ["a", "b"])
                let second = try await client.ask(.GET, "\(maps)?limit=2&continue=\(version)/default/b")
                #expect(second["metadata", "resourceVersion"] == version && second["metadata", "continue"] == nil)
                #expect(second.names == ["c"])
                try await Client.with(port: port) { watching in
                    let watch = try await watching.begin(.GET, "\(maps)?watch=1&resourceVersion=\(version)")
                    #expect(watch.status == 200 && watch.headers["transfer-encoding"] == ["chunked"])
                    _ = try await client.ask(.PUT, "\(maps)/a", map("a", #"{"k":"new"}"#))
                    _ = try await client.ask(.DELETE, "\(maps)/a")
                    #expect(try await watching.event() == "MODIFIED a")
                    #expect(try await watching.event() == "DELETED a")
                }
            }
        }
    }

    @Test("a watch without a revision begins with what is there, and one of a whole resource sees every namespace")
    func watchAll() async throws {
        try await withServer { port, store in
            try await Client.with(port: port) { writer in
                _ = try await writer.ask(.POST, maps, map("a"))
                try await Client.with(port: port) { client in
                    _ = try await client.begin(.GET, "/api/v1/configmaps?watch=true")
                    #expect(try await client.event() == "ADDED a")
                    _ = try await writer.ask(.POST, "/api/v1/namespaces/kube-system/configmaps", map("b"))
                    #expect(try await client.event() == "ADDED b")
                }
            }
        }
    }

    @Test("a client that does not read its watch is cut off with 410 while another gets everything")
    func slowClient() async throws {
        try await withServer(memory: Store.Memory(changes: 16), limits: Server.Limits(farewell: .seconds(600))) { port, store in
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
            // The housekeeping watches as well.
            while store.hub.read({ $0.watcherCount }) != 1 { await Task.yield() }
            try await Client.with(port: port) { client in
                _ = try await client.begin(.GET, "/api/v1/pods?watch=1&resourceVersion=0")
                #expect(store.hub.read { $0.watcherCount } == 2)
            }
            // The suite's time limit ends this when it never happens.
            while store.hub.read({ $0.watcherCount }) > 1 { await Task.yield() }
        }
    }

    @Test("a graceful shutdown ends watches and idle connections, and run returns")
    func graceful() async throws {
        let directory = try TemporaryDirectory()
        let store = try Store(path: directory.store)
        let socket = try Loopback.bound()
        listen(socket.descriptor, 16)
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let server = Server(
            store, on: [Listener(owning: socket.descriptor)], webSockets: [.echo(path: "/echo")], surroundings: .test,
            logger: logger)
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
        // The same port here is kept from all others, who serve each other in tests beside this one: nobody listens on it.
        let held = try Loopback.bound()
        defer { close(held.descriptor) }
        let socket = try namespace.perform { () throws(KernelError) in
            do {
                try Loopback.up()
                return try Loopback.bound(to: held.port)
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
                let answer = try await client.ask(.POST, maps, map("a"))
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
