import Glibc
import KubeAPI
import NFTables
import NFTablesKernel
import Netlink
import Plan

/// The whole agent with policies at size, fed by a real API server: 10,000 pods in 200 namespaces on 100 nodes and 5,000 policies, 110
/// of the pods here, beside a namespace of 500 pods; then pods that come elsewhere, and labels of that namespace that change.
///
/// What is measured from outside errs to the agent's disadvantage: its start includes the program's, and a pod is two events, since
/// its addresses come after it, as kubelets say them.
enum AgentPoliciesBenchmark {
    private static let namespaces = 200
    private static let podsEach = 50

    static func run() async throws {
        let directory = try Directory()
        let socket = try IsolatedSocket()
        let server = try ServerProcess(directory.file("store"), socket.descriptor)
        defer {
            server.kill()
            close(socket.descriptor)
            _ = try? Call(["/bin/rm", "-r", directory.path]).run()
        }
        try await fill(socket)
        print("the whole agent with 10,500 pods, 5,000 policies, 100 nodes (figures: ≤ 1 s, ≤ 1 ms, ≤ 20 ms, ≤ 120 MiB)")
        let tables = try KernelTables(in: socket.namespace)
        let begin = ContinuousClock.now
        let agent = try MeasuredAgent(parts: "policies", directory: directory.path, in: socket)
        defer { agent.end() }
        let limit = begin + .seconds(120)
        // Each family's table is committed whole.
        while try tables.tables().filter({ $0.name == PacketPath.policyTable }).count < 2 {
            guard ContinuousClock.now < limit else {
                throw AgentStage.Trouble(description: "no tables after two minutes; the agent's log is \(directory.file("log"))")
            }
            poll(nil, 0, 2)
        }
        let took = (ContinuousClock.now - begin) / .milliseconds(1)
        print("  from its start to the committed tables: \(Int(took)) ms; \(Int(agent.cpu / .milliseconds(1))) ms of CPU")
        // It gives its start-up code back some seconds later.
        poll(nil, 0, 15_000)
        print("  memory at rest: \(agent.memory)")
        var client = try PlainConnection(socket.namespace, port: socket.port)
        defer { client.close() }
        try await pods(agent, &client)
        try labels(agent, tables, &client)
        print("  memory after it all: \(agent.memory)")
        try check(tables)
    }

    // MARK: - Objects

    private static func fill(_ socket: IsolatedSocket) async throws {
        _ = try await APIServerBenchmark.create(100, socket, "/api/v1/nodes") { number in
            #"{"metadata":{"name":"n\#(number + 1)"},"spec":{"podCIDRs":["10.244.\#(number).0/24"]},"status":{"addresses":"#
                + #"[{"type":"InternalIP","address":"192.0.2.\#(number + 1)"}]}}"#
        }
        _ = try await APIServerBenchmark.create(namespaces + 1, socket, "/api/v1/namespaces") {
            Self.namespace($0, team: $0 % 20)
        }
        for number in 0...namespaces {
            let path = "/api/v1/namespaces/\(name(number))"
            _ = try await APIServerBenchmark.create(1, socket, "\(path)/serviceaccounts") { _ in
                #"{"metadata":{"name":"default"}}"#
            }
            let pods = (0..<(number == namespaces ? 500 : podsEach)).map { number * podsEach + $0 }
            try await create(pods, in: number, socket)
            guard number < namespaces else { continue }
            _ = try await APIServerBenchmark.create(
                25, socket, "/apis/networking.k8s.io/v1/namespaces/\(name(number))/networkpolicies"
            ) {
                #"{"metadata":{"name":"p\#($0)"},"spec":\#(PoliciesBenchmark.spec($0, in: number))}"#
            }
        }
    }

    /// With their addresses.
    private static func create(_ pods: [Int], in namespace: Int, _ socket: IsolatedSocket) async throws {
        let path = "/api/v1/namespaces/\(name(namespace))/pods"
        _ = try await APIServerBenchmark.create(pods.count, socket, path) { pod(pods[$0], hasStatus: false) }
        _ = try await APIServerBenchmark.inParallel(8) { connection in
            var client = try PlainConnection(socket.namespace, port: socket.port)
            defer { client.close() }
            for number in stride(from: connection, to: pods.count, by: 8) { try tell(pods[number], in: namespace, &client) }
        }
    }

    private static func tell(_ number: Int, in namespace: Int, _ client: inout PlainConnection) throws {
        let path = "/api/v1/namespaces/\(name(namespace))/pods/pod-\(number)/status"
        guard try client.ask("PUT", path, pod(number, hasStatus: true)).status == 200 else {
            throw AgentStage.Trouble(description: "the status of pod \(number) is refused")
        }
    }

