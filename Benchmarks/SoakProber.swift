import Addressing
import CLinux
import Glibc
import Netlink
import Synchronization

/// Asks services without a pause, from a pod, by TCP and by UDP, and judges who answers. Several ask at once, each its own services,
/// so that one that waits in vain keeps nobody else from asking.
///
/// What is allowed is known in versions: while a change is on its way the old and the new are. An answer must be allowed in a version
/// between the question and the answer.
final class SoakProber: Sendable {
    /// By service: who may answer, and whether nobody may.
    struct Expectation {
        var port: UInt16 = 0
        var members: Set<String> = []
        var mayBeSilent = true
    }

    struct Counts {
        var answers: [String: Int] = ["TCP": 0, "UDP": 0]
        var refusals = 0
        var wrong = 0
        var unanswered = 0
        /// The first few faults, in words.
        var faults: [String] = []
    }

    private struct State {
        var versions: [[Int: Expectation]] = []
        var counts = Counts()
        var isStopped = false
        var running = 0
    }

    private let state = Mutex(State())
    private let namespace: NetworkNamespace
    private let services: Int
    /// Long-lived UDP clients keep their port: who answers them is remembered by the kernel.
    private let clients: [Descriptor]

    init(in namespace: NetworkNamespace, services: Int) throws {
        self.namespace = namespace
        self.services = services
        clients = try (0...services).map { _ in try SoakSocket.open(in: namespace, isStream: false) }
    }

    private static let askers = 8
    /// Milliseconds for an answer that has to come: a machine that is busy takes its time.
    private static let patience: Int32 = 5000
    /// Milliseconds where nobody has to answer.
    private static let impatience: Int32 = 200

    /// - Parameter seed: of which service is asked next.
    func start(_ seed: UInt64) {
        state.withLock { $0.running = Self.askers }
        for asker in 0..<Self.askers { start(asker, seed &+ UInt64(asker)) }
    }

    private func start(_ asker: Int, _ seed: UInt64) {
        var thread = pthread_t()
        let own = (1...services).filter { $0 % Self.askers == asker }
        let box = Start(prober: self, dice: SoakDice(seed), services: own)
        pthread_create(
            &thread, nil,
            { pointer in
                guard let pointer else { return nil }
                let start = Unmanaged<Start>.fromOpaque(pointer).takeRetainedValue()
                var dice = start.dice
                start.prober.run(start.services, &dice)
                return nil
            }, Unmanaged.passRetained(box).toOpaque())
        pthread_detach(thread)
    }

    private final class Start: Sendable {
        let prober: SoakProber
        let dice: SoakDice
        let services: [Int]
        init(prober: SoakProber, dice: SoakDice, services: [Int]) {
            (self.prober, self.dice, self.services) = (prober, dice, services)
        }
    }

    func expect(_ expectations: [Int: Expectation]) { state.withLock { $0.versions.append(expectations) } }
    var counts: Counts { state.withLock { $0.counts } }

    func stop() {
        state.withLock { $0.isStopped = true }
        while state.withLock({ $0.running }) > 0 { poll(nil, 0, 10) }
    }

    private func run(_ services: [Int], _ dice: inout SoakDice) {
        var question: UInt8 = 0
        while !services.isEmpty, !state.withLock({ $0.isStopped }) {
            question &+= 1
            probe(services[dice.below(services.count)], isStream: dice.below(2) == 0, question)
            poll(nil, 0, 10)
        }
        state.withLock { $0.running -= 1 }
    }

    private enum Outcome: Equatable {
        case answered(String)
        case refused
        case silent
    }

    private func probe(_ service: Int, isStream: Bool, _ question: UInt8) {
        let (first, port, mayBeSilent) = state.withLock { state in
            let now = state.versions.last?[service]
            return (state.versions.count - 1, now?.port ?? 80, now?.mayBeSilent ?? true)
        }
        guard first >= 0 else { return }
        let limit = mayBeSilent ? Self.impatience : Self.patience
        let address = SoakModel.address(ofService: service)
        let outcome = isStream ? ask(address, port, limit) : ask(clients[service], address, port, question, limit)
        state.withLock { state in
            let versions = state.versions[first...].map { $0[service] ?? Expectation(port: port) }
            let kind = isStream ? "TCP" : "UDP"
            func fault(_ text: String) {
                if state.counts.faults.count < 10 {
                    state.counts.faults.append(
                        "step \(state.versions.count / 2): \(kind) to service \(service) port \(port): \(text)")
                }
            }
            switch outcome {
            case .answered(let name):
                if versions.contains(where: { $0.port == port && $0.members.contains(name) }) {
                    state.counts.answers[kind, default: 0] += 1
                } else {
                    state.counts.wrong += 1
                    fault("\(name) answered, and should be one of \(versions.map { $0.members.sorted() })")
                }
            case .refused, .silent:
                if versions.contains(where: { $0.mayBeSilent || $0.port != port }) {
                    state.counts.refusals += 1
                } else {
                    state.counts.unanswered += 1
                    fault("\(outcome), and \(versions.map { $0.members.sorted() }) are there")
                }
            }
        }
    }

    private func ask(_ address: IPv4Address, _ port: UInt16, _ limit: Int32) -> Outcome {
        guard let socket = try? SoakSocket.open(in: namespace, isStream: true) else { return .silent }
        // Closing resets: no port is kept.
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(socket.rawValue, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
        let code = SoakSocket.with(address, port) { connect(socket.rawValue, $0, $1) }
        guard code == 0 || errno == EINPROGRESS else { return .refused }
        var buffer = [UInt8](repeating: 0, count: 256)
        guard wait(socket, limit) else { return .silent }
        let count = recv(socket.rawValue, &buffer, buffer.count, 0)
        return count > 0 ? .answered(String(decoding: buffer.prefix(count), as: UTF8.self)) : .refused
    }

    private func ask(
        _ socket: Descriptor, _ address: IPv4Address, _ port: UInt16, _ question: UInt8, _ limit: Int32
    ) -> Outcome {
        var buffer = [UInt8](repeating: 0, count: 256)
        // Connected, so that it hears of a refusal; its own port stays.
        guard SoakSocket.with(address, port, { connect(socket.rawValue, $0, $1) }) == 0 else { return .refused }
        // What is late from before.
        while recv(socket.rawValue, &buffer, buffer.count, 0) >= 0 {}
        for _ in 0..<5 {
            guard send(socket.rawValue, [question], 1, Int32(MSG_NOSIGNAL)) == 1 else { return .refused }
            while wait(socket, limit / 5) {
                let count = recv(socket.rawValue, &buffer, buffer.count, 0)
                if count < 0 { return .refused }
                if count > 1, buffer[0] == question { return .answered(String(decoding: buffer[1..<count], as: UTF8.self)) }
            }
        }
        return .silent
    }

    private func wait(_ socket: Descriptor, _ milliseconds: Int32) -> Bool {
        var ready = pollfd(fd: socket.rawValue, events: Int16(POLLIN), revents: 0)
        return poll(&ready, 1, milliseconds) == 1
    }
}
