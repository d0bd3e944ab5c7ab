internal import Synchronization

/// The log of queries, between the threads that serve and a writer that may be slow.
///
/// Those who serve never wait for it: so many lines a second are kept for the writer, and of the others is told how many there were.
/// A second begins with the first query after the last one.
///
/// ```swift
/// let log = QueryLog(now: now)
/// settings.report = { log.hear($0) }
/// await log.write(pause: { try await Task.sleep(for: .seconds(1)) }) { logger.info("\($0)") }
/// ```
public final class QueryLog: Sendable {
    /// What is to be written.
    public enum Line: Hashable, Sendable, CustomStringConvertible {
        case query(QueryReport)
        /// So many queries have no line, since the one before this was heard.
        case leftOut(Int)

        public var description: String {
            switch self {
            case .query(let report): report.description
            case .leftOut(let count): "\(count) more queries until now are not in the log"
            }
        }
    }

    private struct State {
        var rate: Int
        /// When the second began; `nil` before the first query.
        var start: Duration?
        var written = 0
        var leftOut = 0
        var leftOutInAll: UInt64 = 0
        /// Lines that wait for the writer.
        var waiting: [Line] = []

        /// Another second begins.
        mutating func turn(_ now: Duration) {
            if leftOut > 0 {
                // A writer that does not come is told once of all that it missed.
                if case .leftOut(let before)? = waiting.last {
                    waiting[waiting.count - 1] = .leftOut(before + leftOut)
                } else {
                    waiting.append(.leftOut(leftOut))
                }
            }
            (start, written, leftOut) = (now, 0, 0)
        }
    }

    private let state: Mutex<State>
    private let now: @Sendable () -> Duration
    private let calls: AsyncStream<Void>
    private let call: AsyncStream<Void>.Continuation

    /// Lines a second, unless it is said otherwise.
    public static let usualRate = 1000

    /// - Parameter now: as in ``NameServerSettings``.
    public init(linesPerSecond: Int = usualRate, now: @escaping @Sendable () -> Duration) {
        state = Mutex(State(rate: linesPerSecond))
        self.now = now
        (calls, call) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Queries that had no line, since it was made.
    public var leftOut: UInt64 { state.withLock { $0.leftOutInAll } }

    public func use(linesPerSecond: Int) { state.withLock { $0.rate = linesPerSecond } }

    /// Takes a query in. Any thread may call it; it does not block.
    public func hear(_ report: QueryReport) {
        let now = now()
        let isNews = state.withLock { state -> Bool in
            let wasQuiet = state.waiting.isEmpty && state.leftOut == 0
            if let start = state.start, now - start < .seconds(1) {} else { state.turn(now) }
            // A writer that is behind gets no more than a second's lines.
            if state.written < state.rate, state.waiting.count < state.rate + 1 {
                state.written += 1
                state.waiting.append(.query(report))
            } else {
                state.leftOut += 1
                state.leftOutInAll += 1
            }
            return wasQuiet
        }
        if isNews { call.yield() }
    }

    /// Writes what comes until the task is cancelled; then what is there yet. What is heard later is ``writeRest(_:)``'s.
    ///
    /// - Parameters:
    ///   - pause: waits for a second.
    ///   - line: writes one; it may block.
    public func write(pause: @Sendable () async throws -> Void, _ line: (Line) -> Void) async {
        for await _ in calls {
            // Those that were left out are told when their second is over, and nobody comes to say so.
            while true {
                let lines = state.withLock { state in
                    defer { state.waiting = [] }
                    return state.waiting
                }
                for each in lines { line(each) }
                guard !Task.isCancelled, state.withLock({ $0.leftOut > 0 || !$0.waiting.isEmpty }) else { break }
                do { try await pause() } catch { break }
                let now = now()
                state.withLock { state in
                    if let start = state.start, now - start >= .seconds(1) { state.turn(now) }
                }
            }
        }
        writeRest(line)
    }

    /// Writes what is there yet, those that were left out included: for who has ended what reports queries here, and the writer.
    public func writeRest(_ line: (Line) -> Void) {
        let now = now()
        let rest = state.withLock { state in
            state.turn(now)
            defer { state.waiting = [] }
            return state.waiting
        }
        for each in rest { line(each) }
    }
}
