import DNS
import Glibc
import Netlink

/// The name server as a process on one processor, asked by dnsperf on another: the processor's time for a query, beside Knot and
/// unbound on the same names and an echo of the same system calls.
///
/// On a machine of two processors the generator is the limit, and so it is time that is measured, not how many queries a second.
enum NameServerBenchmark {
    static let name = "name-server"

    static func run(rounds: Int, seconds: Int, soak: Int) async throws {
        let directory = try Directory()
        defer { directory.remove() }
        let stage = try NameServerStage(directory)
        let rate = try throughput(stage, rounds: rounds, seconds: seconds)
        let names = try await NamedCluster(directory)
        defer { names.end() }
        try names.changeOne(times: 200)
        try names.keepChanging(perSecond: 500, seconds: max(5, soak / 3))
        try names.steady(stage, rate: rate * 4 / 5, seconds: soak)
    }

    /// - Returns: the greatest rate of our server, in queries a second.
    private static func throughput(_ stage: borrowing NameServerStage, rounds: Int, seconds: Int) throws -> Int {
        let upstream = try stage.own("upstream", port: 5299).asked(stage.outside)
        defer { upstream.end() }
        let echo = try stage.own("echo", port: 5300)
        defer { echo.end() }
        let tulle = try stage.own("serve", port: 5301, ["\(upstream.port)"])
        defer { tulle.end() }
        let knot = try stage.knot(port: 5302)
        defer { knot.end() }
        let unbound = try stage.unbound(port: 5303, upstream: upstream.port).asked(stage.outside)
        defer { unbound.end() }
        let remembered = tulle.asked(stage.outside)
        let servers = [echo, tulle, remembered, knot, unbound]
        for server in [upstream] + servers { try stage.await(server) }
        for server in [remembered, unbound] { try stage.warm(server) }

        let asked = upstream.cpu
        var figures = servers.map { _ in Figures() }
        for _ in 0..<rounds {
            for (index, server) in servers.enumerated() {
                let before = server.cpu
                let load = try stage.load(server, seconds: seconds)
                figures[index].add((server.cpu - before) / .microseconds(1) / Double(load.completed), load)
            }
        }
        guard upstream.cpu - asked < .milliseconds(20) else {
            throw NameServerStage.Trouble(description: "the upstream was asked: what is measured was not remembered")
        }
        let names = [
            "an echo", "tulle, names of the cluster", "tulle, remembered names outside", "Knot", "unbound, the same outside",
        ]
        for (index, server) in servers.enumerated() { print("\(names[index]): \(figures[index])   \(server.memory)") }
        // Of what was measured in one round: the machine's mood differs more from round to round than the servers do.
        print(
            "names of the cluster: \(figures[1].ratio(to: figures[0])) of the echo (at most 115 %), "
                + "\(figures[1].ratio(to: figures[3])) of Knot (at most 100 %)")
        print(
            "remembered names: \(figures[2].ratio(to: figures[1])) of names of the cluster (at most 115 %), "
                + "\(figures[2].ratio(to: figures[4])) of unbound")
        let rate = figures[1].rate
        try latencies(stage, Array(zip(names, servers)), rate: rate / 2, rounds: min(rounds, 5), seconds: seconds)
        return rate
    }

    /// How long answers take at half the greatest rate, in turns.
    private static func latencies(
        _ stage: borrowing NameServerStage, _ servers: [(name: String, server: NameServerStage.Server)], rate: Int, rounds: Int,
        seconds: Int
    ) throws {
        var reports = servers.map { _ in [NameServerAsker.Report]() }
        var stolen = servers.map { _ in 0.0 }
        for _ in 0..<rounds {
            for (index, pair) in servers.enumerated() {
                let before = try stolenTime()
                reports[index].append(try stage.latency(pair.server, rate: rate, seconds: seconds))
                stolen[index] += try stolenTime() - before
            }
        }
        func median(_ index: Int, _ value: (NameServerAsker.Report) -> Double) -> Double {
            reports[index].map(value).sorted()[reports[index].count / 2]
        }
        print("at half the rate (\(rate)/s):")
        for (index, pair) in servers.enumerated() {
            let p99 = median(index, \.p99)
            let (unanswered, skipped) = reports[index].reduce((0, 0)) { ($0.0 + $1.unanswered, $0.1 + $1.skipped) }
            print(
                "  \(pair.name): median \(Int(median(index, \.median))) µs, p99 \(Int(p99)) µs, \(ratio(p99 / median(0, \.p99))) of the "
                    + "echo's, p99.9 \(Int(median(index, \.p999))) µs; \(unanswered) unanswered, \(skipped) left out, "
                    + "\(rounded(stolen[index] / Double(rounds * seconds) * 100)) % of the server's processor taken by the host")
        }
        for pair in servers.prefix(2) {
            let times = try stage.latencies(pair.server, rate: rate, seconds: seconds)
            print(
                "  as dnsperf's two threads see it, \(pair.name): median \(times[times.count / 2]) µs, p99 \(times[times.count * 99 / 100]) µs"
            )
        }
    }

    /// For how many seconds the host of this virtual machine had the servers' processor for others, in all (proc(5), `/proc/stat`).
    private static func stolenTime() throws -> Double {
        let line = try NameServerStage.read("/proc/stat").split(separator: "\n").first { $0.hasPrefix("cpu0 ") }
        let ticks = line?.split(separator: " ").dropFirst(8).first.flatMap { Double($0) }
        return (ticks ?? 0) / Double(sysconf(Int32(_SC_CLK_TCK)))
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

        /// The median of the rounds' ratios, and where their middle half lies.
        func ratio(to other: Figures) -> String {
            let ratios = zip(times, other.times).map { $0 / $1 }.sorted()
            func percent(_ position: Int) -> Int { Int((ratios[position] * 100).rounded()) }
            let middle = ratios.count / 2
            return "\(percent(middle)) % (half of the rounds \(percent(middle / 2)) to \(percent(ratios.count - 1 - middle / 2)))"
        }

        var rate: Int { rates.sorted()[rates.count / 2] }

        var description: String {
            let sorted = times.sorted()
            return
                "\(rounded(sorted[0])) to \(rounded(sorted[sorted.count - 1])), median \(rounded(median)) µs a query; \(rate) queries/s, \(lost) lost"
        }
    }
}
