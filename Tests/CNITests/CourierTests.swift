import CLinux
import CNI
import Glibc
import Synchronization
import Testing

@Suite("Courier")
struct CourierTests {
    private let directory: TemporaryDirectory
    private var path: String { "\(directory.path)/run/cni.sock" }

    init() throws { directory = try TemporaryDirectory() }

    private static func request(_ input: [UInt8] = [1, 2, 3], namespace: NamespaceDescriptor? = nil) -> CourierRequest {
        CourierRequest(environment: ["CNI_COMMAND": "STATUS", "HOME": "/secret"], input: input, namespace: namespace)
    }

    @Test("the agent gets the variables of the specification, the input and the very namespace, and its answer comes back")
    func carries() throws {
        let own = try NamespaceDescriptor(path: "/proc/self/ns/net").identity
        let seen = Mutex<CourierRequest?>(nil)
        let endpoint = try CourierEndpoint(path: path) { request in
            seen.withLock { $0 = request }
            return CourierResponse(status: 3, output: Array("answer".utf8))
        }
        defer { endpoint.stop() }
        let input = (0..<300_000).map { UInt8(truncatingIfNeeded: $0) }
        let request = Self.request(input, namespace: try NamespaceDescriptor(path: "/proc/self/ns/net"))
        let response = try Courier(socket: path).carry(request)

        #expect(response == CourierResponse(status: 3, output: Array("answer".utf8)))
        let received = try #require(seen.withLock { $0 })
        #expect(received.environment == ["CNI_COMMAND": "STATUS"])
        #expect(received.input == input)
        #expect(try received.namespace?.identity == own)
    }

    @Test("the socket is its owner's alone, and a missing directory is made so")
    func modes() throws {
        let endpoint = try CourierEndpoint(path: path) { _ in .done }
        defer { endpoint.stop() }
        #expect(try mode(path) == 0o600)
        #expect(try mode("\(directory.path)/run") == 0o700)
    }

    private func mode(_ path: String) throws -> mode_t {
        var status = stat()
        guard lstat(path, &status) == 0 else { throw Broken("lstat \(path)") }
        return status.st_mode & 0o777
    }

    @Test("nobody there, a file that is no socket, and a path too long are told apart")
    func away() throws {
        #expect(code { try Courier(socket: path).carry(Self.request()) } == .away)
        try directory.write([], to: "file")
        #expect(code { try Courier(socket: "\(directory.path)/file").carry(Self.request()) } == .away)
        let long = directory.path + "/" + String(repeating: "x", count: 100)
        #expect(code { try Courier(socket: long).carry(Self.request()) } == .pathTooLong)
        #expect(throws: SystemFailure("bind", long, errno: ENAMETOOLONG)) { try CourierEndpoint(path: long) { _ in .done } }
    }

    private func code(_ body: () throws -> CourierResponse) -> CourierFailure.Code? {
        do { _ = try body() } catch { return (error as? CourierFailure)?.code }
        return nil
    }

    @Test("what a killed agent left is replaced; a living agent and a file that is no socket are not")
    func stale() throws {
        let dead = clinux_unix_socket()
        try #require(mkdir("\(directory.path)/run", 0o700) == 0 && clinux_unix_bind(dead, path) == 0)
        close(dead)
        let endpoint = try CourierEndpoint(path: path) { _ in .done }
        #expect(throws: SystemFailure("bind", path, errno: EADDRINUSE)) { try CourierEndpoint(path: path) { _ in .done } }
        #expect(try Courier(socket: path).carry(Self.request()) == .done)
        endpoint.stop()
        #expect(access(path, F_OK) != 0)

        try directory.write([1], to: "file")
        #expect(throws: SystemFailure.self) { try CourierEndpoint(path: "\(directory.path)/file") { _ in .done } }
        #expect(directory.names().contains("file"))
    }

    @Test("an endpoint that ends leaves the socket of its successor alone")
    func successor() throws {
        let old = try CourierEndpoint(path: path) { _ in .done }
        unlink(path)
        let new = try CourierEndpoint(path: path) { _ in CourierResponse(status: 9, output: []) }
        defer { new.stop() }
        old.stop()
        #expect(try Courier(socket: path).carry(Self.request()).status == 9)
    }

    private static func frame(version: UInt8 = 1, kind: UInt8 = 1, _ first: [UInt8], _ second: [UInt8], _ body: [UInt8] = [])
        -> [UInt8]
    {
        Array("TULL".utf8) + [0, version, 0, kind] + first + second + body
    }

    private static let none: [UInt8] = [0, 0, 0, 0]
    private static let huge: [UInt8] = [0xFF, 0xFF, 0xFF, 0xFF]

