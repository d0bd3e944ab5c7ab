import Addressing
import Glibc
import KubeAPI
import Testing

@testable import Lab

@Suite("a lab on bad days", .tags(.kernel), .enabled(if: kernelIsThere), .serialized, .timeLimit(.minutes(5)))
struct LabBadDaysTests {
    /// Every kind of process that a lab is made of.
    enum Victim: String, CaseIterable, CustomTestStringConvertible {
        case supervisor, server, agent, fabric, node, sandbox, container, program

        var testDescription: String { rawValue }

        /// Its end is the end of the supervisor, which makes everything again.
        var takesAllAlong: Bool { [.supervisor, .fabric, .node].contains(self) }

        func process(in bench: LabBench) throws -> Int32 {
            switch self {
            case .supervisor: try bench.process("supervisor")
            case .server: try bench.process("API server")
            case .agent: try bench.process("agent of node-2")
            case .fabric: try bench.process(saying: "pause", "--new", "net,uts,pid", "--hostname", "fabric")
            case .node: try bench.process(saying: "pause", "--new", "net,uts,pid", "--hostname", "node-1")
            case .sandbox: try bench.process(saying: "pause", "--new", "net,uts,ipc,pid", "--hostname", "echo-")
            case .container: try bench.process(saying: "tulle-pod", "container", "--join")
            case .program: try bench.process(saying: "tulle-pod", "echo", "--name", "echo-")
            }
        }
    }

    @Test("whatever is killed comes back, with the objects as they were, and pods reach each other") func kills() throws {
        let bench = try LabBench()
        try bench.up("--nodes", "2", "--pods", "2", "--families", "ipv4")
        try bench.untilReady(pods: 2)
        for victim in Victim.allCases {
            let restarts = try bench.restarts
            let process = try victim.process(in: bench)
            kill(process, SIGKILL)
            try bench.eventually("\(victim) is noticed") { status in
                switch victim {
                case .supervisor, .fabric, .node: bench.restarts(of: "supervisor", in: status) > restarts["supervisor"] ?? 0
                case .server: bench.restarts(of: "API server", in: status) > restarts["API server"] ?? 0
                case .agent: bench.restarts(of: "agent of node-2", in: status) > restarts["agent of node-2"] ?? 0
                case .sandbox, .container, .program: kill(process, 0) != 0
                }
            }
            try bench.untilOpen(pods: 2, after: "\(victim) was killed")
        }
        try bench.downToNothing()
    }

    @Test("a lab of which something was killed a moment ago is taken down like any other", arguments: Victim.allCases)
    func downAfterKill(_ victim: Victim) throws {
        let bench = try LabBench()
        let before = try HostFingerprint()
        try bench.up("--nodes", "2", "--pods", "1", "--families", "ipv4")
        try bench.untilReady(pods: 1)
        kill(try victim.process(in: bench), SIGKILL)
        try bench.downToNothing()
        #expect(try HostFingerprint().changes(since: before) == [])
    }

