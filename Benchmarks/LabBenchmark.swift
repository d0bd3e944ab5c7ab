import Glibc
import KubeAPI
import KubeClient
import Logging

/// A lab from nothing: how long until its nodes are Ready, until a hundred pods are, and until nothing is left; and what it costs
/// while nobody asks anything of it.
///
/// The commands are the ones people give, as processes: `tulle lab up` and `down`. Beside them stands what the machine needs to
/// start one process and to make one network namespace and take it down, since that is what a lab is made of.
enum LabBenchmark {
    static func run(rounds: Int, pods: Int, idleSeconds: Int) async throws {
        let tulle = try Program.beside("tulle")
        var (up, ready, down, floor) = ([Double](), [Double](), [Double](), [Double]())
        print("a lab of 3 nodes, \(rounds) rounds, then \(idleSeconds) s of nothing")
        for round in 1...rounds {
            let directory = try Directory()
            defer { directory.remove() }
            let lab = directory.file("lab")
            floor.append(try Program("/usr/bin/unshare", ["--net", "--pid", "--fork", "/bin/true"]).run())
            up.append(try Program(tulle, ["lab", "up", "--directory", lab, "--nodes", "3"]).run())
            do {
                ready.append(try await milliseconds { try await makeReady(pods, "\(lab)/kubeconfig") })
                if round == rounds { try await idle(lab, seconds: idleSeconds) }
            } catch {
                _ = try? Program(tulle, ["lab", "down", "--directory", lab]).run()
                throw error
            }
            down.append(try Program(tulle, ["lab", "down", "--directory", lab]).run())
            guard access(lab, F_OK) != 0, processes(lab).isEmpty else { throw Trouble("something is left of the lab in \(lab)") }
        }
        say("a process in namespaces of its own (unshare)", floor, limit: nil)
        say("up to all nodes Ready", up, limit: 3_000)
        say("\(pods) pods applied to all Ready", ready, limit: 15_000)
        say("down, \(pods) pods in it", down, limit: 3_000)
    }

    private struct Trouble: Error, CustomStringConvertible {
        var description: String
        init(_ description: String) { self.description = description }
    }

    private static func say(_ what: String, _ times: [Double], limit: Double?) {
        let sorted = times.sorted()
        let median = sorted[sorted.count / 2]
        let verdict = limit.map { median <= $0 ? "; at most \(Int($0)) wanted" : "; MORE than the \(Int($0)) wanted" } ?? ""
        print("  \(what): \(Int(median)) ms median (\(Int(sorted[0]))–\(Int(sorted[sorted.count - 1])))\(verdict)")
    }

    private static func milliseconds(_ work: () async throws -> Void) async throws -> Double {
        try await ContinuousClock().measure(work) / .milliseconds(1)
    }
}

// MARK: - Pods

extension LabBenchmark {
    private static let deployments = ResourceType(
        GroupVersionKind(group: "apps", version: "v1", kind: "Deployment"), plural: "deployments", isNamespaced: true)

