import Synchronization

/// The way to stop a walk from outside: by a signal, or because nobody reads its account any more.
///
/// The walk waits for processes most of the time. An interruption ends the processes that hold its namespaces, and with them
/// everything inside: so every wait comes to its end, and the walk takes the rest down in order.
public final class WalkInterruption: Sendable {
    private struct State {
        var signal: Int32?
        var holders: [Holder] = []
    }

    private let state = Mutex(State())

    public init() {}

    /// Stops the walk, from any thread; a second one changes nothing.
    ///
    /// - Parameter signal: which one it was.
    public func interrupt(by signal: Int32) {
        let holders = state.withLock { state -> [Holder] in
            guard state.signal == nil else { return [] }
            state.signal = signal
            return state.holders
        }
        for holder in holders { holder.interrupt() }
    }

    /// By which signal, if it was.
    public var signal: Int32? { state.withLock { $0.signal } }

    /// Has this one end with an interruption; at once, when there was one.
    func reach(_ holder: Holder) {
        let isInterrupted = state.withLock { state in
            state.holders.append(holder)
            return state.signal != nil
        }
        if isInterrupted { holder.interrupt() }
    }

    /// - Throws: when the walk is to stop.
    func check() throws(LabError) {
        if signal != nil { throw LabError(.interrupted, "interrupted") }
    }
}
