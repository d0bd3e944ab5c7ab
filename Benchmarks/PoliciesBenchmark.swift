import Addressing
import CLinux
import Cluster
import Glibc
import KubeAPI
import NFTables
import NFTablesKernel
import Netlink
import Plan

/// Network policies at size: what a node computes and commits, what a change costs, and what a connection costs under many.
enum PoliciesBenchmark {
    static func run(pairs: Int, seconds: Int) throws {
        try size()
        try names()
        try connections(pairs: pairs, seconds: seconds)
    }

    // MARK: - Size

    private static let namespaces = 200
    private static let podsEach = 50

    private static func size() throws {
        let objects = try objects()
        let home = try NetworkNamespace.new()
        let kernel = try KernelTables(in: home)
        let memory = resident()
        let begin = seconds(CLOCK_MONOTONIC)
        var index = PolicyIndex(node: "n1")
        index.replace(with: objects)
        let changes = index.takeChanges()
        let indexed = seconds(CLOCK_MONOTONIC)
        var tables = IPFamily.allCases.map { PolicyTable($0) }
        let steps = tables.indices.flatMap { tables[$0].update(changes, index) }
        let planned = seconds(CLOCK_MONOTONIC)
        try kernel.apply(steps)
        let end = seconds(CLOCK_MONOTONIC)
        let elements = steps.reduce(0) { sum, step in
            if case .addElements(_, _, let items) = step { sum + items.count } else { sum }
        }
        let rules = steps.count { if case .addRule = $0 { true } else { false } }
        print(
            "policies: \(namespaces * podsEach) pods, 5,000 policies, 100 nodes, both families (figures: ≤ 1 s, ≤ 1 ms, ≤ 20 ms)")
        print(
            "  whole       \(rounded((end - begin) * 1e3)) ms: index \(rounded((indexed - begin) * 1e3)), plan "
                + "\(rounded((planned - indexed) * 1e3)), commit \(rounded((end - planned) * 1e3)) of \(elements) elements and "
                + "\(rules) rules; \(index.subjects.count) addresses isolated")
        print("  memory      \(rounded(resident() - memory)) MiB more than the objects")

        func change(_ object: any KubernetesObject) throws -> Double {
            let begin = seconds(CLOCK_PROCESS_CPUTIME_ID)
            index.set(object)
            let changes = index.takeChanges()
            try kernel.apply(tables.indices.flatMap { tables[$0].update(changes, index) })
            return seconds(CLOCK_PROCESS_CPUTIME_ID) - begin
        }
        let far = try (0..<200).map { number in
            try change(pod(20_000 + number, in: number % namespaces, node: "n2", app: number % 10))
        }
        let first = try (0..<100).map { number in
            try change(pod(21_000 + number, in: number * 2 % namespaces, node: "n1", app: number % 10))
        }
        let second = try (0..<100).map { number in
            try change(pod(22_000 + number, in: number * 2 % namespaces, node: "n1", app: number % 10))
        }
        let relabelled = try (0..<100).map { number in
            try change(pod(20_000 + number, in: number % namespaces, node: "n2", app: (number + 1) % 10))
        }
        let big = try (0..<20).map { number in try change(namespace(named: "big", team: number % 2)) }
        print("  a pod more  \(Figures(far).microseconds) CPU elsewhere, \(Figures(second).microseconds) on this node")
        print("  the first of its policies on this node  \(Figures(first).microseconds) CPU")
        print("  relabelled  \(Figures(relabelled).microseconds) CPU")
        print("  a namespace of 500 pods relabelled  \(Figures(big).microseconds) CPU")
        for table in tables {
            guard try kernel.observe(table.id)?.table == table.table(index) else {
                throw KernelError(.inputOutput, "keep the table of policies: it is not what it should be")
            }
        }
    }

    /// The most there was so far, MiB.
    private static func resident() -> Double {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return Double(usage.ru_maxrss) / 1024
    }

    static func objects() throws -> [any KubernetesObject] {
        var objects: [any KubernetesObject] = [try namespace(named: "big", team: 0)]
        for number in 0..<namespaces { objects.append(try namespace(named: "ns\(number)", team: number % 20)) }
        for number in 0..<namespaces * podsEach {
            let node = number % 91 == 0 ? "n1" : "n\(number % 99 + 2)"
            objects.append(pod(number, in: number / podsEach, node: node, app: number % 10))
        }
        for number in 0..<500 {
            var pod = pod(30_000 + number, in: 0, node: "n3", app: number % 10)
            pod.metadata.namespace = "big"
            objects.append(pod)
        }
        for number in 0..<namespaces { for policy in 0..<25 { objects.append(try self.policy(policy, in: number)) } }
        return objects
    }

    private static func namespace(named name: String, team: Int) throws -> Namespace {
        Namespace(metadata: ObjectMeta(name: name, labels: ["team": "t\(team)", "kubernetes.io/metadata.name": name]))
    }

