import Addressing
import Glibc
import Netlink
import Synchronization

/// Asks over and over, each time by a new connection, on a thread of its own.
final class Asker: Sendable {
    private let namespace: NetworkNamespace
    private let target: SocketAddress
    private let state = Mutex(State())
    /// A byte for each answer, so that others can wait for some.
    private let told: (read: Int32, write: Int32)

    private struct State {
        var outcomes: [Outcome: Int] = [:]
        var isStopping = false
        var hasEnded = false
    }

    init(in namespace: NetworkNamespace, _ target: SocketAddress) throws {
        (self.namespace, self.target) = (namespace, target)
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw Unexpected("no pipe: errno \(errno)") }
        told = (ends[0], ends[1])
        _ = fcntl(told.write, F_SETFL, O_NONBLOCK)
        var thread = pthread_t()
        // Safe: the one reference is taken back by the thread.
        let handle = Unmanaged.passRetained(self).toOpaque()
        guard pthread_create(&thread, nil, { Asker.run($0) }, handle) == 0 else { throw Unexpected("no thread to ask from") }
        pthread_detach(thread)
    }

    deinit {
        close(told.read)
        close(told.write)
    }

    private static func run(_ pointer: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
        guard let pointer else { return nil }
        // Safe: the pointer is the one that init retained for this thread, and nobody else takes it back.
        let asker = Unmanaged<Asker>.fromOpaque(pointer).takeRetainedValue()
        while !asker.state.withLock({ $0.isStopping }) { asker.ask() }
        asker.state.withLock { $0.hasEnded = true }
        asker.tell()
        return nil
    }

    private func ask() {
        let outcome: Outcome
        do {
            outcome = try Client(in: namespace, .tcp, target.address.family).ask(target)
        } catch {
            outcome = .unreachable(-1)
        }
        state.withLock { $0.outcomes[outcome, default: 0] += 1 }
        tell()
    }

    private func tell() { _ = write(told.write, [1 as UInt8], 1) }

    /// Until so many more were answered.
    func wait(for count: Int) {
        var bytes = [UInt8](repeating: 0, count: 65536)
        // Those of before.
        while poll(count: 0), read(told.read, &bytes, bytes.count) > 0 {}
        for _ in 0..<count { _ = read(told.read, &bytes, 1) }
    }

    private func poll(count: Int32) -> Bool {
        var entry = pollfd(fd: told.read, events: Int16(POLLIN), revents: 0)
        return Glibc.poll(&entry, 1, count) == 1
    }

    /// What came of all questions.
    @discardableResult
    func stop() -> [Outcome: Int] {
        state.withLock { $0.isStopping = true }
        var byte: UInt8 = 0
        while !state.withLock({ $0.hasEnded }) { _ = read(told.read, &byte, 1) }
        return state.withLock { $0.outcomes }
    }
}
