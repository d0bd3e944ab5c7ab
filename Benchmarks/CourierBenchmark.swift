import CNI
import Glibc
import Synchronization

/// The courier: how long a whole run of `tulle-cni ADD` takes, from before it is spawned until it is waited for, with an agent
/// that answers at once.
///
/// Measured in turns with `/bin/true`, which is what a process costs at all, and with a plugin of the reference project asked
/// for its VERSION, which is what a Go plugin costs before it does anything. The agent's handler checks every time that the
/// descriptor it got is the very namespace that `CNI_NETNS` named.
struct CourierBenchmark {
    /// Whole process, median.
    static let limitMilliseconds = 2.0

    /// - Parameter courier: the release build of `tulle-cni`; beside our own executable when nothing is said.
    /// - Returns: milliseconds by name, such as `tulle-cni ADD median`.
    static func run(runs: Int, courier: String? = nil) throws -> [String: Double] {
        let program = courier ?? ownDirectory() + "/tulle-cni"
        let directory = try makeTemporaryDirectory()
        defer { rmdir(directory) }
        let socket = directory + "/cni.sock"
        let own = try NamespaceDescriptor(path: "/proc/self/ns/net").identity
        let wrong = Mutex(0)
        let endpoint = try CourierEndpoint(path: socket) { request in
            guard let namespace = request.namespace, (try? namespace.identity) == own, let call = try? request.invocation else {
                wrong.withLock { $0 += 1 }
                return .failure(Failure(.badEnvironment, "this is not the namespace that was named"), .latest)
            }
            return .success(answer(to: call), call.configuration.version)
        }
        defer { endpoint.stop() }

        let contestants = contestants(program, socket)
        var times = [[Double]](repeating: [], count: contestants.count)
        for run in 0..<(runs + 10) {
            for (index, contestant) in contestants.enumerated() {
                let time = try contestant.time()
                // The first rounds fill the page cache.
                if run >= 10 { times[index].append(time) }
            }
        }
        if wrong.withLock({ $0 }) > 0 { throw Trouble("the agent got another namespace than the one that was named") }
        return report(contestants, times, runs)
    }
}

// MARK: - Who runs

extension CourierBenchmark {
    private static func contestants(_ program: String, _ socket: String) -> [Contestant] {
        let configuration = #"{"cniVersion":"1.0.0","name":"bench","type":"tulle-cni","agentSocket":"\#(socket)"}"#
        let add = [
            "CNI_COMMAND=ADD", "CNI_CONTAINERID=0123456789abcdef", "CNI_NETNS=/proc/self/ns/net", "CNI_IFNAME=eth0",
            "CNI_ARGS=K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0", "CNI_PATH=/opt/cni/bin",
        ]
        let all = [
            Contestant(name: "tulle-cni ADD", path: program, environment: add, input: configuration, awaited: #""192.0.2.7/32""#),
            Contestant(name: "tulle-cni VERSION", path: program, environment: ["CNI_COMMAND=VERSION"], awaited: "1.1.0"),
            Contestant(name: "true", path: "/bin/true", environment: []),
            Contestant(
                name: "Go plugin VERSION", path: "/usr/lib/cni/ptp", environment: ["CNI_COMMAND=VERSION"], awaited: "1.0.0"),
        ]
        // The reference plugins are Debian's containernetworking-plugins, and may be missing.
        return all.filter { $0.path == program || access($0.path, X_OK) == 0 }
    }

    private static func answer(to call: Invocation) -> AttachmentResult {
        AttachmentResult(
            interfaces: [.init(name: "eth0", mac: "02:00:00:00:00:07", sandbox: call.namespacePath)],
            ips: [.init(address: "192.0.2.7/32", gateway: "169.254.1.1", interface: 0)],
            routes: [.init(destination: "0.0.0.0/0", gateway: "169.254.1.1")])
    }

    private static func report(_ contestants: [Contestant], _ times: [[Double]], _ runs: Int) -> [String: Double] {
        print("the courier: whole process in ms, \(runs) runs each, in turns")
        var figures: [String: Double] = [:]
        for (contestant, unsorted) in zip(contestants, times) where !unsorted.isEmpty {
            let sorted = unsorted.sorted()
            let (low, median, high) = (
                sorted[0], sorted[sorted.count / 2], sorted[min(sorted.count - 1, sorted.count * 99 / 100)]
            )
            figures["\(contestant.name) min"] = low
            figures["\(contestant.name) median"] = median
            figures["\(contestant.name) p99"] = high
            print("  \(contestant.name): min \(rounded(low))  median \(rounded(median))  p99 \(rounded(high))")
        }
        let median = figures["tulle-cni ADD median"] ?? .infinity
        print("  to meet: tulle-cni ADD median ≤ \(limitMilliseconds) ms: \(median <= limitMilliseconds ? "met" : "NOT met")")
        return figures
    }

    private static func rounded(_ value: Double) -> Double { (value * 1000).rounded() / 1000 }
}

// MARK: - One run of one program

extension CourierBenchmark {
    struct Trouble: Error, CustomStringConvertible {
        var description: String
        init(_ description: String) { self.description = description }
    }

    private struct Contestant {
        var name: String
        var path: String
        var environment: [String]
        var input = ""
        /// A word of the right output.
        var awaited = ""

        /// Milliseconds from before the spawn until the process is waited for, its output read to the end.
        func time() throws -> Double {
            let (input, output) = (try Pipe(), try Pipe())
            var actions = posix_spawn_file_actions_t()
            posix_spawn_file_actions_init(&actions)
            defer { posix_spawn_file_actions_destroy(&actions) }
            posix_spawn_file_actions_adddup2(&actions, input.out, STDIN_FILENO)
            posix_spawn_file_actions_adddup2(&actions, output.in, STDOUT_FILENO)
            var arguments = [strdup(path), nil]
            var variables = environment.map { strdup($0) } + [nil]
            defer { for text in arguments + variables { free(text) } }

            var process: pid_t = 0
            var status: Int32 = 0
            let begin = ContinuousClock.now
            // posix_spawn and not fork: a fork would copy our page tables, and grow with us.
            let error = posix_spawn(&process, path, &actions, nil, &arguments, &variables)
            guard error == 0 else { throw Trouble("posix_spawn \(path): errno \(error)") }
            close(input.out)
            close(output.in)
            let bytes = Array(self.input.utf8)
            if !bytes.isEmpty { _ = write(input.in, bytes, bytes.count) }
            close(input.in)
            let answer = try readToEnd(output.out, limit: 1 << 20, path)
            waitpid(process, &status, 0)
            let elapsed = ContinuousClock.now - begin
            close(output.out)

            guard status == 0, String(decoding: answer, as: UTF8.self).contains(awaited) || awaited.isEmpty else {
                throw Trouble("\(name) ended with \(status) and printed: \(String(decoding: answer, as: UTF8.self))")
            }
            return elapsed / .milliseconds(1)
        }
    }

    private struct Pipe {
        let out: Int32
        let `in`: Int32

        init() throws {
            var ends: [Int32] = [0, 0]
            guard pipe(&ends) == 0 else { throw Trouble("pipe: errno \(errno)") }
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
            (out, `in`) = (ends[0], ends[1])
        }
    }

    private static func makeTemporaryDirectory() throws -> String {
        var template = Array("/tmp/tulle-courier-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Trouble("mkdtemp: errno \(errno)") }
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func ownDirectory() -> String {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        let path = String(decoding: buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
    }
}
