import ArgumentParser

/// The benchmarks behind the decisions: each prints figures that a page in `docs/decisions` quotes, and can be run again.
@main
struct TulleBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tulle-bench",
        abstract: "Measure what the decisions in docs/decisions rest upon. Needs root; nothing of the host's network is touched.",
        discussion: """
            Build it for release, or the figures say nothing: scripts/bench does.

            Examples:
              tulle-bench courier --runs 200
              tulle-bench                     all of them, one after the other
            """,
        subcommands: [
            Services.self, AgentServices.self, Rollout.self, Courier.self, APIServer.self, PodDataplane.self, CNI.self,
            Roads.self, Policies.self, AgentPolicies.self, PodStarts.self, DNS.self, Hosts.self, NameServer.self, Lab.self,
            Soak.self,
            All.self,
        ],
        defaultSubcommand: All.self)
}

extension TulleBench {
    struct Courier: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "courier", abstract: "A whole run of tulle-cni ADD, with an agent that answers at once.")

        @Option(help: "How many runs.")
        var runs = 500

        @Option(help: "The tulle-cni to measure. [default: the one beside this program]")
        var program: String?

        func run() throws { _ = try CourierBenchmark.run(runs: runs, courier: program) }
    }

    struct PodDataplane: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "pod-dataplane",
            abstract: "Links, addresses, routes and neighbours of a pod, both families, until it answers.")

        @Option(help: "How many pods.")
        var runs = 300

        func run() throws { try PodDataplaneBenchmark.run(runs: runs) }
    }

    struct CNI: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "cni", abstract: "ADD and DEL with a real agent, beside Debian's plugins, and a hundred at once.")

        @Option(help: "How many pairs.")
        var pairs = 50

        @Option(help: "How many at once.")
        var crowd = 100

        func run() throws { try CNIBenchmark.run(pairs: pairs, crowd: crowd) }
    }

    struct Roads: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "roads", abstract: "Roads to a thousand nodes, and packets through VXLAN and by host gateways.")

        @Option(help: "How many nodes.")
        var nodes = 1000

        @Option(help: "How many pairs of measurements, ours and by hand in turns.")
        var pairs = 9

        @Option(help: "Seconds for each measurement of throughput.")
        var seconds = 2

        func run() throws { try RoadsBenchmark.run(nodes: max(2, nodes), pairs: max(1, pairs), seconds: max(1, seconds)) }
    }

    struct Policies: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "policies",
            abstract: "10,000 pods and 5,000 network policies: computed, committed, changed; connections under 1,000 policies.")

        @Option(help: "How many pairs of measurements, with and without policies in turns.")
        var pairs = 9

        @Option(help: "Seconds for each measurement of throughput.")
        var seconds = 1

        func run() throws { try PoliciesBenchmark.run(pairs: max(1, pairs), seconds: max(1, seconds)) }
    }

    struct AgentPolicies: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "agent-policies",
            abstract: "The whole agent with 10,000 pods and 5,000 network policies: start, memory, pods and labels that change.")

        func run() async throws { try await AgentPoliciesBenchmark.run() }
    }

    struct PodStarts: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "pod-starts",
            abstract: "Pods that start under a policy while somebody fires at them: nothing that it denies may come through.")

        @Option(help: "How many pods.")
        var pods = 10_000

        func run() throws { guard try PodStartsBenchmark.run(pods: max(1, pods)) else { throw ExitCode(1) } }
    }

    struct Services: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "services", abstract: "50,000 services: loaded, changed by one endpoint, and connected to.")

        @Option(help: "Rounds of connections, times twenty.")
        var runs = 300

        func run() throws { try ServicesBenchmark.run(runs: runs) }
    }

    struct AgentServices: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "agent-services",
            abstract: "The whole agent with 10,000 and 50,000 services: start, one change, 500 changes a second.")

        @Option(help: "How many services, once for each.")
        var services = [10_000, 50_000]

        @Option(help: "Seconds of 500 changes a second.")
        var seconds = 60

        func run() async throws { try await AgentServicesBenchmark.run(sizes: services, seconds: max(1, seconds)) }
    }

    struct Rollout: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rollout",
            abstract: "All pods of a service replaced under new connections and standing ones: none may fail.")

        @Option(help: "How often all pods are replaced.")
        var rollouts = 5

        @Option(help: "How many pods the service has.")
        var pods = 10

        @Option(help: "New connections a second.")
        var rate = 2000

        @Option(help: "Connections that stay.")
        var standing = 200

        @Option(help: "Seconds that a pod serves after it was told to end.")
        var grace = 2.0

        func run() throws {
            let plan = RolloutBenchmark.Plan(
                rollouts: max(1, rollouts), pods: max(1, pods), rate: max(2, rate), standing: max(1, standing),
                grace: max(0, grace))
            guard try RolloutBenchmark.run(plan) else { throw ExitCode(1) }
        }
    }

    struct APIServer: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: APIServerBenchmark.name,
            abstract: "Writes, watches, lists and a WebSocket on a socket of another namespace, and kill -9.")

        @Argument(help: ArgumentHelp("How the benchmark starts itself as the server it measures.", visibility: .hidden))
        var arguments: [String] = []

        func run() async throws { try await APIServerBenchmark.run(arguments) }
    }

    struct Lab: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "lab", abstract: "tulle lab up, a hundred pods, a minute of nothing, and down.")

        @Option(help: "How many labs, one after the other.")
        var rounds = 5

        @Option(help: "How many pods.")
        var pods = 100

        @Option(help: "Seconds for which the last lab is left alone.")
        var idle = 60

        func run() async throws { try await LabBenchmark.run(rounds: max(1, rounds), pods: pods, idleSeconds: max(1, idle)) }
    }

    struct NameServer: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: NameServerBenchmark.name,
            abstract: "Queries over UDP: our server beside Knot and a bare echo, each on one processor, and under changes.")

        @Option(help: "How often each server is measured, in turns.")
        var rounds = 9

        @Option(help: "Seconds for each measurement.")
        var seconds = 3

        @Option(help: "Seconds at four fifths of the greatest rate, with changes and a reload.")
        var soak = 60

        @Argument(help: ArgumentHelp("How the benchmark starts itself as a server that it measures.", visibility: .hidden))
        var arguments: [String] = []

        func run() async throws {
            if !arguments.isEmpty { return try NameServerBenchmark.be(arguments) }
            try await NameServerBenchmark.run(rounds: max(1, rounds), seconds: max(1, seconds), soak: max(1, soak))
        }
    }

    struct Hosts: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "hosts",
            abstract: "A list of 100,000 hosts: read, asked, replaced; inside, and beside dnsmasq with the same list.")

        @Option(help: "How many lines.")
        var lines = 100_000

        @Option(help: "How often each server is measured, in turns.")
        var rounds = 5

        @Option(help: "Seconds for each measurement.")
        var seconds = 3

        func run() throws { try HostsBenchmark.run(lines: max(100, lines), rounds: max(1, rounds), seconds: max(1, seconds)) }
    }

    struct DNS: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "dns",
            abstract: "Queries answered from a zone of 10,000 services, without a socket; one service changed.")

        @Option(help: "How often each kind of question is asked for 5,000 names.")
        var runs = 50

        func run() throws { try DNSBenchmark.run(runs: runs) }
    }

    struct Soak: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "soak",
            abstract: "Services or policies that change by chance, for a while, and nobody may be misled by it.",
            discussion: "No figures but an outcome: 0 when all was well, 1 when not. Not among “all”.")

        enum Subject: String, ExpressibleByArgument, CaseIterable {
            case services, policies
        }

        @Argument(help: "What is soaked.")
        var what = Subject.services

        @Option(help: "For how long.")
        var seconds = 600

        @Option(help: "Policies: how many sets of them, however long it takes.")
        var sets: Int?

        @Option(help: "To have the same changes again. [default: another one each time]")
        var seed: UInt64?

        func validate() throws {
            guard sets == nil || what == .policies else { throw ValidationError("--sets counts sets of policies") }
        }

        func run() async throws {
            let seed = seed ?? .random(in: .min ... .max)
            let isWell =
                switch what {
                case .services: try ServiceSoak.run(seconds: max(1, seconds), seed: seed)
                case .policies:
                    try await PolicySoak.run(
                        .init(sets: sets.map { max(1, $0) }, seconds: max(1, seconds)), seed: seed)
                }
            guard isWell else { throw ExitCode(1) }
        }
    }

    struct All: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "all", abstract: "All of them, one after the other.")

        func run() async throws {
            try ServicesBenchmark.run(runs: 300)
            try await AgentServicesBenchmark.run(sizes: [10_000, 50_000], seconds: 60)
            _ = try RolloutBenchmark.run(.init(rollouts: 5, pods: 10, rate: 2000, standing: 200, grace: 2))
            _ = try CourierBenchmark.run(runs: 500)
            try await APIServerBenchmark.run()
            try PodDataplaneBenchmark.run(runs: 300)
            try CNIBenchmark.run(pairs: 50, crowd: 100)
            try RoadsBenchmark.run(nodes: 1000, pairs: 9, seconds: 2)
            try PoliciesBenchmark.run(pairs: 9, seconds: 1)
            try await AgentPoliciesBenchmark.run()
            _ = try PodStartsBenchmark.run(pods: 10_000)
            try DNSBenchmark.run(runs: 50)
            try await LabBenchmark.run(rounds: 5, pods: 100, idleSeconds: 60)
        }
    }
}
