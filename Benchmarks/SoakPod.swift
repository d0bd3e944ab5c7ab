import Addressing
import CLinux
import Glibc
import Netlink
import Synchronization

/// A pod of the soak: a namespace that says its name to whoever asks, by TCP and by UDP.
struct SoakPod {
    let name: String
    let namespace: NetworkNamespace
    let address: IPv4Address
    let responder: SoakResponder.Seat
}

/// Answers for all pods, on one thread.
final class SoakResponder: Sendable {
    static let port: UInt16 = 8080

    /// A pod's two sockets.
    final class Seat: Sendable {
        let name: String
        let stream: Descriptor
        let datagrams: Descriptor

        init(_ name: String, in namespace: NetworkNamespace) throws {
            self.name = name
            stream = try SoakSocket.open(in: namespace, isStream: true)
            datagrams = try SoakSocket.open(in: namespace, isStream: false)
            for socket in [stream, datagrams] {
                try SoakSocket.with(.any, SoakResponder.port) { address, length in
                    guard bind(socket.rawValue, address, length) == 0 else {
                        throw KernelError(Errno(rawValue: errno), "bind in pod \(name)")
                    }
                }
            }
            guard listen(stream.rawValue, 64) == 0 else { throw KernelError(Errno(rawValue: errno), "listen in pod \(name)") }
        }
    }

    private let seats = Mutex<[String: Seat]>([:])
    private let isStopped = Mutex(false)

    init() {
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { pointer in
                guard let pointer else { return nil }
                Unmanaged<SoakResponder>.fromOpaque(pointer).takeRetainedValue().run()
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        pthread_detach(thread)
    }

    func take(_ seat: Seat) { seats.withLock { $0[seat.name] = seat } }
    func forget(_ name: String) { seats.withLock { $0[name] = nil } }
    func stop() { isStopped.withLock { $0 = true } }

    private func run() {
        while !isStopped.withLock({ $0 }) {
            let all = seats.withLock { Array($0.values) }
            var waits = all.flatMap { seat in
                [seat.stream, seat.datagrams].map { pollfd(fd: $0.rawValue, events: Int16(POLLIN), revents: 0) }
            }
            // A pod that comes meanwhile is served at the next look.
            guard poll(&waits, nfds_t(waits.count), 20) > 0 else { continue }
            for (index, wait) in waits.enumerated() where wait.revents != 0 {
                answer(all[index / 2], isStream: index % 2 == 0)
            }
        }
    }

    private func answer(_ seat: Seat, isStream: Bool) {
        let name = Array(seat.name.utf8)
        if isStream {
            let accepted = accept(seat.stream.rawValue, nil, nil)
            guard accepted >= 0 else { return }
            _ = send(accepted, name, name.count, Int32(MSG_NOSIGNAL))
            close(accepted)
        } else {
            var peer = sockaddr_in()
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            var byte: UInt8 = 0
            withUnsafeMutablePointer(to: &peer) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                    guard recvfrom(seat.datagrams.rawValue, &byte, 1, Int32(MSG_DONTWAIT), pointer, &length) >= 0 else { return }
                    // The question's number goes back in front of the name.
                    _ = sendto(seat.datagrams.rawValue, [byte] + name, 1 + name.count, 0, pointer, length)
                }
            }
        }
    }
}

enum SoakSocket {
    static func open(in namespace: NetworkNamespace, isStream: Bool) throws -> Descriptor {
        try namespace.perform { () throws(KernelError) in
            let kind = (isStream ? SOCK_STREAM : SOCK_DGRAM).rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue
            let opened = socket(AF_INET, Int32(kind), 0)
            guard opened >= 0 else { throw KernelError(Errno(rawValue: errno), "open a socket") }
            return Descriptor(owning: opened)
        }
    }

    static func with<Result>(
        _ address: IPv4Address, _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) throws -> Result
    ) rethrows -> Result {
        var four = sockaddr_in()
        four.sin_family = sa_family_t(AF_INET)
        four.sin_port = port.bigEndian
        four.sin_addr.s_addr = address.rawValue.bigEndian
        return try withUnsafePointer(to: &four) {
            try $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { try body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
    }
}
