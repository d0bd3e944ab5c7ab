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

    /// All sizes in turns, and each stage's services and its direct way right after each other: a stage has its own server, which
    /// may be on this core or on the other one, and that is worth more than all the rules.
    private static func connect(_ stages: [ServiceStage], rounds: Int, each: Int) throws {
        struct Target: Hashable { var size: Int, kind: String }
        var medians: [Target: [Double]] = [:]
        for round in 0..<rounds {
            for index in stages.indices {
                let stage = stages[(index + round) % stages.count]
                let targets = stage.targets
                for index in targets.indices {
                    let (kind, address) = targets[(index + round) % targets.count]
                    medians[Target(size: stage.size, kind: kind), default: []]
                        .append(try stage.latency(to: address, times: each))
                }
            }
        }
        print("  new connection, median of \(rounds) rounds of \(each); the ratio to direct ones is the rounds' median:")
        var smallest: Double?
        for stage in stages {
            let direct = medians[Target(size: stage.size, kind: "direct")] ?? []
            for (kind, _) in stage.targets where kind != "direct" {
                let times = medians[Target(size: stage.size, kind: kind)] ?? []
                let part = Figures(zip(direct, times).map { $0 / $1 }).median
                smallest = smallest ?? part
                let flat = part / (smallest ?? part)
                print(
                    "    \(kind) of \(stage.size): \(Figures(times).microseconds), \(rounded(part)) of direct connections a second"
                        + (part >= 0.9 ? "  met: ≥ 0.9" : "  NOT met: ≥ 0.9") + ", \(rounded(flat)) of the only one of 1"
                        + (abs(flat - 1) <= 0.05 ? "  met: ± 5 %" : "  NOT met: ± 5 %"))
            }
            print("    direct beside \(stage.size): \(Figures(direct).microseconds)")
        }
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
