import Synchronization

/// What happened and nobody has looked at yet. Whoever looks takes all of it at once: a burst is one look.
final class Mailbox<Letter: Sendable>: Sendable {
    private let letters = Mutex<[Letter]>([])
    /// Rings once for whatever came since it was last heard. It ends with ``close()``, or with its listener's task.
    let bell: AsyncStream<Void>
    private let rope: AsyncStream<Void>.Continuation

    init() { (bell, rope) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1)) }

    func put(_ letter: Letter) {
        letters.withLock { $0.append(letter) }
        rope.yield()
    }

    /// In the order in which they came.
    func take() -> [Letter] {
        letters.withLock { waiting in
            defer { waiting = [] }
            return waiting
        }
    }

    func close() { rope.finish() }
}