    @Test("a lab whose first process was killed has stopped; up starts it with its objects and its port") func resumed() throws {
        let bench = try LabBench()
        try bench.up("--nodes", "1", "--pods", "2")
        let (server, namespaces) = (try bench.status["server"], bench.namespaces)
        kill(try #require(bench.lab.runningProcess), SIGKILL)
        try eventually("everything has ended") { bench.processes.isEmpty && namespaces.inUse.isEmpty }
        #expect(try bench.tulle("status").status == 4)
        let other = try bench.tulle("up", "--nodes", "3")
        #expect(other.status == 64 && other.error.contains("other settings"), "\(other.error)")
        let again = try bench.tulle("up")
        #expect(again.status == 0 && again.output.contains("up again"), "\(again.error)")
        try bench.untilReady(pods: 2)
        #expect(try bench.status["server"] == server)
    }

    @Test("a lab whose directory was removed is taken down all the same") func lost() throws {
        let bench = try LabBench()
        try bench.up("--nodes", "1", "--pods", "1")
        Files.remove(bench.lab.path)
        #expect(!bench.processes.isEmpty)
        #expect(try bench.tulle("down").status == 0)
        #expect(bench.processes == [])
    }

    @Test("a lab whose settings are damaged says so, and is taken down all the same", arguments: ["", "{}", "{\"nodes\":"])
    func damaged(_ text: String) throws {
        let bench = try LabBench()
        try bench.lab.make(for: LabSettings())
        try Files.write(text.utf8, to: bench.lab.path + "/lab.json")
        let outcome = try bench.tulle("up")
        #expect(outcome.status == 73 && outcome.error.contains("tulle lab down"), "\(outcome.error)")
        try bench.downToNothing()
    }

    @Test(
        "an interruption at any step takes everything down",
        arguments: [(SIGINT, 0), (SIGINT, 2), (SIGTERM, 1), (SIGTERM, 3), (SIGHUP, 0)])
    func interrupted(signal: Int32, steps: Int) throws {
        let bench = try LabBench()
        let before = try HostFingerprint()
        let process = try bench.start("up", "--nodes", "2", "--pods", "1")
        for _ in 0...steps { _ = try process.line(within: .seconds(30)) }
        kill(process.identifier, signal)
        #expect(try process.finish(within: .seconds(30)).status == 130)
        #expect(access(bench.lab.path, F_OK) != 0)
        #expect(bench.processes == [])
        #expect(try HostFingerprint().changes(since: before) == [])
    }

    @Test("up that is killed at any step can be done again, or the lab is up without it", arguments: 0...5)
    func killed(steps: Int) throws {
        let bench = try LabBench()
        let before = try HostFingerprint()
        let process = try bench.start("up", "--nodes", "2", "--pods", "1")
        // Before the first step nothing, or a directory, or a process is there.
        for _ in 0..<steps { _ = try process.line(within: .seconds(30)) }
        kill(process.identifier, SIGKILL)
        _ = try? process.finish(within: .seconds(30))
        let again = try bench.tulle("up", "--nodes", "2", "--pods", "1")
        #expect([0, 3].contains(again.status), "\(again.error)")
        try bench.untilReady(pods: 1)
        try bench.downToNothing()
        #expect(try HostFingerprint().changes(since: before) == [])
    }

    @Test("up that is killed at any step can be taken down", arguments: 0...5) func killedThenDown(steps: Int) throws {
        let bench = try LabBench()
        let before = try HostFingerprint()
        let process = try bench.start("up", "--nodes", "2", "--pods", "1")
        for _ in 0..<steps { _ = try process.line(within: .seconds(30)) }
        kill(process.identifier, SIGKILL)
        _ = try? process.finish(within: .seconds(30))
        try bench.downToNothing()
        #expect(try HostFingerprint().changes(since: before) == [])
    }

    @Test("down while a lab comes up takes it down, and up says so") func crossed() throws {
        let bench = try LabBench()
        let process = try bench.start("up", "--nodes", "2")
        _ = try process.line(within: .seconds(30))
        let namespaces = bench.namespaces
        #expect(try bench.tulle("down").status == 0)
        #expect(try process.finish(within: .seconds(30)).status == 1)
        #expect(namespaces.inUse == [])
        #expect(access(bench.lab.path, F_OK) != 0)
        #expect(bench.processes == [])
    }

    @Test("readers of logs who do not read hold up nobody else") func stalledReaders() throws {
        let bench = try LabBench()
        try bench.up("--nodes", "1", "--pods", "1", "--families", "ipv4")
        try bench.untilReady(pods: 1)
        let pod = try bench.podName
        let filled = try bench.tulle("exec", pod, "--", "sh", "-c", "yes 'a line' | head -n 100000 >/proc/1/fd/1")
        #expect(filled.status == 0, "\(filled.error)")
        // More readers than threads that wait for blocking work, and more to read than the pipes on the way hold.
        let readers = try (0..<6).map { _ in try bench.start("logs", pod) }
        for reader in readers { #expect(try reader.line(within: .seconds(30)) == "listening tcp 80") }
        #expect(try bench.tulle("status").status == 0)
        #expect(try bench.tulle("exec", pod, "--", "true").status == 0)
        for reader in readers { #expect(try reader.finish(within: .seconds(30)).output.utf8.count > 131_072) }
    }
}
