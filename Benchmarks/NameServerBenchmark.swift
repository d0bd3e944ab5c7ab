import DNS
import Glibc
import Netlink

/// The name server as a process on one processor, asked by dnsperf on another: the processor's time for a query, beside Knot on the
/// same names and an echo of the same system calls.
///
/// On a machine of two processors the generator is the limit, and so it is time that is measured, not how many queries a second.
enum NameServerBenchmark {
    static let name = "name-server"

    static func run(rounds: Int, seconds: Int, soak: Int) throws {
        let directory = try Directory()
        defer { directory.remove() }
        let stage = try NameServerStage(directory)
        let echo = try stage.own("echo", port: 5300)
        defer { echo.end() }
        let tulle = try stage.own("serve", port: 5301)
        defer { tulle.end() }
        let knot = try stage.knot(port: 5302)
        defer { knot.end() }
        let servers = [echo, tulle, knot]
        for server in servers { try stage.await(server) }

        var figures = servers.map { _ in Figures() }
        for _ in 0..<rounds {
            for (index, server) in servers.enumerated() {
                let before = server.cpu
                let load = try stage.load(server, seconds: seconds)
                figures[index].add((server.cpu - before) / .microseconds(1) / Double(load.completed), load)
            }
        }
        for (server, figure) in zip(servers, figures) { print("\(server.name): \(figure)   \(server.memory)") }
        let ours = figures[1].median
        print(
            "ours: \(ratio(ours / figures[0].median)) of the echo (at most 1.15), \(ratio(ours / figures[2].median)) of Knot (at most 1.00)"
        )

        let rate = figures[1].rate
        let half = try stage.latencies(tulle, rate: rate / 2, seconds: seconds)
        print(
            "at half the rate (\(rate / 2)/s): median \(half[half.count / 2]) µs, p99 \(half[half.count * 99 / 100]) µs (at most 1000)"
        )
        try steady(stage, rate: rate * 4 / 5, seconds: soak)
    }

    /// Changes of endpoints and a reload while queries come: none may be lost.
    private static func steady(_ stage: borrowing NameServerStage, rate: Int, seconds: Int) throws {
        let server = try stage.own("churn", port: 5303)
        defer { server.end() }
        try stage.await(server)
        let load = try stage.load(server, seconds: seconds, rate: rate)
        print(
            "at four fifths (\(rate)/s) for \(seconds) s, 500 changes a second and a reload each 5 s: \(load.completed) answered, \(load.lost) lost   \(server.memory)"
        )
    }

    private static func ratio(_ value: Double) -> String { "\(Int(value * 100 + 0.5).description) %" }

    struct Figures: CustomStringConvertible {
        private var times: [Double] = []
        private var rates: [Int] = []
        private var lost = 0

        mutating func add(_ time: Double, _ load: NameServerStage.Load) {
            times.append(time)
            rates.append(load.rate)
            lost += load.lost
        }

        var median: Double { times.sorted()[times.count / 2] }
        var rate: Int { rates.sorted()[rates.count / 2] }

        var description: String {
            let sorted = times.sorted()
            return
                "\(text(sorted[0])) to \(text(sorted[sorted.count - 1])), median \(text(median)) µs a query; \(rate) queries/s, \(lost) lost"
        }

        private func text(_ value: Double) -> String {
            let hundredths = Int(value * 100 + 0.5)
            return "\(hundredths / 100).\(hundredths % 100 / 10)\(hundredths % 10)"
        }
    }
}
