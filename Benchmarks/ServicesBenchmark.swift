import Addressing
import Glibc
import HostNetwork
import HostNetworkKernel
import NFTables
import NFTablesKernel
import Netlink

/// Bet 1: services at size by raw nfnetlink, in the table that agents make. How long a load takes, what one change costs, and what a
/// new connection costs, with 1, 1,000 and 50,000 services of five endpoints each.
///
/// Every size has its own client, node and server namespaces, so that new connections of all sizes and direct ones are measured
/// in turns:
/// ```
///   client ── 198.18.1.0/24 ── node (tables) ── 198.18.2.0/24 ── server: accepts on every endpoint address
/// ```
enum ServicesBenchmark {
    static let sizes = [1, 1000, 50_000]
    static let endpointsPerService = 5

    static func run(runs: Int) throws {
        print(
            "services: \(endpointsPerService) endpoints each, in the plan's table: loaded, changed and connected to by raw nfnetlink"
        )
        let stages = try sizes.map(ServiceStage.init)
        defer { for stage in stages { stage.end() } }
        for stage in stages { try stage.load() }
        for stage in stages { try stage.change(times: 400) }
        try connect(stages, rounds: max(9, runs / 20), each: 200)
    }

    /// All sizes and the direct way in turns; the medians of the rounds' medians.
    private static func connect(_ stages: [ServiceStage], rounds: Int, each: Int) throws {
        var medians: [String: [Double]] = [:]
        let turns = stages.flatMap { stage in stage.targets.map { (stage, $0.0, $0.1) } }
        for round in 0..<rounds {
            // Each round begins with another one: what grows during a round falls on all alike.
            for index in turns.indices {
                let (stage, name, target) = turns[(index + round) % turns.count]
                medians[name, default: []].append(try stage.latency(to: target, times: each))
            }
        }
        print("  new connection, median of \(rounds) rounds of \(each), and the median of the rounds' ratios:")
        let direct = medians["direct"] ?? []
        func ratio(_ name: String, to others: [Double]) -> Double {
            // Round by round: what else the machine does falls on both.
            Figures(zip(others, medians[name] ?? []).map { $0 / $1 }).median
        }
        let names = stages.flatMap { $0.targets.map(\.0) }.filter { $0 != "direct" }
        for name in names {
            let part = ratio(name, to: direct)
            let flat = ratio(name, to: medians[names[0]] ?? [])
            print(
                "    \(name): \(Figures(medians[name] ?? []).microseconds), \(rounded(part)) of direct connections a second"
                    + (part >= 0.9 ? "  met: ≥ 0.9" : "  NOT met: ≥ 0.9") + ", \(rounded(flat)) of \(names[0])"
                    + (abs(flat - 1) <= 0.05 ? "  met: ± 5 %" : "  NOT met: ± 5 %"))
        }
        print("    direct: \(Figures(direct).microseconds)")
        for stage in stages { print("    spread over the endpoints of service 1 of \(stage.size): \(stage.spread)") }
    }
}

/// A set of measurements in seconds.
struct Figures {
    private let sorted: [Double]

    init(_ values: [Double]) { sorted = values.sorted() }

    var median: Double { sorted.isEmpty ? 0 : sorted[sorted.count / 2] }
    var microseconds: String {
        guard let first = sorted.first, let last = sorted.last else { return "nothing measured" }
        return "\(rounded(median * 1e6)) µs (\(rounded(first * 1e6)) … \(rounded(last * 1e6)))"
    }
    var milliseconds: String {
        guard let first = sorted.first, let last = sorted.last else { return "nothing measured" }
        return "\(rounded(median * 1e3)) ms (\(rounded(first * 1e3)) … \(rounded(last * 1e3)))"
    }
}

func rounded(_ number: Double) -> String {
    let hundredths = Int((number * 100).rounded())
    let fraction = abs(hundredths % 100)
    return "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction)"
}

func seconds(_ clock: clockid_t) -> Double {
    var time = timespec()
    clock_gettime(clock, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}
