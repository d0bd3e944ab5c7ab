import Synchronization

/// Passes elements from one task to another, one at a time: who gives waits until it was taken, so nothing piles up between them.
final class Handoff<Element: Sendable>: Sendable {
    private let state = Mutex(State())

    private struct State {
        var waiting: Element?
        var giver: CheckedContinuation<Bool, Never>?
        var taker: CheckedContinuation<Element?, any Error>?
        var end: Result<Void, any Error>?
    }

    /// Returns when the element was taken; false: nobody takes any more.
    @discardableResult
    func give(_ element: Element) async -> Bool {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let (taker, answer) = state.withLock { state -> (CheckedContinuation<Element?, any Error>?, Bool?) in
                    if state.end != nil { return (nil, false) }
                    if let taker = state.taker {
                        state.taker = nil
                        return (taker, true)
                    }
                    precondition(state.giver == nil, "two tasks give at once")
                    (state.waiting, state.giver) = (element, continuation)
                    return (nil, nil)
                }
                taker?.resume(returning: element)
                if let answer { continuation.resume(returning: answer) }
            }
        } onCancel: {
            finish()
        }
    }

    /// The next element; `nil` after the end.
    func take() async throws -> Element? {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let (giver, answer) = state.withLock {
                    state -> (CheckedContinuation<Bool, Never>?, Result<Element?, any Error>?) in
                    if let element = state.waiting {
                        defer { (state.waiting, state.giver) = (nil, nil) }
                        return (state.giver, .success(element))
                    }
                    if let end = state.end { return (nil, end.map { nil }) }
                    precondition(state.taker == nil, "two tasks take at once")
                    state.taker = continuation
                    return (nil, nil)
                }
                giver?.resume(returning: true)
                if let answer { continuation.resume(with: answer) }
            }
        } onCancel: {
            finish()
        }
    }

    /// Nothing more is given, and nothing more is taken. The first end counts.
    func finish(_ end: Result<Void, any Error> = .success(())) {
        let (giver, taker) = state.withLock { state in
            defer { (state.waiting, state.giver, state.taker) = (nil, nil, nil) }
            state.end = state.end ?? end
            return (state.giver, state.taker)
        }
        giver?.resume(returning: false)
        taker?.resume(with: end.map { nil })
    }
}
