import Addressing
import DNS
import Glibc
import NIOPosix
import Netlink
import Synchronization

/// Clients that ask for one name all the time, over both transports, until they are told to stop.
final class NameLoad: Sendable {
    /// What one client heard, one answer after the other.
    struct Heard {
        var transport: String
        /// Each once, in the order in which they began; how often they were heard does not matter.
        var answers: [String] = []
        var count = 0
        /// Questions that nobody answered.
        var lost = 0
    }

    private let isOver = Atomic(false)
    private let heard: Mutex<[Heard]>
    private let threads: NIOThreadPool

    /// - Parameter clients: of each transport.
    init(_ name: String, in namespace: NetworkNamespace, at address: IPAddress, clients: Int = 2) throws {
        let callers = try (0..<(2 * clients)).map { try NameCaller(namespace, address, isStream: $0 % 2 == 1) }
        heard = Mutex(callers.indices.map { Heard(transport: $0 % 2 == 1 ? "TCP" : "UDP") })
        threads = NIOThreadPool(numberOfThreads: callers.count)
        threads.start()
        for (index, caller) in callers.enumerated() { threads.submit { _ in self.run(caller, name, index) } }
    }

    private func run(_ caller: NameCaller, _ name: String, _ index: Int) {
        while !isOver.load(ordering: .relaxed) {
            let answer = caller.ask(name).map(NameProgram.text)
            heard.withLock { heard in
                guard let answer else {
                    heard[index].lost += 1
                    return
                }
                heard[index].count += 1
                if heard[index].answers.last != answer { heard[index].answers.append(answer) }
            }
            // A connection that has ended answers no more.
            if answer == nil { return }
        }
    }

    /// What was heard until now.
    var now: [Heard] { heard.withLock { $0 } }

    /// Waits until each client has so many answers more.
    func goOn(for count: Int = 20) throws {
        let before = now.map(\.count)
        try eventually("everybody is answered: \(now)") {
            let now = now
            return now.contains { $0.lost > 0 } || zip(now, before).allSatisfy { $0.count >= $1 + count }
        }
    }

    /// - Returns: what was heard in all; every question that was asked has its answer, or is lost.
    func end() throws -> [Heard] {
        isOver.store(true, ordering: .relaxed)
        try threads.syncShutdownGracefully()
        return now
    }
}