    private static func name(_ namespace: Int) -> String { namespace == namespaces ? "big" : "ns\(namespace)" }

    private static func namespace(_ number: Int, team: Int) -> String {
        #"{"metadata":{"name":"\#(name(number))","labels":{"team":"t\#(team)"}}}"#
    }

    /// Those of other nodes come after the first twenty thousand numbers.
    private static func pod(_ number: Int, hasStatus: Bool) -> String {
        let node = number < 10_000 && number % 91 == 0 ? "n1" : "n\(number % 99 + 2)"
        let addresses =
            #"[{"ip":"10.\#(128 + number >> 16).\#(number >> 8 & 255).\#(number & 255)"},{"ip":"fd00::1:\#(hex(number))"}]"#
        let status = hasStatus ? #","status":{"phase":"Running","podIPs":\#(addresses)}"# : ""
        return
            #"{"metadata":{"name":"pod-\#(number)","labels":{"app":"a\#(number % 10)","tier":"t\#(number % 3)","#
            + #""pod-template-hash":"5d4f8c7b9\#(number % 7)"}},"spec":{"nodeName":"\#(node)","containers":[{"name":"c","#
            + #""image":"example.org/web:1","ports":[{"containerPort":8080,"name":"http"}]}]}\#(status)}"#
    }

    private static func hex(_ number: Int) -> String { String(number + 1, radix: 16) }

    // MARK: - Changes

    private static func pods(_ agent: MeasuredAgent, _ client: inout PlainConnection) async throws {
        let count = 200
        poll(nil, 0, 2000)
        let alone = try await cost(of: 20_000..<20_000 + count, pause: 40, agent, &client)
        let together = try await cost(of: 21_000..<21_000 + count, pause: 0, agent, &client)
        print(
            "  a pod more elsewhere: \(rounded(alone / Double(count))) ms of CPU by itself, \(rounded(together / Double(count))) ms among "
                + "many (created, and its addresses told: two events)")
    }

    /// - Returns: milliseconds of the agent's CPU, without what it uses while nothing happens.
    private static func cost(
        of pods: Range<Int>, pause: Int32, _ agent: MeasuredAgent, _ client: inout PlainConnection
    ) async throws -> Double {
        let (before, start) = (agent.cpu, ContinuousClock.now)
        for number in pods {
            let home = number % namespaces
            let path = "/api/v1/namespaces/\(name(home))/pods"
            guard try client.ask("POST", path, pod(number, hasStatus: false)).status == 201 else {
                throw AgentStage.Trouble(description: "pod \(number) is refused")
            }
            try tell(number, in: home, &client)
            // By itself: several in one round are cheaper.
            poll(nil, 0, pause)
        }
        poll(nil, 0, 500)
        let (elapsed, used) = (ContinuousClock.now - start, agent.cpu - before)
        let rest = agent.cpu
        poll(nil, 0, Int32(elapsed / .milliseconds(1)))
        return (used - (agent.cpu - rest)) / .milliseconds(1)
    }

    private static func labels(_ agent: MeasuredAgent, _ tables: KernelTables, _ client: inout PlainConnection) throws {
        var (costs, latencies): ([Double], [Double]) = ([], [])
        for round in 0..<20 {
            let (before, generation) = (agent.cpu, try tables.generation())
            let begin = ContinuousClock.now
            // Between teams that no other namespace is of, as far as rules here are concerned: all 500 come and go.
            let body = namespace(namespaces, team: round % 2 == 0 ? 1 : 2)
            guard try client.ask("PUT", "/api/v1/namespaces/big", body).status == 200 else {
                throw AgentStage.Trouble(description: "the namespace's labels are refused")
            }
            while try tables.generation() == generation, ContinuousClock.now - begin < .seconds(10) { poll(nil, 0, 1) }
            latencies.append((ContinuousClock.now - begin) / .seconds(1))
            poll(nil, 0, 200)
            costs.append((agent.cpu - before) / .seconds(1))
        }
        print(
            "  a namespace of 500 pods relabelled: \(Figures(costs).milliseconds) of CPU; from the write to the first commit "
                + "\(Figures(latencies).milliseconds)")
    }

    /// Every pod of this node that policies isolate is in the tables, by both families.
    private static func check(_ tables: KernelTables) throws {
        for id in try tables.tables() where id.name == PacketPath.policyTable {
            let count = try tables.observe(id)?.table.sets["isolated"]?.elements.count ?? 0
            guard count == 110 else { throw AgentStage.Trouble(description: "\(id) isolates \(count) pods, and not 110") }
        }
        print("  checked: each of the 110 pods here is isolated in both families")
    }
}
