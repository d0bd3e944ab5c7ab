import Addressing
import CLinux
import Glibc
import Netlink
import Synchronization

/// The programs in all pods, on one thread: each says its number to who connects, and gives back what it is sent.
final class RolloutServers: Sendable {
    private struct State {
        /// Whose a listening socket is, and whose a connection.
        var listeners: [Int32: UInt32] = [:]
        var connections: [Int32: UInt32] = [:]
        var ended: Set<UInt32> = []
        var isStopped = false
    }

    private let state = Mutex(State())

    init() {
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { pointer in
                guard let pointer else { return nil }
                Unmanaged<RolloutServers>.fromOpaque(pointer).takeRetainedValue().run()
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        pthread_detach(thread)
    }

    /// A pod's program starts.
    func start(_ number: UInt32, in namespace: NetworkNamespace) throws {
        let listener = try namespace.perform { () throws(KernelError) in
            let opened = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
            var name = Sockets.name(SocketAddress(.any(.v4), RolloutScene.port))
            let bound = withUnsafePointer(to: &name) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(opened, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            guard opened >= 0, bound == 0, listen(opened, 1024) == 0 else {
                throw KernelError(Errno(rawValue: errno), "listen in pod \(number)")
            }
            return opened
        }
        // Seen at the next look.
        state.withLock { $0.listeners[listener] = number }
    }

    /// It ends: nobody listens any more, and its connections are closed.
    func end(_ number: UInt32) {
        state.withLock { state in
            state.ended.insert(number)
            for (descriptor, owner) in state.listeners where owner == number {
                close(descriptor)
                state.listeners[descriptor] = nil
            }
            for (descriptor, owner) in state.connections where owner == number {
                close(descriptor)
                state.connections[descriptor] = nil
            }
        }
    }

    func hasEnded(_ number: UInt32) -> Bool { state.withLock { $0.ended.contains(number) } }
    func stop() { state.withLock { $0.isStopped = true } }

    private func run() {
        while true {
            let (descriptors, isStopped) = state.withLock {
                (Array($0.listeners.keys) + Array($0.connections.keys), $0.isStopped)
            }
            guard !isStopped else { return }
            var waits = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            guard poll(&waits, nfds_t(waits.count), 10) > 0 else { continue }
            // Under the lock: a descriptor that was closed meanwhile is nobody's.
            state.withLock { state in
                for wait in waits where wait.revents != 0 { serve(wait.fd, &state) }
            }
        }
    }

    private func serve(_ descriptor: Int32, _ state: inout State) {
        if let number = state.listeners[descriptor] {
            while true {
                let accepted = accept(descriptor, nil, nil)
                guard accepted >= 0 else { return }
                _ = fcntl(accepted, F_SETFL, O_NONBLOCK)
                var hello = number
                _ = send(accepted, &hello, 4, Int32(MSG_NOSIGNAL))
                state.connections[accepted] = number
            }
        }
        guard state.connections[descriptor] != nil else { return }
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = recv(descriptor, &bytes, bytes.count, 0)
        if count > 0 {
            _ = send(descriptor, &bytes, count, Int32(MSG_NOSIGNAL))
        } else if count == 0 || errno != EAGAIN {
            state.connections[descriptor] = nil
            close(descriptor)
        }
    }
}
