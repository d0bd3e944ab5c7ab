import CLinux
import Glibc

/// The sockets of the echo server and the loop over them.
struct Server {
    private let pod: String
    private let node: String
    private let epoll: Int32
    private var listeners: Set<Int32> = []
    private var datagrams: Set<Int32> = []
    private var connections: [Int32: Connection] = [:]
    private var isListening = true
    private var buffer = [UInt8](repeating: 0, count: 64 << 10)

    /// Enough for any test, and a bound on our memory: more wait in the backlog.
    private static let connectionLimit = 256
    private static let idleLimit = 30

    private struct Connection {
        var conversation: Conversation
        var lastHeard: Int
        var isHalfClosed = false
    }

    init(pod: String, node: String) throws(Refusal) {
        self.pod = pod
        self.node = node
        epoll = clinux_epoll()
        guard epoll >= 0 else { throw .last("epoll") }
    }

    mutating func addListener(_ socket: Int32) throws(Refusal) {
        listeners.insert(socket)
        try watch(socket, "tcp")
    }

    mutating func addDatagrams(_ socket: Int32) throws(Refusal) {
        datagrams.insert(socket)
        try watch(socket, "udp")
    }

    private func watch(_ socket: Int32, _ transport: String) throws(Refusal) {
        guard clinux_epoll_add(epoll, socket, UInt32(CLINUX_READABLE)) == 0 else { throw .last("epoll") }
        // Nobody has to read this: a server whose starter went away still serves.
        write(Array("listening \(transport) \(Endpoint(localOf: socket).port)\n".utf8), to: STDOUT_FILENO)
    }

    /// Serves until a signal ends the process.
    mutating func serve() throws(Refusal) -> Int32 {
        signal(SIGPIPE, SIG_IGN)
        var ready = [clinux_ready](repeating: clinux_ready(), count: 64)
        while true {
            let count = clinux_epoll_wait(epoll, &ready, Int32(ready.count), connections.isEmpty ? -1 : 1000)
            if count < 0, errno != EINTR { throw .last("epoll_wait") }
            for event in ready.prefix(Int(max(0, count))) { handle(event) }
            closeIdle()
        }
    }

    private mutating func handle(_ event: clinux_ready) {
        if listeners.contains(event.descriptor) {
            accept(event.descriptor)
        } else if datagrams.contains(event.descriptor) {
            answerDatagrams(event.descriptor)
        } else if connections[event.descriptor] != nil {
            converse(event.descriptor)
        }
    }
}

// MARK: - Datagrams

extension Server {
    private mutating func answerDatagrams(_ socket: Int32) {
        let port = Endpoint(localOf: socket).port
        // A bound, so that one who sends without end does not keep the others waiting.
        for _ in 0..<64 {
            var peer = sockaddr_in6()
            var own = in6_addr()
            let count = buffer.withUnsafeMutableBytes { clinux_datagram_receive(socket, $0.baseAddress, $0.count, &peer, &own) }
            if count < 0 { return }
            let local = Endpoint(own, port: (UInt16(port) ?? 0).bigEndian)
            var request = String(decoding: buffer.prefix(count), as: UTF8.self)
            if request.last == "\n" { request.removeLast() }
            let answer = Answer(pod: pod, node: node, client: Endpoint(peer), local: local).text("udp", request)
            let bytes = Array(answer.utf8)
            _ = bytes.withUnsafeBytes { clinux_datagram_send(socket, $0.baseAddress, $0.count, &peer, &own) }
        }
    }
}

// MARK: - Connections

extension Server {
    private mutating func accept(_ listener: Int32) {
        while connections.count < Self.connectionLimit {
            var peer = sockaddr_in6()
            let descriptor = clinux_serve_accept(listener, &peer)
            guard descriptor >= 0 else { return }
            guard clinux_epoll_add(epoll, descriptor, UInt32(CLINUX_READABLE)) == 0 else {
                close(descriptor)
                continue
            }
            let ends = Answer(pod: pod, node: node, client: Endpoint(peer), local: Endpoint(localOf: descriptor))
            connections[descriptor] = Connection(conversation: Conversation(ends), lastHeard: Self.now)
        }
        listen(false)
    }

    /// One step of a connection: what it says is read only when what we said is out.
    private mutating func converse(_ descriptor: Int32) {
        guard var connection = connections[descriptor] else { return }
        if connection.conversation.output.isEmpty {
            let count = buffer.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, $0.count, 0) }
            if count < 0 {
                if errno != EAGAIN, errno != EINTR { end(descriptor) }
                return
            }
            connection.lastHeard = Self.now
            if count > 0 { connection.conversation.receive(buffer.prefix(count)) }
            if count == 0 {
                if connection.isHalfClosed { return end(descriptor) }
                connection.conversation.end()
            }
        }
        guard send(&connection, descriptor) else { return end(descriptor) }
        connections[descriptor] = connection
    }

    /// Sends what there is; false when the connection is broken.
    private func send(_ connection: inout Connection, _ descriptor: Int32) -> Bool {
        while !connection.conversation.output.isEmpty {
            let sent = connection.conversation.output.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if sent < 0, errno == EINTR { continue }
            if sent < 0, errno == EAGAIN { return clinux_epoll_change(epoll, descriptor, UInt32(CLINUX_WRITABLE)) == 0 }
            guard sent > 0 else { return false }
            connection.conversation.sent(sent)
        }
        // A close with unread bytes would answer with a reset, which takes our answer away: we end our half and read on.
        if connection.conversation.isOver, !connection.isHalfClosed {
            shutdown(descriptor, Int32(SHUT_WR))
            connection.isHalfClosed = true
        }
        return clinux_epoll_change(epoll, descriptor, UInt32(CLINUX_READABLE)) == 0
    }

    private mutating func end(_ descriptor: Int32) {
        close(descriptor)
        connections[descriptor] = nil
        listen(true)
    }

    private mutating func closeIdle() {
        let now = Self.now
        for (descriptor, connection) in connections where now - connection.lastHeard > Self.idleLimit { end(descriptor) }
    }

    private mutating func listen(_ wanted: Bool) {
        guard wanted != isListening else { return }
        for listener in listeners { _ = clinux_epoll_change(epoll, listener, wanted ? UInt32(CLINUX_READABLE) : 0) }
        isListening = wanted
    }

    private static var now: Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec
    }
}
