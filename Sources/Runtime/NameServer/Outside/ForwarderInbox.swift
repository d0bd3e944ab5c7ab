internal import CLinux
internal import DNS
internal import Glibc
internal import Synchronization

/// What other threads tell the forwarder's own, and what that shows them.
final class ForwarderInbox: Sendable {
    enum Letter: Sendable {
        case resolve(OutsideWish, @Sendable (OutsideAnswer) -> Void)
        /// Ahead of its end, with nobody waiting.
        case refresh(OutsideWish)
        case use(ForwardingSettings)
        case stop
    }

    private struct State {
        var letters: [Letter] = []
        var event: CInt = -1
        var isClosed = false
        var figures = ForwarderFigures()
        /// The last that somebody said.
        var settings: ForwardingSettings
    }

    private let state: Mutex<State>

    init(_ settings: ForwardingSettings) { state = Mutex(State(letters: [.use(settings)], settings: settings)) }

    deinit { state.withLock { if $0.event >= 0 { _ = Glibc.close($0.event) } } }

    /// A descriptor that becomes readable when there are letters; it is closed with the inbox.
    func open() throws(ForwarderError) -> CInt {
        let event = state.withLock { state in
            if state.event < 0 { state.event = clinux_event() }
            if state.event >= 0 { clinux_event_signal(state.event) }
            return state.event
        }
        guard event >= 0 else { throw ForwarderError() }
        return event
    }

    func put(_ letter: Letter) {
        let isClosed = state.withLock { state in
            guard !state.isClosed else { return true }
            state.letters.append(letter)
            if case .use(let settings) = letter { state.settings = settings }
            if state.letters.count == 1, state.event >= 0 { clinux_event_signal(state.event) }
            return false
        }
        if isClosed { Self.turnAway(letter) }
    }

    /// The letters that have come since, in order.
    func take() -> [Letter] {
        state.withLock { state in
            defer { state.letters = [] }
            if state.event >= 0 { clinux_event_clear(state.event) }
            return state.letters
        }
    }

    /// No more letters are taken; those who still ask are answered here.
    func close() {
        let rest = state.withLock { state in
            state.isClosed = true
            defer { state.letters = [] }
            return state.letters
        }
        rest.forEach(Self.turnAway)
    }

    /// Nobody will read it any more.
    static func turnAway(_ letter: Letter) {
        if case .resolve(_, let answered) = letter { answered(ended) }
    }

    static let ended = OutsideAnswer.failure(.notReady, "the server ends")

    var figures: ForwarderFigures {
        get { state.withLock(\.figures) }
        set { state.withLock { $0.figures = newValue } }
    }

    var settings: ForwardingSettings { state.withLock(\.settings) }

    func count(_ body: (inout ForwarderFigures) -> Void) { state.withLock { body(&$0.figures) } }
}
