import Addressing
import CNI
import Glibc
import HostNetwork
import HostNetworkKernel
import Netlink

/// A pod's ADD and DEL as a runtime sees them: whole processes, the real agent, and beside it Debian's containernetworking-plugins in
/// turns (`bridge` with `host-local`, then `portmap`), with a port of the node and without one. Then a hundred at once.
///
/// Namespaces are made before the clock starts: the runtime makes them.
enum CNIBenchmark {
    static func run(pairs: Int, crowd: Int) throws {
        let scene = try CNIScene()
        defer { scene.end() }
        print("tulle-cni with an agent, whole processes, \(pairs) pairs in turns")
        for hasPort in [false, true] {
            var (ours, theirs, deletions): ([Duration], [Duration], [Duration]) = ([], [], [])
            for number in 0..<(pairs + 2) {
                let (own, other) = (try NetworkNamespace.new(), try NetworkNamespace.new())
                let time = try scene.ours("ADD", "a\(number)", own, port: hasPort ? 10_000 + number : nil)
                let chain =
                    scene.hasReference ? try scene.chain("ADD", "b\(number)", other, port: hasPort ? 20_000 + number : nil) : nil
                let end = try scene.ours("DEL", "a\(number)", own, port: nil)
                if scene.hasReference { _ = try scene.chain("DEL", "b\(number)", other, port: hasPort ? 20_000 + number : nil) }
                // The first ones fill the page cache.
                guard number >= 2 else { continue }
                ours.append(time)
                deletions.append(end)
                if let chain { theirs.append(chain) }
            }
            print(hasPort ? " with a port of the node" : " without a port of the node")
            print("  ADD              \(CNISummary(ours))")
            print("  DEL              \(CNISummary(deletions))")
            if !theirs.isEmpty {
                print("  reference chain  \(CNISummary(theirs))")
                let ratio = (CNISummary(theirs).median / CNISummary(ours).median * 10).rounded() / 10
                print("  ratio            \(ratio)")
            }
        }
        for _ in 0..<3 { try scene.crowd(crowd) }
        try scene.limits([10, 100, 1000])
    }
}

struct CNISummary: CustomStringConvertible {
    let sorted: [Double]

    init(_ times: [Duration]) { sorted = times.map { $0 / .milliseconds(1) }.sorted() }

    var median: Double { sorted[sorted.count / 2] }
    var description: String {
        func text(_ value: Double) -> String { "\((value * 100).rounded() / 100)" }
        return
            "min \(text(sorted[0]))  median \(text(median))  p99 \(text(sorted[min(sorted.count - 1, sorted.count * 99 / 100)])) ms"
    }
}

/// A node that is a namespace, with an agent.
struct CNIScene {
    let directory: String
    let programs: String
    let node: NetworkNamespace
    let far: NetworkNamespace
    let agent: pid_t
    let hasReference = access("/usr/lib/cni/portmap", X_OK) == 0

    struct Trouble: Error, CustomStringConvertible { var description: String }

