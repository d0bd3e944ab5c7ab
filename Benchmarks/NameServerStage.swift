import CLinux
import DNS
import Glibc
import Netlink

/// A namespace with nothing but loopback, in which servers of names and their clients run, each on its processor.
struct NameServerStage {
    private let directory: Directory
    let namespace: NetworkNamespace
    private let zone: Zone
    /// Files of questions: of names in the cluster, and outside.
    let inside: String
    let outside: String

    /// The domain of the names outside.
    static let outside = "example.org"

    struct Trouble: Error, CustomStringConvertible { var description: String }

    init(_ directory: Directory) throws {
        self.directory = directory
        namespace = try NetworkNamespace.new()
        try namespace.perform { () throws(KernelError) in
            if clinux_loopback_up() < 0 { throw KernelError(Errno(rawValue: errno), "set lo up") }
        }
        zone = try DNSBenchmark.makeZone()
        (inside, outside) = (directory.file("inside"), directory.file("outside"))
        try Self.write(Self.questions { "ns-\($0 % 100).svc.cluster.local" }, inside)
        try Self.write(Self.questions { "ns-\($0 % 100).svc.\(Self.outside)" }, outside)
    }

    /// In an order that no cache likes; four kinds, as pods ask them.
    ///
    /// - Parameter place: what the name of each service stands below.
    static func questions(below place: (Int) -> String) -> String {
        var lines = ""
        for step in 0..<DNSBenchmark.services {
            let number = step * 7919 % DNSBenchmark.services
            let service = "service-\(number).\(place(number))"
            lines += "\(service) A\n\(service) AAAA\nwww-\(number).example.org.\(place(number)) A\n"
        }
        return lines
    }

    static func write(_ text: String, _ path: String) throws {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        defer { close(file) }
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            if count <= 0 { throw Trouble(description: "write \(path): errno \(errno)") }
            rest = rest.dropFirst(count)
        }
    }

    static func read(_ path: String) throws -> String { try Call(["/bin/cat", path]).run().output }
}

// MARK: - Servers

extension NameServerStage {
    struct Server {
        let name: String
        let port: Int
        let process: pid_t
        /// The file of questions that it is asked.
        var questions: String

        /// The same process, asked something else.
        func asked(_ questions: String) -> Server { Server(name: name, port: port, process: process, questions: questions) }

        func end() {
            kill(process, SIGTERM)
            waitpid(process, nil, 0)
        }

        /// What it has used so far, in the program and in the kernel for it.
        var cpu: Duration {
            var clock = clockid_t()
            guard clock_getcpuclockid(process, &clock) == 0 else { return .zero }
            return .nanoseconds(clinux_clock(clock))
        }

        var memory: String {
            let text = (try? Call(["/bin/cat", "/proc/\(process)/status"]).run().output) ?? ""
            for line in text.split(separator: "\n") where line.hasPrefix("VmRSS:") {
                return "\((line.split { !$0.isNumber }.first.flatMap { Int($0) } ?? 0) / 1024) MiB"
            }
            return "no memory known"
        }
    }

    /// This program again, as a server.
    func own(_ role: String, port: Int, _ more: [String] = []) throws -> Server {
        try start(role, port, [try RoadAgent.program("tulle-bench"), NameServerBenchmark.name, role, "\(port)"] + more)
    }

    /// Asks somebody for everything, and remembers it.
    func unbound(port: Int, upstream: Int) throws -> Server {
        let settings = """
            server:
              directory: "\(directory.path)"
              chroot: ""
              username: ""
              pidfile: ""
              use-syslog: no
              interface: 127.0.0.1@\(port)
              do-daemonize: no
              num-threads: 1
              do-not-query-localhost: no
              module-config: "iterator"
              msg-cache-size: 64m
              rrset-cache-size: 128m
            remote-control:
              control-enable: no
            forward-zone:
              name: "."
              forward-addr: 127.0.0.1@\(upstream)

            """
        try Self.write(settings, directory.file("unbound.conf"))
        return try start("unbound", port, ["/usr/sbin/unbound", "-d", "-c", directory.file("unbound.conf")])
    }

    func knot(port: Int) throws -> Server {
        var file = "$ORIGIN .\n"
        for record in zone.records { file += "\(record)\n" }
        try Self.write(file, directory.file("zone"))
        let settings = """
            server:
              rundir: "\(directory.path)"
              listen: 127.0.0.1@\(port)
              udp-workers: 1
              tcp-workers: 1
              background-workers: 1
            database:
              storage: "\(directory.file("knot"))"
            log:
              - target: stderr
                any: warning
            zone:
              - domain: cluster.local
                file: "\(directory.file("zone"))"
                zonefile-sync: -1
                journal-content: none

            """
        try Self.write(settings, directory.file("knot.conf"))
        return try start("Knot", port, ["/usr/sbin/knotd", "-c", directory.file("knot.conf")])
    }

