import Addressing
import DNS
import Synchronization
import Testing

@testable import NameServer

@Suite("the log of queries", .timeLimit(.minutes(5)))
struct ServingLogTests {
    private final class Clock: Sendable {
        private let time = Mutex(Duration.zero)
        var now: Duration { time.withLock { $0 } }
        func pass(_ duration: Duration) { time.withLock { $0 += duration } }
    }

    private final class Written: Sendable {
        private let all = Mutex<[String]>([])
        private let (counts, counted) = AsyncStream.makeStream(of: Int.self)
        var lines: [String] { all.withLock { $0 } }

        func add(_ line: QueryLog.Line) {
            let count = all.withLock { lines in
                lines.append(ServingLogTests.text(line))
                return lines.count
            }
            counted.yield(count)
        }

        func until(_ count: Int) async {
            for await now in counts where now >= count { return }
        }
    }

    private static func report(_ number: Int) -> QueryReport {
        QueryReport(
            client: .v4(.loopback), transport: .udp, question: Question(name("q\(number).example"), .a), code: .noError, size: 40,
            duration: .zero)
    }

    /// Lines as numbers of queries, and how many were left out.
    private static func text(_ line: QueryLog.Line) -> String {
        switch line {
        case .query(let report): "\(report.question.name)"
        case .leftOut(let count): "and \(count)"
        }
    }

    @Test("so many a second are written, and then how many more there were; nobody who serves waits")
    func bound() async {
        let clock = Clock()
        let log = QueryLog(linesPerSecond: 2, now: { clock.now })
        for number in 1...5 { log.hear(Self.report(number)) }
        clock.pass(.milliseconds(999))
        log.hear(Self.report(6))
        #expect(log.leftOut == 4)
        let written = Written()
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                await log.write(pause: { clock.pass(.seconds(1)) }) { written.add($0) }
            }
            // The second is over without another query.
            await written.until(3)
            log.hear(Self.report(7))
            await written.until(4)
            group.cancelAll()
        }
        #expect(written.lines == ["q1.example.", "q2.example.", "and 4", "q7.example."])
    }

    @Test("what came in the second that it ends in is written, and told")
    func end() async {
        let clock = Clock()
        let log = QueryLog(linesPerSecond: 1, now: { clock.now })
        for number in 1...3 { log.hear(Self.report(number)) }
        let written = Written()
        await withTaskGroup(of: Void.self) { group in
            group.cancelAll()
            group.addTask {
                await log.write(pause: { throw CancellationError() }) { written.add($0) }
            }
        }
        #expect(written.lines == ["q1.example.", "and 2"])
    }

    @Test("another rate holds from the next query on, and a writer that does not come costs no more than a second's lines")
    func slow() async {
        let clock = Clock()
        let log = QueryLog(linesPerSecond: 1, now: { clock.now })
        log.use(linesPerSecond: 3)
        for number in 1...100 {
            clock.pass(.seconds(1))
            log.hear(Self.report(number))
        }
        let written = Written()
        await withTaskGroup(of: Void.self) { group in
            group.cancelAll()
            group.addTask { await log.write(pause: {}) { written.add($0) } }
        }
        let lines = written.lines
        #expect(lines.prefix(4) == ["q1.example.", "q2.example.", "q3.example.", "q4.example."])
        #expect(log.leftOut == 96 && lines.dropFirst(4) == ["and 95", "and 1"])
    }

    @Test("what is heard after the writer has ended is written by whoever ended it, and once")
    func rest() async {
        let log = QueryLog(linesPerSecond: 2, now: { .zero })
        log.hear(Self.report(1))
        let written = Written()
        await withTaskGroup(of: Void.self) { group in
            group.cancelAll()
            group.addTask { await log.write(pause: {}) { written.add($0) } }
        }
        for number in 2...5 { log.hear(Self.report(number)) }
        log.writeRest { written.add($0) }
        log.writeRest { written.add($0) }
        #expect(written.lines == ["q1.example.", "q2.example.", "q3.example.", "and 2"])
    }
}