    init() throws {
        var template = Array("/dev/shm/tulle-cni-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Trouble(description: "mkdtemp: errno \(errno)") }
        directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        let own = String(decoding: buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        programs = String(own[..<(own.lastIndex(of: "/") ?? own.startIndex)])
        node = try .new()
        far = try .new()
        let host = try KernelHost(node)
        host.namespaces["far"] = far
        let address = InterfaceAddress(.v4(IPv4Address(192, 0, 2, 1)), length: 24)
        let refusals = try host.apply([
            .change(from: .link(Link("lo", .loopback, isUp: false)), to: .link(Link("lo", .loopback))),
            .add(.link(Link("eth0", .veth(peer: Link.Peer("eth0", in: "far")), makesLinkLocal: false))),
            .add(.address(Address(address, on: "eth0"))),
        ])
        if let refusal = refusals.first { throw refusal.kernelError }
        let objects = """
            apiVersion: v1
            kind: Node
            metadata: {name: n1}
            spec: {podCIDRs: [198.18.0.0/22, "2001:db8:1::/64"]}
            status: {addresses: [{type: InternalIP, address: 192.0.2.1}]}

            """
        let file = open("\(directory)/objects.yaml", O_WRONLY | O_CREAT, 0o600)
        _ = write(file, objects, objects.utf8.count)
        close(file)
        agent = try Call(
            [
                "\(programs)/tulle", "agent", "--node", "n1", "--objects", "\(directory)/objects.yaml", "--state",
                directory + "/state",
            ],
            log: "\(directory)/log"
        ).spawn(in: node).process
        for _ in 0..<400 {
            if try call("STATUS", "", "", extra: "").run().status == 0 { return }
            poll(nil, 0, 50)
        }
        throw Trouble(description: "the agent does not answer; its log is \(directory)/log")
    }

    func end() {
        kill(agent, SIGTERM)
        waitpid(agent, nil, 0)
        _ = try? Call(["/bin/rm", "-r", directory]).run()
    }

    func path(_ pod: NetworkNamespace) -> String { "/proc/\(getpid())/fd/\(pod.descriptor.rawValue)" }

    func call(_ verb: String, _ container: String, _ pod: String, extra: String) -> Call {
        Call(
            ["\(programs)/tulle-cni"], environment: Self.environment(verb, container, pod),
            input: #"{"cniVersion":"1.1.0","name":"bench","type":"tulle-cni","agentSocket":"\#(directory)/state/cni.sock""#
                + #","queueDirectory":"\#(directory)/state/deletions"\#(extra)}"#)
    }

    private static func environment(_ verb: String, _ container: String, _ pod: String) -> [String] {
        [
            "CNI_COMMAND=\(verb)", "CNI_CONTAINERID=\(container)", "CNI_NETNS=\(pod)", "CNI_IFNAME=eth0",
            "CNI_PATH=/usr/lib/cni", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
            "CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=\(container)",
        ]
    }

    private func mapping(_ port: Int?) -> String {
        port.map { #","runtimeConfig":{"portMappings":[{"hostPort":\#($0),"containerPort":80,"protocol":"tcp"}]}"# } ?? ""
    }

    func ours(_ verb: String, _ container: String, _ pod: NetworkNamespace, port: Int?) throws -> Duration {
        let call = call(verb, container, path(pod), extra: mapping(port))
        let start = ContinuousClock.now
        let outcome = try call.run()
        guard outcome.status == 0 else { throw Trouble(description: "tulle-cni \(verb): \(outcome.output)") }
        return ContinuousClock.now - start
    }

    /// As a runtime calls a chain: ADD in order with the result handed on, DEL the other way round.
    func chain(_ verb: String, _ container: String, _ pod: NetworkNamespace, port: Int?) throws -> Duration {
        let head = #"{"cniVersion":"1.0.0","name":"reference""#
        let environment = Self.environment(verb, container, path(pod))
        let bridge = Call(
            ["/usr/lib/cni/bridge"], environment: environment,
            input: head + #","type":"bridge","bridge":"cni0","isGateway":true,"ipMasq":true,"ipam":{"type":"host-local","#
                + #""dataDir":"\#(directory)/ipam","ranges":[[{"subnet":"198.19.0.0/16"}]],"routes":[{"dst":"0.0.0.0/0"}]}}"#)
        func portmap(_ result: String) -> Call {
            Call(
                ["/usr/lib/cni/portmap"], environment: environment,
                input: head + #","type":"portmap","capabilities":{"portMappings":true}\#(mapping(port))\#(result)}"#)
        }
        let start = ContinuousClock.now
        if verb == "ADD" {
            let first = try bridge.run(in: node)
            guard first.status == 0 else { throw Trouble(description: "bridge: \(first.output)") }
            let second = try portmap(#","prevResult":\#(first.output)"#).run(in: node)
            guard second.status == 0 else { throw Trouble(description: "portmap: \(second.output)") }
        } else {
            _ = try portmap("").run(in: node)
            _ = try bridge.run(in: node)
        }
        return ContinuousClock.now - start
    }
}

/// A process to be started.
struct Call {
    var words: [String]
    var environment: [String] = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]
    var input = ""
    var log: String?

    init(
        _ words: [String], environment: [String] = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], input: String = "", log: String? = nil
    ) {
        (self.words, self.environment, self.input, self.log) = (words, environment, input, log)
    }

    struct Running {
        let process: pid_t
        let output: Int32
        var text: [UInt8] = []

        /// Whether its output has come to the end.
        mutating func drain() -> Bool {
            var chunk = [UInt8](repeating: 0, count: 4096)
            let count = read(output, &chunk, chunk.count)
            if count > 0 { text += chunk[..<count] }
            return count <= 0
        }

        mutating func wait() -> Int32 { end().status }

        /// Its status, and the time of processors it took.
        mutating func end() -> (status: Int32, processors: Duration) {
            while !drain() {}
            close(output)
            var (status, usage): (Int32, rusage) = (0, rusage())
            wait4(process, &status, 0, &usage)
            let seconds = usage.ru_utime.tv_sec + usage.ru_stime.tv_sec
            return (status, .seconds(seconds) + .microseconds(Int(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec)))
        }
    }

    func run(in namespace: NetworkNamespace? = nil) throws -> (status: Int32, output: String) {
        var running = try spawn(in: namespace)
        let status = running.wait()
        return (status, String(decoding: running.text, as: UTF8.self))
    }

    /// - Parameter namespace: a child is in the namespace of the thread that starts it.
    func spawn(in namespace: NetworkNamespace?) throws -> Running {
        guard let namespace else { return try spawn() }
        return try namespace.perform { () throws(KernelError) in
            do { return try spawn() } catch { throw KernelError(.inputOutput, "\(error)") }
        }
    }

    private func spawn() throws -> Running {
        var (forth, back): ([Int32], [Int32]) = ([0, 0], [0, 0])
        guard pipe(&forth) == 0, pipe(&back) == 0 else { throw CNIScene.Trouble(description: "pipe: errno \(errno)") }
        for end in forth + back { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, forth[0], 0)
        posix_spawn_file_actions_adddup2(&actions, back[1], 1)
        if let log { posix_spawn_file_actions_addopen(&actions, 2, log, O_WRONLY | O_CREAT | O_APPEND, 0o600) }
        var arguments = words.map { strdup($0) } + [nil]
        var variables = environment.map { strdup($0) } + [nil]
        defer { for text in arguments + variables { free(text) } }
        // The thread that has a namespace blocks all signals, and who is started would inherit that.
        var (attributes, none) = (posix_spawnattr_t(), sigset_t())
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var process: pid_t = 0
        let error = posix_spawn(&process, words[0], &actions, &attributes, &arguments, &variables)
        close(forth[0])
        close(back[1])
        guard error == 0 else { throw CNIScene.Trouble(description: "posix_spawn \(words[0]): errno \(error)") }
        if !input.isEmpty { _ = write(forth[1], input, input.utf8.count) }
        close(forth[1])
        return Running(process: process, output: back[0])
    }
}
