import Addressing
import CLinux
import DNS
import Glibc
import NameServer

/// Asks one name server, and waits for it: over UDP, and over TCP what did not fit.
struct DNSAsker {
    private let server: Upstream
    /// In milliseconds; the C library waits as long.
    private static let patience: Int32 = 5000

    init(_ server: Upstream) { self.server = server }

    /// - Parameter isStream: never over UDP.
    /// - Returns: `nil` when nobody answered.
    func ask(_ question: Question, overTCP isStream: Bool = false) -> Message? {
        let id = UInt16.random(in: .min ... .max)
        let query = Message.query(question, id: id, edns: EDNS(udpSize: 1232)).bytes()
        func isAnswer(_ bytes: [UInt8]) -> Message? {
            guard let message = try? Message(bytes), message.header.id == id, message.header.isResponse else { return nil }
            return message
        }
        if isStream { return askOverTCP(query, isAnswer) }
        let said = exchange(isStream: false) { socket -> Message? in
            guard send(query, to: socket) else { return nil }
            while let bytes = receive(from: socket, most: 65536) {
                if let message = isAnswer(bytes) { return message }
            }
            return nil
        }
        guard let said, said.header.isTruncated else { return said }
        return askOverTCP(query, isAnswer) ?? said
    }

    private func askOverTCP(_ query: [UInt8], _ isAnswer: ([UInt8]) -> Message?) -> Message? {
        let framed = [UInt8(query.count >> 8), UInt8(query.count & 0xFF)] + query
        return exchange(isStream: true) { socket -> Message? in
            guard send(framed, to: socket) else { return nil }
            var bytes: [UInt8] = []
            while bytes.count < 2 || bytes.count < 2 + (Int(bytes[0]) << 8 | Int(bytes[1])) {
                guard let more = receive(from: socket, most: 65536), !more.isEmpty else { return nil }
                bytes += more
            }
            return isAnswer(Array(bytes.dropFirst(2)))
        }
    }

    /// A page over HTTP; `nil` when nobody shows it.
    func page(_ path: String) -> String? {
        let request = "GET \(path) HTTP/1.1\r\nhost: \(server.address)\r\nconnection: close\r\n\r\n"
        return exchange(isStream: true) { socket -> String? in
            guard send(Array(request.utf8), to: socket) else { return nil }
            var bytes: [UInt8] = []
            while let more = receive(from: socket, most: 65536), !more.isEmpty, bytes.count < 1 << 20 { bytes += more }
            let text = String(decoding: bytes, as: UTF8.self)
            guard text.hasPrefix("HTTP/1.1 200 "), let end = text.firstRange(of: "\r\n\r\n") else { return nil }
            return String(text[end.upperBound...])
        }
    }

    private func exchange<Value>(isStream: Bool, _ body: (Int32) -> Value?) -> Value? {
        let address = server.address.address.bytes
        let scope = server.interface.map { if_nametoindex($0) } ?? 0
        let socket =
            isStream
            ? clinux_connect_stream(address, address.count, server.address.port, scope)
            : clinux_connect_datagram(address, address.count, server.address.port, scope)
        guard socket >= 0 else { return nil }
        defer { close(socket) }
        if isStream { guard waits(for: socket, Int16(POLLOUT)), clinux_socket_error(socket) == 0 else { return nil } }
        return body(socket)
    }

    private func waits(for socket: Int32, _ events: Int16) -> Bool {
        var entry = pollfd(fd: socket, events: events, revents: 0)
        return poll(&entry, 1, Self.patience) == 1
    }

    private func send(_ bytes: [UInt8], to socket: Int32) -> Bool { clinux_send_now(socket, bytes, bytes.count) == bytes.count }

    /// What has come; empty at the end of a stream.
    private func receive(from socket: Int32, most: Int) -> [UInt8]? {
        guard waits(for: socket, Int16(POLLIN)) else { return nil }
        var bytes = [UInt8](repeating: 0, count: most)
        let count = clinux_receive_now(socket, &bytes, bytes.count)
        return count < 0 ? nil : Array(bytes[..<count])
    }
}
