import CLinux
import DNS
import Glibc
import Netlink

/// A namespace with nothing but loopback, in which servers of names and their clients run, each on its processor.
struct NameServerStage {
    private let directory: Directory
    private let namespace: NetworkNamespace
    private let zone: Zone
    private let questions: String

    struct Trouble: Error, CustomStringConvertible { var description: String }

    init(_ directory: Directory) throws {
        self.directory = directory
        namespace = try NetworkNamespace.new()
        try namespace.perform { () throws(KernelError) in
            if clinux_loopback_up() < 0 { throw KernelError(Errno(rawValue: errno), "set lo up") }
        }
        zone = try DNSBenchmark.makeZone()
        questions = directory.file("questions")
        var lines = ""
        // In an order that no cache likes; four kinds, as pods ask them.
        for step in 0..<DNSBenchmark.services {
            let number = step * 7919 % DNSBenchmark.services
            let service = "service-\(number).ns-\(number % 100).svc.cluster.local"
            lines += "\(service) A\n\(service) AAAA\nwww-\(number).example.org.ns-\(number % 100).svc.cluster.local A\n"
        }
        try Self.write(lines, questions)
    }

    private static func write(_ text: String, _ path: String) throws {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        defer { close(file) }
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            if count <= 0 { throw Trouble(description: "write \(path): errno \(errno)") }
            rest = rest.dropFirst(count)
        }
    }
}

// MARK: - Servers

extension NameServerStage {
    struct Server {
        let name: String
        let port: Int
        let process: pid_t

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
    func own(_ role: String, port: Int) throws -> Server {
        let program = try Call(["/usr/bin/readlink", "/proc/\(getpid())/exe"]).run().output.filter { $0 != "\n" }
        return try start(role, port, [program, NameServerBenchmark.name, role, "\(port)"])
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

    private func start(_ name: String, _ port: Int, _ words: [String]) throws -> Server {
        let running = try Call(["/usr/bin/taskset", "-c", "0"] + words, log: directory.file("log")).spawn(in: namespace)
        close(running.output)
        return Server(name: name, port: port, process: running.process)
    }

    /// Until it answers, at most a minute.
    func await(_ server: Server) throws {
        for _ in 0..<120 {
            let words = [
                "/usr/bin/dnsperf", "-p", "\(server.port)", "-s", "127.0.0.1", "-d", questions, "-q", "1", "-Q", "10", "-t", "1",
                "-l", "1",
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

    /// - Parameter rate: queries a second; `nil`: as many as go.
    func load(_ server: Server, seconds: Int, rate: Int? = nil) throws -> Load {
        let limit = rate.map { ["-Q", "\($0)"] } ?? []
        let load = try report(words(server, seconds) + limit)
        guard load.completed > 0 else { throw Trouble(description: "\(server.name) answered nothing") }
        return load
    }

    /// In microseconds, ascending.
    func latencies(_ server: Server, rate: Int, seconds: Int) throws -> [Int] {
        let output = try Call(words(server, seconds) + ["-Q", "\(rate)", "-v"]).run(in: namespace).output
        var times: [Int] = []
        for line in output.split(separator: "\n") where line.hasPrefix("> ") {
            if let time = line.split(separator: " ").last.flatMap({ Double($0) }) { times.append(Int(time * 1e6)) }
        }
        if times.isEmpty { throw Trouble(description: "dnsperf told no times:\n\(output.prefix(500))") }
        return times.sorted()
    }

    private func words(_ server: Server, _ seconds: Int) -> [String] {
        [
            "/usr/bin/taskset", "-c", "1", "/usr/bin/dnsperf", "-p", "\(server.port)", "-s", "127.0.0.1", "-d", questions, "-e",
            "-c", "8", "-T", "1", "-q", "400", "-l", "\(seconds)",
        ]
    }

    private func report(_ words: [String]) throws -> Load {
        let output = try Call(words).run(in: namespace).output
        var load = Load()
        for line in output.split(separator: "\n") {
            let parts = line.split(separator: ":").map { $0.trimmed }
            guard parts.count == 2, let number = parts[1].split(whereSeparator: { !$0.isNumber }).first.flatMap({ Int($0) })
            else { continue }
            switch parts[0] {
            case "Queries completed": load.completed = number
            case "Queries lost": load.lost = number
            case "Queries per second": load.rate = number
            default: break
            }
        }
        return load
    }
}

extension Substring {
    fileprivate var trimmed: Substring {
        drop { $0 == " " }.reversed().drop { $0 == " " }.reversed().reduce(into: "") { $0.append($1) }
    }
}
