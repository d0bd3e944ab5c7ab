internal import Addressing
internal import Synchronization

/// How many queries wait for the world outside: in all, and of each client, so that whoever asks for many names that nobody answers
/// does not take every place.
final class UnderWay: Sendable {
    enum Refusal {
        case full
        /// This client has as many as one may have.
        case clientFull
    }

    private struct State {
        var count = 0
        var clients: [IPAddress: Int] = [:]
    }

    private let state = Mutex(State())
    private let most: Int
    private let mostOfClient: Int

    init(most: Int, mostOfClient: Int) { (self.most, self.mostOfClient) = (most, mostOfClient) }

    var now: Int { state.withLock(\.count) }

    /// Who may begin (`nil`) ends once.
    func begin(_ client: IPAddress) -> Refusal? {
        state.withLock { state in
            guard state.count < most else { return .full }
            let own = state.clients[client] ?? 0
            guard own < mostOfClient else { return .clientFull }
            state.clients[client] = own + 1
            state.count += 1
            return nil
        }
    }

    func end(_ client: IPAddress) {
        state.withLock { state in
            let own = (state.clients[client] ?? 1) - 1
            state.clients[client] = own > 0 ? own : nil
            state.count -= 1
        }
    }
}