    static func pod(_ number: Int, in namespace: Int, node: String, app: Int) -> Pod {
        var pod = Pod(
            metadata: ObjectMeta(
                name: "pod-\(number)", namespace: "ns\(namespace)",
                labels: ["app": "a\(app)", "tier": "t\(app % 3)", "pod-template-hash": "5d4f8c7b9\(number % 7)"]))
        pod.spec.nodeName = node
        pod.status.phase = .running
        pod.status.podIPs = [
            .v4(IPv4Address(rawValue: 10 << 24 | UInt32(number + 2))),
            .v6(IPv6Address(rawValue: 0xFD << 120 | UInt128(number + 2))),
        ]
        return pod
    }

    /// Each with its own port; peers of its own namespace, of a team's, and a block.
    static func policy(_ number: Int, in namespace: Int) throws -> NetworkPolicy {
        try policy("p\(number)", in: "ns\(namespace)", spec(number, in: namespace))
    }

    /// Of the policy with this number in its namespace.
    static func spec(_ number: Int, in namespace: Int) -> JSONValue {
        func digits(_ number: Int) -> JSONValue { .number(JSONNumber(Int64(number))) }
        let app = { (number: Int) -> JSONValue in ["matchLabels": ["app": .string("a\(number % 10)")]] }
        return [
            "podSelector": app(number), "policyTypes": number % 3 == 0 ? ["Ingress", "Egress"] : ["Ingress"],
            "ingress": [
                [
                    "from": [
                        ["podSelector": app(number + 1)],
                        [
                            "namespaceSelector": ["matchLabels": ["team": .string("t\((namespace + number) % 20)")]],
                            "podSelector": app(number),
                        ],
                        ["ipBlock": ["cidr": .string("198.18.\(number).0/24")]],
                    ],
                    "ports": [["port": digits(8000 + number)]],
                ]
            ],
            "egress": [["to": [["podSelector": app(number + 2)]], "ports": [["port": digits(9000 + number)]]]],
        ]
    }

    private static func policy(_ name: String, in namespace: String, _ spec: JSONValue) throws -> NetworkPolicy {
        let tree: JSONValue = [
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": ["name": .string(name), "namespace": .string(namespace)], "spec": spec,
        ]
        guard let policy = Registry.standard.read(tree).object as? NetworkPolicy else {
            throw KernelError(.inputOutput, "make policy \(namespace)/\(name)")
        }
        return policy
    }

    // MARK: - Connections

    private static func connections(pairs: Int, seconds: Int) throws {
        print(
            "a pod under policies, each with a selector, port and block of its own: ratio to a pod without, the median of \(pairs) "
                + "in turns (figure: ≥ 0.97); and the same policies as chains")
        var stages = try [0, 1, 100, 1000].map { try PolicyRoad(policies: try policies($0)) }
        stages += try [1, 100, 1000].map { try PolicyRoad(policies: try policies($0), as: .chains) }
        defer { for stage in stages { stage.end() } }
        var rates: [[Double]] = stages.map { _ in [] }
        var streams: [[Double]] = stages.map { _ in [] }
        for _ in 0..<pairs {
            // Connections in many short turns: what disturbs the machine for a moment disturbs all.
            var times: [[Double]] = stages.map { _ in [] }
            for _ in 0..<20 {
                for (position, stage) in stages.enumerated() { times[position].append(try stage.latency(times: 20)) }
            }
            for position in stages.indices { rates[position].append(1 / Figures(times[position]).median) }
            for (position, stage) in stages.enumerated() { streams[position].append(try stage.throughput(seconds: seconds)) }
        }
        for (position, stage) in stages.enumerated() {
            func ratio(_ values: [[Double]]) -> String { rounded(Figures(zip(values[position], values[0]).map(/)).median) }
            print(
                "  \(stage.count) \(stage.form.rawValue): new connections \(ratio(rates)) "
                    + "(\(Int(Figures(rates[position]).median)) a second, one after the other), iperf3 \(ratio(streams)) "
                    + "(\(rounded(Figures(streams[position]).median / 1e9)) Gbit/s)")
        }
    }

    /// The last one opens what is asked.
    private static func policies(_ count: Int) throws -> [NetworkPolicy] {
        try (0..<count).map { number in
            let isLast = number == count - 1
            let numbers = isLast ? [Int64(PolicyRoad.port), Int64(PolicyRoad.streamPort)] : [Int64(10_000 + number)]
            let ports = JSONValue.array(numbers.map { ["port": .number(JSONNumber($0))] })
            let block = isLast ? "198.18.1.0/24" : "203.0.\(number / 256).\(number % 256)/32"
            return try policy(
                "p\(number)", in: "shop",
                [
                    "podSelector": [:],
                    "ingress": [
                        [
                            "from": [
                                ["podSelector": ["matchLabels": ["app": .string("a\(number)")]]],
                                ["ipBlock": ["cidr": .string(block)]],
                            ], "ports": ports,
                        ]
                    ],
                ])
        }
    }
}
