import Addressing
import CLinux
import Glibc
import Netlink
import Synchronization

/// Who asks during a rollout, from one pod: so many new connections a second, and some that stay.
final class RolloutClients: Sendable {
    struct Counts {
        /// Seconds from the start of each new connection to the server's first word.
        var times: [Double] = []
        var failures: [String] = []
        var exchanges = 0
        /// Connections that stayed until their pod ended, and were made again.
        var moved = 0
        /// Connections that ended while their pod was there.
        var broken: [String] = []
    }

    private struct State {
        var counts = Counts()
        var isStopped = false
        var running = 0
        var port: UInt16 = 10_000
    }

    private let state = Mutex(State())
    private let namespace: NetworkNamespace
    private let servers: RolloutServers

    init(in namespace: NetworkNamespace, _ servers: RolloutServers) { (self.namespace, self.servers) = (namespace, servers) }

    /// - Parameters:
    ///   - rate: new connections a second, together.
    ///   - standing: how many stay; each exchanges a word with its pod five times a second.
    func start(rate: Int, standing: Int) {
        let threads = 2
        for _ in 0..<threads { run { $0.ask(perSecond: rate / threads) } }
        run { $0.stay(standing) }
    }

    func stop() -> Counts {
        state.withLock { $0.isStopped = true }
        while state.withLock({ $0.running }) > 0 { poll(nil, 0, 10) }
        return state.withLock { $0.counts }
    }

    private var isStopped: Bool { state.withLock { $0.isStopped } }

    private final class Work: Sendable {
        let clients: RolloutClients
        let body: @Sendable (RolloutClients) -> Void
        init(_ clients: RolloutClients, _ body: @escaping @Sendable (RolloutClients) -> Void) {
            (self.clients, self.body) = (clients, body)
        }
    }

    private func run(_ body: @escaping @Sendable (RolloutClients) -> Void) {
        state.withLock { $0.running += 1 }
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { pointer in
                guard let pointer else { return nil }
                let work = Unmanaged<Work>.fromOpaque(pointer).takeRetainedValue()
                work.body(work.clients)
                work.clients.state.withLock { $0.running -= 1 }
                return nil
            }, Unmanaged.passRetained(Work(self, body)).toOpaque())
        pthread_detach(thread)
    }

    // MARK: - New connections

    private func ask(perSecond rate: Int) {
        let maker = SocketMaker(in: namespace)
        let start = seconds(CLOCK_MONOTONIC)
        var number = 0
        while !isStopped {
            let due = start + Double(number) / Double(rate)
            number += 1
            let wait = due - seconds(CLOCK_MONOTONIC)
            if wait > 0 { usleep(UInt32(wait * 1e6)) }
            let begin = seconds(CLOCK_MONOTONIC)
            switch connect(maker) {
            case .success:
                let time = seconds(CLOCK_MONOTONIC) - begin
                state.withLock { $0.counts.times.append(time) }
            case .failure(let trouble): state.withLock { $0.counts.failures.append(trouble.description) }
            }
        }
    }

    /// - Returns: the socket, and which pod answers.
    private func connect(_ maker: SocketMaker) -> Result<(socket: Descriptor, pod: UInt32), RolloutScene.Trouble> {
        do {
            let socket = try maker.next()
            // Three tries of the kernel's: what is lost once is slow, what is lost for good is a failure.
            var limit = timeval(tv_sec: 8, tv_usec: 0)
            for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
                setsockopt(socket.rawValue, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
            }
            try bindNextPort(socket)
            try Sockets.connect(socket, to: RolloutScene.front)
            var pod: UInt32 = 0
            guard recv(socket.rawValue, &pod, 4, Int32(MSG_WAITALL)) == 4 else {
                return .failure(RolloutScene.Trouble(description: "no word from the server: errno \(errno)"))
            }
            return .success((socket, pod))
        } catch {
            return .failure(RolloutScene.Trouble(description: "\(error)"))
        }
    }

    /// A port that was used a moment ago belongs to a connection that the kernel remembers for ten seconds more, and can go where that
    /// one went: ports by chance are the same again now and then.
    private func bindNextPort(_ socket: Descriptor) throws {
        for _ in 0..<1000 {
            let port = state.withLock { state -> UInt16 in
                state.port = state.port == 65_000 ? 10_000 : state.port + 1
                return state.port
            }
            var name = Sockets.name(SocketAddress(.any(.v4), port))
            let code = withUnsafePointer(to: &name) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(socket.rawValue, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            // One that stays has it.
            if code == 0 { return }
        }
        throw RolloutScene.Trouble(description: "no port is free: errno \(errno)")
    }

    // MARK: - Connections that stay

    private func stay(_ count: Int) {
        let maker = SocketMaker(in: namespace)
        var standing: [(socket: Descriptor, pod: UInt32)?] = Array(repeating: nil, count: count)
        let start = seconds(CLOCK_MONOTONIC)
        var turn = 0
        while !isStopped {
            let wait = start + Double(turn) / Double(5 * count) - seconds(CLOCK_MONOTONIC)
            if wait > 0 { usleep(UInt32(wait * 1e6)) }
            let index = turn % count
            turn += 1
            guard let (socket, pod) = standing[index] else {
                switch connect(maker) {
                case .success(let made): standing[index] = made
                case .failure(let trouble): state.withLock { $0.counts.failures.append("to stay: \(trouble)") }
                }
                continue
            }
            var (word, answer) = (UInt64(turn), UInt64(0))
            let isWell =
                send(socket.rawValue, &word, 8, Int32(MSG_NOSIGNAL)) == 8
                && recv(socket.rawValue, &answer, 8, Int32(MSG_WAITALL)) == 8 && word == answer
            let code = errno
            state.withLock { state in
                if isWell {
                    state.counts.exchanges += 1
                } else if servers.hasEnded(pod) {
                    state.counts.moved += 1
                } else {
                    state.counts.broken.append("with pod \(pod): errno \(code)")
                }
            }
            if !isWell { standing[index] = nil }
        }
    }
}
