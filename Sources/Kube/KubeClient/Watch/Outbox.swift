internal import Synchronization

/// Holds what was read until its reader has nothing more to read, so that whoever hears of it is woken once.
final class Outbox: Sendable {
    private let waiting = Mutex<[ObjectEvent]>([])
    private let deliver: @Sendable ([ObjectEvent]) -> Void

    init(_ deliver: @escaping @Sendable ([ObjectEvent]) -> Void) { self.deliver = deliver }

    var isEmpty: Bool { waiting.withLock(\.isEmpty) }

    func put(_ events: [ObjectEvent]) { waiting.withLock { $0 += events } }

    /// Under the lock, so that what is sent by two comes in its order.
    func send() {
        waiting.withLock { waiting in
            guard !waiting.isEmpty else { return }
            deliver(waiting)
            waiting = []
        }
    }
}