    private static func makeReady(_ count: Int, _ kubeconfig: String) async throws {
        var logger = Logger(label: "bench")
        logger.logLevel = .error
        let transport = try Kubeconfig.load([kubeconfig]).access().transport(clock: ContinuousClock())
        let client = APIClient(
            transport: transport, clock: ContinuousClock(), random: { .random(in: 0..<1) }, logger: logger)
        let container: JSONValue = ["name": "main", "image": "echo", "ports": [["containerPort": 8080]]]
        let number = JSONValue.number(JSONNumber(Int64(count)))
        try await client.create(
            [
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": ["name": "web", "namespace": "default"],
                "spec": [
                    "replicas": number, "selector": ["matchLabels": ["app": "web"]],
                    "template": ["metadata": ["labels": ["app": "web"]], "spec": ["containers": [container]]],
                ],
            ], of: deployments)
        for _ in 0..<1_200 {
            let status = try await client.get(deployments, "web", in: "default")["status"]
            if status?["readyReplicas"] == number {
                try await transport.shutdown()
                return
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw Trouble("\(count) pods were not Ready after a minute")
    }
}

// MARK: - At rest

extension LabBenchmark {
    /// Memory and processor time of each agent and of the API server, with the pods there and nothing to do.
    private static func idle(_ lab: String, seconds: Int) async throws {
        // What coming up left to be done.
        try await Task.sleep(for: .seconds(5))
        let found = processes(lab)
        guard found.filter({ $0.role == "agent" }).count == 3, found.contains(where: { $0.role == "API server" }) else {
            throw Trouble("the lab's processes are not all there: \(found)")
        }
        let before = found.map { ticks($0.process) }
        try await Task.sleep(for: .seconds(seconds))
        let perSecond = Double(sysconf(Int32(_SC_CLK_TCK)))
        for (position, part) in found.enumerated() {
            let share = Double(ticks(part.process) - before[position]) / perSecond / Double(seconds) * 100
            let memory = Double(resident(part.process)) / 1024
            print("  at rest, \(part.role): \((memory * 10).rounded() / 10) MiB RSS, \((share * 100).rounded() / 100) % CPU")
        }
    }

    private struct Part {
        var role: String
        var process: pid_t
    }

    /// By their command lines: the numbers that the lab itself tells are those of its own PID namespace.
    private static func processes(_ lab: String) -> [Part] {
        names(in: "/proc").compactMap { name in
            guard let process = pid_t(name) else { return nil }
            let words = text(of: "/proc/\(name)/cmdline").split(separator: "\0").map(String.init)
            guard words.first?.hasSuffix("/tulle") == true, words.contains(where: { $0.hasPrefix(lab) }) else { return nil }
            switch words.dropFirst().prefix(2).joined(separator: " ") {
            case let command where command.hasPrefix("agent"): return Part(role: "agent", process: process)
            case "lab serve": return Part(role: "API server", process: process)
            case "lab supervise": return Part(role: "supervisor", process: process)
            default: return nil
            }
        }.sorted { ($0.role, $0.process) < ($1.role, $1.process) }
    }

    /// Processor time, user and system (`proc_pid_stat(5)`).
    private static func ticks(_ process: pid_t) -> Int {
        let stat = text(of: "/proc/\(process)/stat")
        guard let end = stat.lastIndex(of: ")") else { return 0 }
        let fields = stat[end...].split(separator: " ")
        return fields.count > 13 ? (Int(fields[12]) ?? 0) + (Int(fields[13]) ?? 0) : 0
    }

    /// In KiB.
    private static func resident(_ process: pid_t) -> Int {
        let line = text(of: "/proc/\(process)/status").split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        return line?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    }

    private static func text(of path: String) -> String {
        guard let file = fopen(path, "r") else { return "" }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 64 << 10)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }

    private static func names(in directory: String) -> [String] {
        guard let handle = opendir(directory) else { return [] }
        defer { closedir(handle) }
        var names: [String] = []
        while let entry = readdir(handle) {
            names.append(
                withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                })
        }
        return names
    }
}

// MARK: - Programs

extension LabBenchmark {
    private struct Program {
        var path: String
        var arguments: [String]

        init(_ path: String, _ arguments: [String]) { (self.path, self.arguments) = (path, arguments) }

        /// Milliseconds from before it is started until it has ended.
        func run() throws -> Double {
            var actions = posix_spawn_file_actions_t()
            posix_spawn_file_actions_init(&actions)
            defer { posix_spawn_file_actions_destroy(&actions) }
            posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
            var words = ([path] + arguments).map { strdup($0) } + [nil]
            var variables = [strdup("PATH=/usr/sbin:/usr/bin:/sbin:/bin"), nil]
            defer { for text in words + variables { free(text) } }
            var process: pid_t = 0
            var status: Int32 = 0
            let begin = ContinuousClock.now
            let error = posix_spawn(&process, path, &actions, nil, &words, &variables)
            guard error == 0 else { throw Trouble("start \(path): errno \(error)") }
            waitpid(process, &status, 0)
            let elapsed = ContinuousClock.now - begin
            guard status == 0 else { throw Trouble("\(path) \(arguments.joined(separator: " ")) ended with \(status >> 8)") }
            return elapsed / .milliseconds(1)
        }

        static func beside(_ name: String) throws -> String {
            var buffer = [CChar](repeating: 0, count: 4096)
            let count = readlink("/proc/self/exe", &buffer, buffer.count)
            let own = String(decoding: buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
            let path = "\(own[..<(own.lastIndex(of: "/") ?? own.startIndex)])/\(name)"
            guard access(path, X_OK) == 0 else { throw Trouble("there is no \(path); scripts/bench builds it") }
            return path
        }
    }

    private struct Directory {
        let path: String

        init() throws {
            var template = Array("/tmp/tulle-lab-bench-XXXXXX".utf8CString)
            guard mkdtemp(&template) != nil else { throw Trouble("mkdtemp: errno \(errno)") }
            path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }

        func file(_ name: String) -> String { "\(path)/\(name)" }
        func remove() { rmdir(path) }
    }
}
