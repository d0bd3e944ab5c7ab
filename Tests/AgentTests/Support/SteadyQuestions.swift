import Addressing
import CLinux
import DNS
import Glibc
import Netlink
import Synchronization

/// Questions over UDP at a steady rate, each pair of them from a socket of its own, as the C library asks for both kinds of
/// addresses: nothing is asked twice.
final class SteadyQuestions: Sendable {
    struct Counts: Sendable {
        var asked = 0
        /// By what was answered.
        var answers: [String: Int] = [:]
        /// When a question was asked that nobody answered: since the beginning, in seconds.
        var lost: [Double] = []
    }

    private struct Pair {
        let socket: Descriptor
        var left: Int
        let since: ContinuousClock.Instant
    }

    private struct State: ~Copyable {
        var counts = Counts()
        var open: [Int32: Pair] = [:]
        var next: ContinuousClock.Instant
    }

    private let state: Mutex<State>
    private let namespace: NetworkNamespace
    private let address: IPAddress
    private let queries: [[UInt8]]
    private let start = ContinuousClock.now
    private let patience: Duration
    private let treadmill = Mutex<Treadmill?>(nil)

    /// - Parameters:
    ///   - name: asked for as TXT and as AAAA.
    ///   - rate: questions a second.
    ///   - patience: what takes longer is lost.
    init(_ name: String, in namespace: NetworkNamespace, at address: IPAddress, rate: Int, patience: Duration = .seconds(3))
        throws
    {
        guard let name = DomainName(name) else { throw Broken("\(name) is no name") }
        (self.namespace, self.address, self.patience) = (namespace, address, patience)
        queries = [RecordType.txt, .aaaa].enumerated().map { index, type in
            DNS.Message.query(Question(name, type), id: UInt16(index + 1)).bytes()
        }
        state = Mutex(State(next: start))
        let pause = Duration.seconds(1) / rate * queries.count
        treadmill.withLock { $0 = Treadmill { self.step(pause) } }
    }

    /// Since the beginning, in seconds.
    var age: Double { (ContinuousClock.now - start) / .seconds(1) }

    var now: Counts { state.withLock { $0.counts } }

    /// - Returns: once every question has its answer, or is lost.
    func end() -> Counts {
        treadmill.withLock { $0 }?.stop()
        while state.withLock({ !$0.open.isEmpty }) { hear(for: 5) }
        return now
    }

    private func step(_ pause: Duration) {
        if state.withLock({ $0.next <= .now }) {
            state.withLock { $0.next += pause }
            ask()
        }
        hear(for: 1)
    }

    private func ask() {
        let bytes = address.bytes
        let socket = try? namespace.perform { () throws(KernelError) in
            Descriptor(owning: clinux_connect_datagram(bytes, bytes.count, 53, 0))
        }
        guard let socket else { return }
        for query in queries { _ = clinux_send_now(socket.rawValue, query, query.count) }
        state.withLock { state in
            state.counts.asked += queries.count
            state.open[socket.rawValue] = Pair(socket: socket, left: queries.count, since: .now)
        }
    }

    private func hear(for milliseconds: Int32) {
        var entries = state.withLock { $0.open.keys.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) } }
        _ = poll(&entries, nfds_t(entries.count), milliseconds)
        state.withLock { state in
            for entry in entries where entry.revents != 0 { Self.take(entry.fd, &state) }
            for (number, pair) in state.open where pair.since + patience < .now {
                let since = (pair.since - start) / .seconds(1)
                for _ in 0..<pair.left { state.counts.lost.append(since) }
                state.open[number] = nil
            }
        }
    }

    private static func take(_ number: Int32, _ state: inout State) {
        var bytes = [UInt8](repeating: 0, count: 2048)
        // An error that the kernel was told is no answer, and is told once.
        while case let count = clinux_receive_now(number, &bytes, bytes.count), count > 0 {
            guard let message = try? DNS.Message(Array(bytes[..<count])) else { continue }
            state.open[number]?.left -= 1
            let said = message.answers.first.map { "\($0.data)" } ?? "\(message.responseCode)"
            state.counts.answers[said, default: 0] += 1
        }
        if state.open[number]?.left == 0 { state.open[number] = nil }
    }
}
