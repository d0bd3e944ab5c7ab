internal import CLinux
import Glibc

/// One unix stream socket, closed with its value.
struct CourierStream: ~Copyable {
    let descriptor: Int32
    let path: String

    init(owning descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    init(path: String) throws(SystemFailure) {
        let descriptor = clinux_unix_socket()
        guard descriptor >= 0 else { throw .last("socket", path) }
        self.init(owning: descriptor, path: path)
    }

    deinit { close(descriptor) }

    func connect() throws(SystemFailure) {
        guard clinux_unix_connect(descriptor, path) == 0 else { throw .last("connect", path) }
    }

    /// How long one read or write may wait; `connect` counts as a write.
    func limit(reading: Duration? = nil, writing: Duration? = nil) throws(SystemFailure) {
        if let reading, clinux_socket_receive_timeout(descriptor, reading.milliseconds) != 0 { throw .last("setsockopt", path) }
        if let writing, clinux_socket_send_timeout(descriptor, writing.milliseconds) != 0 { throw .last("setsockopt", path) }
    }

    func write(_ bytes: [UInt8], with namespace: NamespaceDescriptor? = nil) throws(SystemFailure) {
        var offset = 0
        while offset < bytes.count {
            // The descriptor goes with the first byte that leaves, and only with that.
            let companion = offset == 0 ? namespace?.rawValue ?? -1 : -1
            let sent = bytes[offset...].withUnsafeBytes {
                clinux_send_with_descriptor(descriptor, $0.baseAddress, $0.count, companion)
            }
            if sent < 0, errno == EINTR { continue }
            guard sent > 0 else { throw .last("send", path) }
            offset += sent
        }
        withExtendedLifetime(namespace) {}
    }

    /// Reads this many bytes; fewer when the other side ends before.
    func read(_ count: Int) throws(SystemFailure) -> [UInt8] {
        try read(count) { recv(descriptor, $0.baseAddress, $0.count, 0) }
    }

    /// Reads this many bytes and the descriptor that came with the first of them.
    func readWithDescriptor(_ count: Int) throws(SystemFailure) -> (bytes: [UInt8], descriptor: Int32?) {
        var companion: Int32 = -1
        do {
            let bytes = try read(count) { [descriptor] (buffer) in
                guard companion < 0 else { return recv(descriptor, buffer.baseAddress, buffer.count, 0) }
                return clinux_receive_with_descriptor(descriptor, buffer.baseAddress, buffer.count, &companion)
            }
            return (bytes, companion < 0 ? nil : companion)
        } catch {
            if companion >= 0 { close(companion) }
            throw error
        }
    }

    private func read(_ count: Int, by receive: (UnsafeMutableRawBufferPointer) -> Int) throws(SystemFailure) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            let received = bytes.withUnsafeMutableBytes { receive(UnsafeMutableRawBufferPointer(rebasing: $0[filled...])) }
            if received < 0, errno == EINTR { continue }
            guard received >= 0 else { throw .last("receive", path) }
            if received == 0 { break }
            filled += received
        }
        bytes.removeLast(count - filled)
        return bytes
    }

    var peerUser: uid_t {
        get throws(SystemFailure) {
            var user: uid_t = 0
            guard clinux_peer_user(descriptor, &user) == 0 else { throw .last("getsockopt SO_PEERCRED", path) }
            return user
        }
    }
}

extension Duration {
    /// At least one, for zero means “for ever” to a socket.
    fileprivate var milliseconds: Int {
        max(1, Int(components.seconds) * 1000 + Int(components.attoseconds / 1_000_000_000_000_000))
    }
}
