import Glibc
import KubeAPI
import NIOCore
import NIOHTTP1
import NIOPosix
import Testing

/// One keep-alive connection to a server, read one answer or one line at a time.
struct Client {
    struct Answer {
        var status: Int
        var headers: HTTPHeaders
        var body: String

        /// A member of a member of …: a string as it is, anything else as JSON.
        subscript(_ path: String...) -> String? { Client.member(body, path) }

        /// The names of a list's items.
        var names: [String] {
            guard let tree = try? JSONReader().value(body) else { return [] }
            return tree["items"]?.array?.compactMap { $0["metadata"]?["name"]?.string } ?? []
        }
    }

    fileprivate static func member(_ text: String, _ path: [String]) -> String? {
        guard var value = try? JSONReader().value(text) else { return nil }
        for key in path {
            guard let next = value[key] else { return nil }
            value = next
        }
        return value.string ?? value.description
    }

    private var inbound: NIOAsyncChannelInboundStream<HTTPClientResponsePart>.AsyncIterator
    private let outbound: NIOAsyncChannelOutboundWriter<HTTPClientRequestPart>
    private var unread = ""

    /// - Parameter descriptor: a connected socket; closed at the end.
    static func with<Result>(
        connected descriptor: CInt, _ body: (inout Client) async throws -> Result
    ) async throws -> Result {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .withConnectedSocket(descriptor) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHTTPClientHandlers()
                    return try NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>(
                        wrappingChannelSynchronously: channel)
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            var client = Client(inbound: inbound.makeAsyncIterator(), outbound: outbound)
            return try await body(&client)
        }
    }

    static func with<Result>(port: UInt16, _ body: (inout Client) async throws -> Result) async throws -> Result {
        try await with(connected: try Loopback.connected(to: port), body)
    }

    private init(
        inbound: NIOAsyncChannelInboundStream<HTTPClientResponsePart>.AsyncIterator,
        outbound: NIOAsyncChannelOutboundWriter<HTTPClientRequestPart>
    ) {
        self.inbound = inbound
        self.outbound = outbound
    }

    mutating func ask(
        _ method: HTTPMethod, _ uri: String, _ body: String = "", headers: [(String, String)] = []
    ) async throws -> Answer {
        try await ask(method, uri, bytes: Array(body.utf8), headers: headers)
    }

    /// The same with a body that may be no text.
    mutating func ask(
        _ method: HTTPMethod, _ uri: String, bytes: [UInt8], headers: [(String, String)] = []
    ) async throws -> Answer {
        var answer = try await begin(method, uri, bytes: bytes, headers: headers)
        while let part = try await inbound.next() {
            switch part {
            case .head: break
            case .body(let bytes): answer.body += String(buffer: bytes)
            case .end: return answer
            }
        }
        throw Ended()
    }

    /// Sends a request and reads the head of the answer; its body is read by ``line()``.
    mutating func begin(
        _ method: HTTPMethod, _ uri: String, _ body: String = "", headers: [(String, String)] = []
    ) async throws -> Answer {
        try await begin(method, uri, bytes: Array(body.utf8), headers: headers)
    }

    private mutating func begin(
        _ method: HTTPMethod, _ uri: String, bytes: [UInt8], headers: [(String, String)]
    ) async throws -> Answer {
        var head = HTTPRequestHead(version: .http1_1, method: method, uri: uri)
        head.headers = HTTPHeaders(headers + [("Host", "api.example.org"), ("Content-Length", "\(bytes.count)")])
        try await outbound.write(contentsOf: [.head(head), .body(.byteBuffer(ByteBuffer(bytes: bytes))), .end(nil)])
        guard case .head(let answer)? = try await inbound.next() else { throw Ended() }
        return Answer(status: Int(answer.status.code), headers: answer.headers, body: "")
    }

    /// The next event of a watch: its type and the name of its object.
    mutating func event() async throws -> String? {
        guard let line = try await line() else { return nil }
        return [Client.member(line, ["type"]), Client.member(line, ["object", "metadata", "name"])].compactMap(\.self)
            .joined(separator: " ")
    }

    /// The next line of a streamed answer; `nil` at its end.
    mutating func line() async throws -> String? {
        while true {
            if let newline = unread.firstIndex(of: "\n") {
                let line = String(unread[..<newline])
                unread.removeSubrange(...newline)
                return line
            }
            switch try await inbound.next() {
            case .body(let bytes): unread += String(buffer: bytes)
            case .head: break
            case .end, nil: return nil
            }
        }
    }

    struct Ended: Error {}
}

/// Sockets on 127.0.0.1 of the namespace that the calling thread is in.
enum Loopback {
    /// A bound socket and its port.
    ///
    /// - Parameter port: 0: the kernel chooses.
    static func bound(to port: UInt16 = 0) throws -> (descriptor: CInt, port: UInt16) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = address(port)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let code = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 ? getsockname(descriptor, $0, &length) : -1
            }
        }
        guard descriptor >= 0, code == 0 else { throw Refused(errno: errno) }
        return (descriptor, UInt16(bigEndian: address.sin_port))
    }

    static func connected(to port: UInt16) throws -> CInt {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = address(port)
        let code = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard descriptor >= 0, code == 0 else { throw Refused(errno: errno) }
        return descriptor
    }

    private static func address(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }

    struct Refused: Error { var errno: CInt }
}