    static let notRequests: [([UInt8], CourierMalformation)] = [
        (Array("GET / HTTP/1.1\r\n\r\n".utf8), .foreign),
        (Array("TULL".utf8), .short),
        (frame(version: 9, none, none), .version(9)),
        (frame(kind: 2, none, none), .kind(2)),
        (frame(huge, none), .tooLarge(0xFFFF_FFFF)),
        (frame(none, huge), .tooLarge(0xFFFF_FFFF)),
        (frame([0, 0, 0, 4], none, [1, 2]), .short),
        (frame([0, 0, 0, 2], none, [0x41, 0x42]), .environment),  // a variable without “=”
    ]

    @Test("a peer that sends what is no request loses its connection, and the next one is served", arguments: notRequests)
    func malformed(_ bytes: [UInt8], _ expected: CourierMalformation) throws {
        let incidents = Mutex<[CourierIncident]>([])
        let endpoint = try CourierEndpoint(
            path: path, workers: 1, incident: { incident in incidents.withLock { $0.append(incident) } }, handler: { _ in .done })
        defer { endpoint.stop() }
        let peer = clinux_unix_socket()
        try #require(clinux_unix_connect(peer, path) == 0 && send(peer, bytes, bytes.count, 0) == bytes.count)
        shutdown(peer, Int32(SHUT_WR))
        #expect(try Courier(socket: path).carry(Self.request()) == .done)
        close(peer)
        #expect(incidents.withLock { $0 } == [.malformed(expected)])
    }

    @Test("a descriptor that is no network namespace is refused, and closed")
    func wrongDescriptor() throws {
        let incidents = Mutex<[CourierIncident]>([])
        let endpoint = try CourierEndpoint(
            path: path, workers: 1, incident: { incident in incidents.withLock { $0.append(incident) } }, handler: { _ in .done })
        let other = NamespaceDescriptor(owning: open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC))
        #expect(code { try Courier(socket: path).carry(Self.request(namespace: other)) } == .lost)
        endpoint.stop()
        #expect(incidents.withLock { $0 }.contains(.notANamespace))
        #expect(throws: SystemFailure.self) { try NamespaceDescriptor(path: "/proc/self/ns/mnt") }
        #expect(throws: SystemFailure.self) { try NamespaceDescriptor(path: "/dev/null") }
    }

    @Test("an agent of another release is told apart from one that is away")
    func otherRelease() throws {
        let listener = clinux_unix_socket()
        let place = "\(directory.path)/other.sock"
        try #require(clinux_unix_bind(listener, place) == 0 && listen(listener, 1) == 0)
        defer { close(listener) }
        // Its answer waits in our buffer before we ask: accept first, in this thread, is enough on a stream.
        let answer: [UInt8] = Array("TULL".utf8) + [0, 2, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0]
        let thread = try Background {
            let peer = clinux_unix_accept(listener)
            var buffer = [UInt8](repeating: 0, count: 4096)
            _ = recv(peer, &buffer, buffer.count, 0)
            _ = send(peer, answer, answer.count, 0)
            close(peer)
        }
        #expect(code { try Courier(socket: place).carry(Self.request()) } == .otherRelease)
        thread.join()
    }

    @Test("an agent that does not answer in time is late, not away")
    func late() throws {
        let listener = clinux_unix_socket()
        let place = "\(directory.path)/silent.sock"
        try #require(clinux_unix_bind(listener, place) == 0 && listen(listener, 1) == 0)
        defer { close(listener) }
        #expect(code { try Courier(socket: place, patience: .milliseconds(20)).carry(Self.request()) } == .late)
    }

    @Test("a peer that says nothing does not keep stop waiting; a handler that works is waited for, and its answer arrives")
    func stops() throws {
        let (entered, leave) = (Gate(), Gate())
        let endpoint = try CourierEndpoint(path: path, workers: 2) { _ in
            entered.open()
            leave.wait()
            return CourierResponse(status: 7, output: [])
        }
        let silent = clinux_unix_socket()
        try #require(clinux_unix_connect(silent, path) == 0)
        defer { close(silent) }
        let status = Mutex<UInt8?>(nil)
        let (path, request) = (path, Self.request())
        let asking = try Background {
            let answer = try? Courier(socket: path).carry(request)
            status.withLock { $0 = answer?.status }
        }
        entered.wait()
        let stopping = try Background { endpoint.stop() }
        leave.open()
        stopping.join()
        asking.join()
        #expect(status.withLock { $0 } == 7)
        endpoint.stop()
    }

    @Test("many couriers at once are all answered, each with its own answer")
    func many() throws {
        let endpoint = try CourierEndpoint(path: path, workers: 4) { CourierResponse(status: 0, output: $0.input) }
        let path = path
        let right = Mutex(0)
        let threads = try (0..<16).map { thread in
            try Background {
                for turn in 0..<20 {
                    let input: [UInt8] = [UInt8(thread), UInt8(turn)]
                    let namespace = try? NamespaceDescriptor(path: "/proc/self/ns/net")
                    let answer = try? Courier(socket: path).carry(Self.request(input, namespace: namespace))
                    if answer?.output == input { right.withLock { $0 += 1 } }
                }
            }
        }
        for thread in threads { thread.join() }
        endpoint.stop()
        #expect(right.withLock { $0 } == 320)
    }
}
