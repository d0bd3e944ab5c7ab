public import Addressing
import Synchronization

/// The addresses of a node, which may change while its kubelet works.
public final class NodeLocation: Sendable {
    private let state: Mutex<State>

    private struct State {
        var addresses: [IPAddress]
        var waiting: [Int: AsyncStream<Never>.Continuation] = [:]
        var waits = 0
    }

    public init(_ addresses: [IPAddress]) { state = Mutex(State(addresses: addresses)) }

    public var addresses: [IPAddress] { state.withLock { $0.addresses } }

    func move(to addresses: [IPAddress]) {
        let waiting = state.withLock { state in
            state.addresses = addresses
            defer { state.waiting = [:] }
            return state.waiting.values
        }
        for wait in waiting { wait.finish() }
    }

    /// Returns at the next move, or when the task is cancelled.
    func moved() async {
        let (moves, feed) = AsyncStream<Never>.makeStream()
        let number = state.withLock { state in
            state.waits += 1
            state.waiting[state.waits] = feed
            return state.waits
        }
        for await _ in moves {}
        state.withLock { $0.waiting[number] = nil }
    }
}
