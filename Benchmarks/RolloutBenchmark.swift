import Addressing
import Glibc
import Netlink

/// All pods of a service are replaced, again and again, while others ask: with the real agent and the real API server, in namespaces.
///
/// As a Deployment does it, with its defaults: at most a quarter more pods than wanted, rounded up, at most a quarter fewer ready ones,
/// rounded down. As a kubelet does it: a pod that is deleted is told to end, goes on serving for its grace, and is then gone from slice
/// and node; its slice says “terminating” meanwhile.
enum RolloutBenchmark {
    struct Plan {
        var rollouts: Int
        var pods: Int
        var rate: Int
        var standing: Int
        /// How long a pod serves after it was told to end.
        var grace: Double
    }

    private struct Pod {
        var number: UInt32
        var address: IPv4Address
        var name: String { "pod-\(number)" }
    }

    /// - Returns: whether no new connection failed, and none that stays was cut.
    static func run(_ plan: Plan) throws -> Bool {
        print(
            "rollout: \(plan.rollouts) times all \(plan.pods) pods of a service, under \(plan.rate) new connections a second and "
                + "\(plan.standing) that stay; each pod serves for \(rounded(plan.grace)) s after it is told to end")
        let scene = try RolloutScene()
        let servers = RolloutServers()
        defer {
            servers.stop()
            scene.end()
        }
        var deployment = Rolling(scene, servers)
        try deployment.begin(with: plan.pods)
        let clients = RolloutClients(in: try scene.attach("client").namespace, servers)
        // The first connection waits for the first commit.
        poll(nil, 0, 1000)
        clients.start(rate: plan.rate, standing: plan.standing)
        poll(nil, 0, 1000)
        let begin = seconds(CLOCK_MONOTONIC)
        for _ in 0..<plan.rollouts { try deployment.replaceAll(grace: plan.grace) }
        let took = seconds(CLOCK_MONOTONIC) - begin
        poll(nil, 0, 1000)
        return report(clients.stop(), plan, took: took)
    }

    private static func report(_ counts: RolloutClients.Counts, _ plan: Plan, took: Double) -> Bool {
        let times = counts.times.sorted()
        func part(_ share: Double) -> String {
            times.isEmpty ? "nothing" : rounded(times[min(times.count - 1, Int(Double(times.count) * share))] * 1e3) + " ms"
        }
        print("  \(plan.pods * plan.rollouts) pods replaced in \(rounded(took)) s")
        print(
            "  new connections: \(times.count), \(counts.failures.count) failed"
                + (counts.failures.isEmpty ? "  met: none" : "  NOT met: none")
                + "; until the first word \(part(0.5)), 99 of 100 within \(part(0.99)), all within \(part(1))")
        for failure in counts.failures.prefix(5) { print("      \(failure)") }
        print("  … of which \(times.count { $0 > 0.9 }) only at the kernel's second try")
        print(
            "  connections that stay: \(counts.exchanges) exchanges, \(counts.moved) ended with their pod, \(counts.broken.count) cut"
                + (counts.broken.isEmpty ? "  met: none" : "  NOT met: none"))
        for trouble in counts.broken.prefix(5) { print("      \(trouble)") }
        return counts.failures.isEmpty && counts.broken.isEmpty
    }

    /// The pods as a Deployment's controller and a kubelet keep them.
    private struct Rolling {
        private let scene: RolloutScene
        private let servers: RolloutServers
        private var made: UInt32 = 0
        private var ready: [Pod] = []
        /// With the moment at which their grace is over.
        private var ending: [(pod: Pod, until: Double)] = []

        init(_ scene: RolloutScene, _ servers: RolloutServers) { (self.scene, self.servers) = (scene, servers) }

        mutating func begin(with count: Int) throws {
            for _ in 0..<count { ready.append(try make()) }
            try publish()
        }

        private mutating func make() throws -> Pod {
            made += 1
            let (namespace, address) = try scene.attach("pod-\(made)")
            try servers.start(made, in: namespace)
            return Pod(number: made, address: address)
        }

        private func publish() throws {
            try scene.publish(
                ready.map { .init(address: $0.address) } + ending.map { .init(address: $0.pod.address, isTerminating: true) })
        }

        mutating func replaceAll(grace: Double) throws {
            let wanted = ready.count
            let (surge, absent) = ((wanted + 3) / 4, wanted / 4)
            let last = made
            while ready.contains(where: { $0.number <= last }) || !ending.isEmpty {
                // Terminating ones are not counted.
                let new = ready.count { $0.number > last }
                for _ in 0..<max(0, min(wanted + surge - ready.count, wanted - new)) { ready.append(try make()) }
                try publish()
                // A pod is not ready at once; what is to end has to wait for it.
                poll(nil, 0, 200)
                let old = ready.filter { $0.number <= last }.prefix(max(0, ready.count - (wanted - absent)))
                if !old.isEmpty {
                    ready.removeAll { pod in old.contains { $0.number == pod.number } }
                    let until = seconds(CLOCK_MONOTONIC) + grace
                    ending += old.map { ($0, until) }
                    try publish()
                }
                try bury()
            }
        }

        private mutating func bury() throws {
            let now = seconds(CLOCK_MONOTONIC)
            let over = ending.filter { $0.until <= now }
            guard !over.isEmpty else { return }
            ending.removeAll { $0.until <= now }
            // The program ends first, then the object goes, then the network.
            for (pod, _) in over { servers.end(pod.number) }
            try publish()
            for (pod, _) in over { try scene.detach(pod.name) }
        }
    }
}