    func start(_ name: String, _ port: Int, _ words: [String]) throws -> Server {
        let running = try Call(["/usr/bin/taskset", "-c", "0"] + words, log: directory.file("log")).spawn(in: namespace)
        close(running.output)
        return Server(name: name, port: port, process: running.process, questions: inside)
    }

    /// Until it answers, at most a minute.
    func await(_ server: Server) throws {
        for _ in 0..<120 {
            let words = [
                "/usr/bin/dnsperf", "-p", "\(server.port)", "-s", "127.0.0.1", "-d", server.questions, "-q", "1", "-Q", "10",
                "-t", "1", "-l", "1",
            ]
            if try report(words).completed > 0 { return }
            usleep(200_000)
        }
        throw Trouble(description: "\(server.name) does not answer")
    }
}

// MARK: - Load

extension NameServerStage {
    struct Load {
        var completed = 0
        var lost = 0
        var rate = 0
    }

    /// Whether a server has the one name that it is asked.
    func isThere(_ server: Server) throws -> Bool {
        let words = ["-p", "\(server.port)", "-s", "127.0.0.1", "-d", server.questions, "-n", "1", "-v"]
        return try Call(["/usr/bin/dnsperf"] + words).run(in: namespace).output.contains("> NOERROR")
    }

    /// - Parameter rate: queries a second; `nil`: as many as go.
    func load(_ server: Server, seconds: Int, rate: Int? = nil) throws -> Load {
        let limit = rate.map { ["-Q", "\($0)"] } ?? []
        let load = try report(words(server, seconds) + limit)
        guard load.completed > 0 else { throw Trouble(description: "\(server.name) answered nothing") }
        return load
    }

    /// Every question once, twice over: what got lost is asked for again.
    func warm(_ server: Server) throws {
        for _ in 0..<2 {
            let words = [
                "-p", "\(server.port)", "-s", "127.0.0.1", "-d", server.questions, "-e", "-q", "50", "-n", "1", "-t", "2",
            ]
            _ = try report(["/usr/bin/taskset", "-c", "1", "/usr/bin/dnsperf"] + words)
        }
    }

    /// As ``NameServerAsker`` sees it.
    func latency(_ server: Server, rate: Int, seconds: Int) throws -> NameServerAsker.Report {
        let words = [
            "/usr/bin/taskset", "-c", "1", try RoadAgent.program("tulle-bench"), NameServerBenchmark.name, "ask",
            "\(server.port)",
            "\(rate)", "\(seconds)", server.questions,
        ]
        let output = try Call(words).run(in: namespace).output
        guard let report = NameServerAsker.Report(output) else { throw Trouble(description: "the asker told nothing: \(output)") }
        return report
    }

    /// As dnsperf sees it: in microseconds, ascending.
    func latencies(_ server: Server, rate: Int, seconds: Int) throws -> [Int] {
        let output = try Call(words(server, seconds) + ["-Q", "\(rate)", "-v"]).run(in: namespace).output
        var times: [Int] = []
        for line in output.split(separator: "\n") where line.hasPrefix("> ") {
            if let time = line.split(separator: " ").last.flatMap({ Double($0) }) { times.append(Int(time * 1e6)) }
        }
        if times.isEmpty { throw Trouble(description: "dnsperf told no times:\n\(output.prefix(500))") }
        return times.sorted()
    }

    /// The same, without waiting for its end: ``endLoad(_:)`` does.
    func beginLoad(_ server: Server, seconds: Int, rate: Int, in namespace: NetworkNamespace) throws -> Call.Running {
        try Call(words(server, seconds) + ["-Q", "\(rate)"]).spawn(in: namespace)
    }

    func endLoad(_ running: Call.Running) throws -> Load {
        var running = running
        _ = running.wait()
        let load = Load(String(decoding: running.text, as: UTF8.self))
        guard load.completed > 0 else { throw Trouble(description: "nothing was answered") }
        return load
    }

    private func words(_ server: Server, _ seconds: Int) -> [String] {
        [
            "/usr/bin/taskset", "-c", "1", "/usr/bin/dnsperf", "-p", "\(server.port)", "-s", "127.0.0.1", "-d", server.questions,
            "-e",
            "-c", "8", "-T", "1", "-q", "400", "-l", "\(seconds)",
        ]
    }

    private func report(_ words: [String]) throws -> Load { Load(try Call(words).run(in: namespace).output) }
}

extension NameServerStage.Load {
    /// Reads what dnsperf says at its end.
    init(_ output: String) {
        for line in output.split(separator: "\n") {
            let parts = line.split(separator: ":").map { $0.trimmed }
            guard parts.count == 2, let number = parts[1].split(whereSeparator: { !$0.isNumber }).first.flatMap({ Int($0) })
            else { continue }
            switch parts[0] {
            case "Queries completed": completed = number
            case "Queries lost": lost = number
            case "Queries per second": rate = number
            default: break
            }
        }
    }
}

extension Substring {
    fileprivate var trimmed: Substring {
        drop { $0 == " " }.reversed().drop { $0 == " " }.reversed().reduce(into: "") { $0.append($1) }
    }
}
