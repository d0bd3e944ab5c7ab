import Addressing
import CLinux
import DNS
import Glibc
import Netlink

/// A list of hosts as people have them, of 100,000 lines: read, held, asked, beside names of the cluster that change, and put in the
/// place of another; inside, and as processes beside dnsmasq with the same file.
enum HostsBenchmark {
    static func run(lines: Int, rounds: Int, seconds: Int) throws {
        try inside(lines)
        let directory = try Directory()
        defer { directory.remove() }
        try processes(lines, rounds, seconds, directory, try NameServerStage(directory))
    }

    /// - Parameter version: the second byte of the addresses, and the end of every tenth name.
    private static func text(_ lines: Int, version: Int) -> String {
        var text = ""
        for number in 0..<lines {
            text += "10.\(version + number >> 16).\(number >> 8 & 255).\(number & 255) \(name(number, version))\n"
        }
        return text
    }

    private static func name(_ number: Int, _ version: Int) -> String {
        "host-\(number).\(number % 10 == 0 ? "v\(version)" : "all").corp.example"
    }

    // MARK: Inside

    private static func inside(_ lines: Int) throws {
        var hosts = Hosts()
        for count in [lines / 5, lines] {
            let text = text(count, version: 0)
            var times: [Double] = []
            for _ in 0..<9 {
                let begin = NamePlanBenchmark.cpu
                hosts = try read(text)
                times.append((NamePlanBenchmark.cpu - begin) / .milliseconds(1))
            }
            clinux_trim_memory()
            let before = NamePlanBenchmark.resident
            let copies = try (0..<5).map { _ in try read(text) }
            clinux_trim_memory()
            let kept = (NamePlanBenchmark.resident - before) / copies.count
            precondition(copies.allSatisfy { $0 == hosts })
            print("\(count) lines with as many addresses: read in \(milliseconds(times)) of CPU, \(kept >> 10) KiB")
        }
        let zone = try DNSBenchmark.makeZone()
        for (what, hosts) in [("no hosts", Hosts()), ("\(lines) hosts", hosts)] {
            print("  one endpoint of the cluster more beside \(what): \(try DNSBenchmark.change(zone, beside: hosts, runs: 50))")
        }
        var zones = Zones([zone])
        zones.hosts = hosts
        for (what, type) in [("its address", RecordType.a), ("nothing of the type", .aaaa)] {
            let packets = try (0..<10_000).map { step in
                let question = Question(try DNSBenchmark.name(name(step * 7919 % lines, 0)), type)
                return Message.query(question, id: UInt16(truncatingIfNeeded: step), edns: EDNS(udpSize: 1232)).bytes()
            }
            let times = (0..<50).map { _ in DNSBenchmark.perQuery(packets, zones) }.sorted()
            print("  a host is asked for, \(what): median \(Int(times[25])) ns, p99 \(Int(times[49])) ns a query")
        }
    }

    private static func read(_ text: String) throws -> Hosts {
        var writer = HostsWriter()
        guard writer.read(text).isEmpty else { throw DNSBenchmark.Trouble("the benchmark's hosts have mistakes") }
        return writer.finished()
    }

    private static func milliseconds(_ times: [Double]) -> String {
        let sorted = times.sorted()
        return "\(Int(sorted[sorted.count / 2] + 0.5)) ms"
    }

    // MARK: Processes

    private static func processes(
        _ lines: Int, _ rounds: Int, _ seconds: Int, _ directory: Directory, _ stage: borrowing NameServerStage
    ) throws {
        let file = directory.file("hosts")
        try NameServerStage.write(text(lines, version: 0), file)
        var questions = ""
        for step in 0..<30_000 {
            let number = step * 7919 % lines
            if number % 10 != 0 { questions += "\(name(number, 0)) A\n" }
        }
        try NameServerStage.write(questions, directory.file("all"))
        for version in 0...1 {
            try NameServerStage.write("\(name(lines / 10 * 10 - 10, version)) A\n", directory.file("v\(version)"))
        }
        let servers = [try tulle(stage, directory, file), try dnsmasq(stage, directory, file)]
        defer { for server in servers { server.end() } }
        for server in servers {
            try stage.await(server)
            try require(stage, server.asked(directory.file("v0")), isThere: true)
            print("\(server.name): \(Int(server.cpu / .milliseconds(1))) ms of CPU until it answered")
        }
        var figures = servers.map { _ in NameServerBenchmark.Figures() }
        for _ in 0..<rounds {
            for (index, server) in servers.enumerated() {
                let before = server.cpu
                let load = try stage.load(server, seconds: seconds)
                figures[index].add((server.cpu - before) / .microseconds(1) / Double(load.completed), load)
            }
        }
        for (server, figures) in zip(servers, figures) { print("\(server.name): \(figures)   \(server.memory)") }
        print("tulle: \(figures[0].ratio(to: figures[1])) of dnsmasq's CPU for a query")
        var reloads = servers.map { _ in [Double]() }
        for version in [1, 0, 1, 0, 1] {
            try NameServerStage.write(text(lines, version: version), file)
            for (index, server) in servers.enumerated() {
                let before = server.cpu
                kill(server.process, SIGHUP)
                // It looks by itself meanwhile, once or twice.
                poll(nil, 0, 4000)
                reloads[index].append((server.cpu - before) / .milliseconds(1))
                try require(stage, server.asked(directory.file("v\(version)")), isThere: true)
                try require(stage, server.asked(directory.file("v\(1 - version)")), isThere: false)
            }
        }
        poll(nil, 0, 10_000)
        for (server, times) in zip(servers, reloads) {
            print("\(server.name): another list in \(milliseconds(times)) of CPU, at rest \(server.memory)")
        }
    }

    private static func require(_ stage: borrowing NameServerStage, _ server: NameServerStage.Server, isThere: Bool) throws {
        guard try stage.isThere(server) == isThere else {
            throw DNSBenchmark.Trouble(
                "\(server.name) \(isThere ? "does not have" : "still has") the name in \(server.questions)")
        }
    }

    private static func tulle(_ stage: borrowing NameServerStage, _ directory: Directory, _ file: String) throws
        -> NameServerStage.Server
    {
        try NameServerStage.write(
            "forward: {upstreams: []}\nhosts: {file: \(file)}\nrateLimit: false\n", directory.file("names.yaml"))
        try NameServerStage.write(
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: default}\n", directory.file("objects.yaml"))
        return try stage.start(
            "tulle", 5311,
            [
                try RoadAgent.program(), "dns", "serve", "--objects", directory.file("objects.yaml"), "--config",
                directory.file("names.yaml"), "--listen", "127.0.0.1", "--port", "5311", "--threads", "1", "--farewell", "0",
                "--health-address", "off", "--ready-address", "off", "--metrics-address", "off",
            ]
        ).asked(directory.file("all"))
    }

    private static func dnsmasq(_ stage: borrowing NameServerStage, _ directory: Directory, _ file: String) throws
        -> NameServerStage.Server
    {
        try stage.start(
            "dnsmasq", 5312,
            [
                "/usr/sbin/dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
                "--addn-hosts=\(file)", "--port=5312", "--listen-address=127.0.0.1", "--bind-interfaces", "--user=root",
                "--pid-file=\(directory.file("dnsmasq.pid"))", "--log-facility=\(directory.file("dnsmasq.log"))",
            ]
        ).asked(directory.file("all"))
    }
}
