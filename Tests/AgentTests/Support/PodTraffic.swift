import Addressing
import CLinux
import Glibc
import Netlink
import Synchronization

/// Work on a thread of its own, again and again until it is told to stop.
final class Treadmill: Sendable {
    private let isStopped = Mutex(false)
    private let step: @Sendable () -> Void
    private let thread: Mutex<pthread_t>

    init(_ step: @escaping @Sendable () -> Void) {
        self.step = step
        thread = Mutex(pthread_t())
        _ = thread.withLock {
            pthread_create(
                &$0, nil,
                { pointer in
                    guard let pointer else { return nil }
                    let treadmill = Unmanaged<Treadmill>.fromOpaque(pointer).takeRetainedValue()
                    while !treadmill.isStopped.withLock({ $0 }) { treadmill.step() }
                    return nil
                }, Unmanaged.passRetained(self).toOpaque())
        }
    }

    /// Waits for the step that is under way. Once.
    func stop() {
        isStopped.withLock { $0 = true }
        pthread_join(thread.withLock { $0 }, nil)
    }
}

/// Numbered datagrams from one pod to another, about a thousand a second.
final class DatagramStream {
    private struct Counts {
        var sent = 0
        var arrived: Set<Int> = []
    }
    private final class Wire: Sendable {
        let counts = Mutex(Counts())
        let near: Datagrams
        let far: Datagrams
        let target: IPAddress

        init(_ near: Datagrams, _ far: Datagrams, _ target: IPAddress) {
            (self.near, self.far, self.target) = (near, far, target)
        }

        func send() {
            let number = counts.withLock { counts in
                counts.sent += 1
                return counts.sent
            }
            // What the kernel refuses to send is lost as well.
            try? near.send("\(number)", to: target, port: 4010)
            drain(for: 1)
            poll(nil, 0, 1)
        }

        func drain(for milliseconds: Int32) {
            var ready = pollfd(fd: far.socket.rawValue, events: Int16(POLLIN), revents: 0)
            while poll(&ready, 1, milliseconds) == 1, let number = (try? far.receive()).flatMap({ Int($0.text) }) {
                let isAll = counts.withLock { counts in
                    counts.arrived.insert(number)
                    return counts.arrived.count == counts.sent
                }
                if isAll { return }
            }
        }
    }
    private let wire: Wire
    private let treadmill: Treadmill

    init(from one: (NetworkNamespace, IPAddress), to other: (NetworkNamespace, IPAddress)) throws {
        let wire = try Wire(
            Datagrams(in: one.0, at: one.1.mapped), Datagrams(in: other.0, at: other.1.mapped, port: 4010), other.1.mapped)
        self.wire = wire
        treadmill = Treadmill { wire.send() }
    }

    var arrived: Int { wire.counts.withLock { $0.arrived.count } }

    /// Ends it, waits for what is under way, and counts.
    func end() -> (sent: Int, lost: Int) {
        treadmill.stop()
        wire.drain(for: 2000)
        return wire.counts.withLock { ($0.sent, $0.sent - $0.arrived.count) }
    }
}

/// One TCP connection from pod to pod over which a number goes there and back, again and again.
final class LongExchange {
    private struct Counts {
        var turns = 0
        var trouble: String?
    }
    private final class Wire: Sendable {
        let counts = Mutex(Counts())
        let near: Descriptor
        let far: Descriptor

        init(_ near: Descriptor, _ far: Descriptor) { (self.near, self.far) = (near, far) }

        func turn() {
            defer { poll(nil, 0, 1) }
            guard counts.withLock({ $0.trouble }) == nil else { return }
            let number = counts.withLock { $0.turns }
            for (from, to) in [(near, far), (far, near)] {
                var (word, read) = (number, 0)
                guard Glibc.send(from.rawValue, &word, 8, Int32(MSG_NOSIGNAL)) == 8,
                    recv(to.rawValue, &read, 8, Int32(MSG_WAITALL)) == 8, read == number
                else {
                    let reason = "after \(number) turns: \(read) instead of \(number), errno \(errno)"
                    counts.withLock { $0.trouble = reason }
                    return
                }
            }
            counts.withLock { $0.turns += 1 }
        }
    }
    private let wire: Wire
    private let treadmill: Treadmill

    init(from one: NetworkNamespace, to other: (NetworkNamespace, IPAddress), port: UInt16 = 4011) throws {
        let listener = try Self.socket(in: other.0)
        let bound = Datagrams.with(other.1.mapped, port) { bind(listener.rawValue, $0, $1) }
        guard bound == 0, listen(listener.rawValue, 1) == 0 else { throw Broken("listen: errno \(errno)") }
        let near = try Self.socket(in: one)
        guard Datagrams.with(other.1.mapped, port, { connect(near.rawValue, $0, $1) }) == 0 else {
            throw Broken("connect to \(other.1): errno \(errno)")
        }
        let far = Descriptor(owning: accept(listener.rawValue, nil, nil))
        guard far.rawValue >= 0 else { throw Broken("accept: errno \(errno)") }
        // A way that is cut for good is noticed; until then TCP tries again by itself.
        var limit = timeval(tv_sec: 60, tv_usec: 0)
        for end in [near, far] {
            setsockopt(end.rawValue, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        }
        let wire = Wire(near, far)
        self.wire = wire
        treadmill = Treadmill { wire.turn() }
    }

    deinit { treadmill.stop() }

    var turns: Int { wire.counts.withLock { $0.turns } }
    var trouble: String? { wire.counts.withLock { $0.trouble } }

    static func socket(in namespace: NetworkNamespace) throws -> Descriptor {
        try namespace.perform { () throws(KernelError) in
            let opened = Glibc.socket(AF_INET6, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            guard opened >= 0 else { throw KernelError(Errno(rawValue: errno), "open a socket") }
            return Descriptor(owning: opened)
        }
    }
}
