import Addressing
import Glibc
import NIOPosix
import Synchronization
import Telemetry
import Testing

@Suite("a small HTTP server", .timeLimit(.minutes(5))) struct AnswerServerTests {
    private let loopback = SocketAddress(.v4(.loopback), 0)

    /// What comes back for these bytes until the server hangs up; `nil` when nobody listens.
    private func exchange(_ text: String, with server: SocketAddress) -> String? {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        defer { Glibc.close(socket) }
        // After a server is closed its port may be another's, which may wait for more for ever.
        var patience = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = server.port.bigEndian
        name.sin_addr.s_addr = IPv4Address.loopback.rawValue.bigEndian
        let code = withUnsafePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard code == 0 else { return nil }
        let bytes = Array(text.utf8)
        _ = send(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL))
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while case let count = recv(socket, &buffer, buffer.count, 0), count > 0 { answer += buffer[..<count] }
        return String(decoding: answer, as: UTF8.self)
    }

    private func question(_ line: String, _ more: String = "connection: close\r\n") -> String {
        "\(line) HTTP/1.1\r\nhost: test\r\n\(more)\r\n"
    }

    private func withServer(
        admits: @escaping @Sendable (IPAddress) -> Bool = { _ in true }, _ body: (SocketAddress) throws -> Void
    ) async throws {
        let server = try await AnswerServer.open(at: loopback, admits: admits) { question in
            HTTPAnswer(question.path == "/a" ? 200 : 404, "this is \(question.path)", headers: [.init("x-more", "1")])
        }
        do { try body(server.address) } catch { Issue.record("\(error)") }
        await server.close()
        // By then the port may be somebody else's.
        #expect(exchange(question("GET /a"), with: server.address)?.contains("this is /a") != true, "it is closed")
    }

    @Test("GET has an answer with its length, HEAD has the head of it, and other verbs are refused")
    func verbs() async throws {
        try await withServer { server in
            let answer = try #require(exchange(question("GET /a?b=c"), with: server))
            #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n") && answer.hasSuffix("\r\n\r\nthis is /a"))
            #expect(answer.contains("content-length: 10\r\n") && answer.contains("x-more: 1\r\n"))
            #expect(answer.contains("content-type: text/plain; charset=utf-8\r\n"))
            let head = try #require(exchange(question("HEAD /a"), with: server))
            #expect(head.hasSuffix("\r\n\r\n") && head.contains("content-length: 10\r\n"))
            #expect(exchange(question("GET /b"), with: server)?.hasPrefix("HTTP/1.1 404 ") == true)
            let posted = exchange(question("POST /a", "connection: close\r\ncontent-length: 3\r\n") + "abc", with: server)
            #expect(posted?.hasPrefix("HTTP/1.1 405 ") == true)
        }
    }

    @Test("several questions of one connection are answered in their order")
    func pipelined() async throws {
        try await withServer { server in
            let answer = try #require(
                exchange(question("GET /a", "") + question("GET /b", "") + question("GET /a"), with: server))
            let statuses = answer.matches(of: #/HTTP/1.1 (\d+)/#).map { String($0.1) }
            #expect(statuses == ["200", "404", "200"])
        }
    }

    @Test("an answer that waits holds up nobody else's, on whichever loop their connections are")
    func waiting() async throws {
        var gate: [Int32] = [-1, -1]
        try #require(pipe(&gate) == 0)
        let (wait, open) = (gate[0], gate[1])
        defer { for end in [wait, open] { Glibc.close(end) } }
        let isWaiting = Atomic(false)
        let server = try await AnswerServer.open(at: loopback) { question in
            var byte: UInt8 = 0
            if question.path == "/wait" {
                isWaiting.store(true, ordering: .relaxed)
                _ = Glibc.read(wait, &byte, 1)
            }
            return HTTPAnswer(200, "this is \(question.path)")
        }
        let address = server.address
        // In a thread of its own: tasks have few.
        let threads = NIOThreadPool(numberOfThreads: 1)
        threads.start()
        async let waits = threads.runIfActive { exchange(question("GET /wait"), with: address) }
        while !isWaiting.load(ordering: .relaxed) { await Task.yield() }
        for _ in 0..<8 { #expect(exchange(question("GET /a"), with: address)?.hasSuffix("this is /a") == true) }
        _ = Glibc.write(open, [1], 1)
        #expect(try await waits?.hasSuffix("this is /wait") == true)
        try await threads.shutdownGracefully()
        await server.close()
    }

    @Test(
        "what is no HTTP is hung up on, and the next one is served",
        arguments: ["\r\n\r\nnothing\r\n\r\n", "GET\r\n\r\n", "\u{16}\u{3}\u{1}\r\n\r\n"])
    func broken(_ text: String) async throws {
        try await withServer { server in
            #expect(exchange(text, with: server)?.contains("200 OK") == false)
            #expect(exchange(question("GET /a"), with: server)?.contains("200 OK") == true)
        }
    }

    @Test("who asks at an address that is not chosen is hung up on")
    func admitted() async throws {
        try await withServer(admits: { $0 != .v4(.loopback) }) { server in
            #expect(exchange(question("GET /a"), with: server) == "")
        }
    }

    @Test("a port that is taken is told with the kernel's number")
    func taken() async throws {
        let first = try await AnswerServer.open(at: loopback) { _ in .notFound }
        let failure = await #expect(throws: AnswerServerFailure.self) {
            try await AnswerServer.open(at: first.address) { _ in .notFound }
        }
        #expect(failure?.errno == EADDRINUSE && failure?.address == first.address)
        #expect(failure.map { "\($0)" } == "listen at \(first.address): Address already in use")
        await first.close()
        let second = try await AnswerServer.open(at: first.address) { _ in .notFound }
        await second.close()
    }
}
