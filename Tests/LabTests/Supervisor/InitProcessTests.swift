import Glibc
import Testing

@testable import Lab

@Suite("process 1 of a lab", .tags(.kernel), .enabled(if: kernelIsThere), .serialized, .timeLimit(.minutes(5)))
struct InitProcessTests {
    /// A directory named as a lab's, whose process 1 runs a shell.
    private final class Bench {
        let scratch: Scratch
        let lab: LabDirectory
        private let pod: String

        init() throws {
            scratch = try Scratch()
            lab = LabDirectory(scratch.path)
            pod = try programs() + "/tulle-pod"
        }

        deinit { try? lab.endProcesses() }

        func begin(_ script: String) throws -> Int32 {
            // Process 1 keeps our standard output: whoever waits for its end would wait for the end of all.
            let words = [
                "/bin/sh", "-c", "exec \"$@\" >/dev/null", "sh", pod, "init", "--lock", lab.lock, "--", "/bin/sh", "-c", script,
            ]
            return try ChildProcess("tulle-pod", words, log: scratch.path + "/log").finish(within: .seconds(10)).status
        }

        var said: String { Files.text(of: scratch.path + "/said") ?? "" }
    }

    @Test("it leaves its caller, holds the lock, and names itself to who asks; a second one is refused") func lock() throws {
        let bench = try Bench()
        let command = "echo $$ >> \(bench.scratch.path)/said; exec sleep 1000"
        #expect(try bench.begin(command) == 0)
        let process = try #require(bench.lab.runningProcess)
        #expect(Files.text(of: bench.lab.lock) == "\(process)\n")
        #expect(try bench.begin(command) == 3)
        try eventually("the command runs in a PID namespace of its own") { bench.said == "2\n" }
        try bench.lab.endProcesses()
        #expect(bench.lab.runningProcess == nil)
        #expect(kill(process, 0) != 0 || (Files.text(of: "/proc/\(process)/stat") ?? "").contains(") Z "))
    }

    @Test("a command that a signal ends is started again, one that exits is the end") func again() throws {
        let bench = try Bench()
        let said = bench.scratch.path + "/said"
        #expect(try bench.begin("echo run $TULLE_RESTARTS >> \(said); [ $TULLE_RESTARTS = 2 ] && exit 0; kill -9 $$") == 0)
        try eventually("it ended") { bench.lab.runningProcess == nil }
        #expect(bench.said == "run 0\nrun 1\nrun 2\n")
    }

    @Test("a signal to it is the command's end and its own", arguments: [SIGTERM, SIGINT, SIGHUP])
    func asked(_ signal: Int32) throws {
        let bench = try Bench()
        #expect(try bench.begin("echo run $TULLE_RESTARTS >> \(bench.scratch.path)/said; exec sleep 1000") == 0)
        try eventually("the command runs") { bench.said == "run 0\n" }
        kill(try #require(bench.lab.runningProcess), signal)
        try eventually("it ended") { bench.lab.runningProcess == nil }
        #expect(bench.said == "run 0\n", "it was not started again")
    }

    @Test("with the command everything that it left ends, before it is started again") func leftovers() throws {
        let bench = try Bench()
        let said = bench.scratch.path + "/said"
        // Counted without starting another process.
        let script = "set -- /proc/[0-9]*; echo $# >> \(said); [ $TULLE_RESTARTS = 1 ] && exit 0; sleep 1000 & kill -9 $$"
        #expect(try bench.begin(script) == 0)
        try eventually("it ended") { bench.lab.runningProcess == nil }
        let counts = bench.said.split(separator: "\n").compactMap { Int($0.filter(\.isNumber)) }
        #expect(counts.count == 2 && counts.first == counts.last, "\(bench.said)")
    }

    @Test(
        "a wrong command line is refused",
        arguments: [["init"], ["init", "--lock", "relative", "--", "true"], ["init", "--lock", "/tmp/a"], ["init", "--what"]])
    func refused(_ words: [String]) throws {
        let scratch = try Scratch()
        let pod = try programs() + "/tulle-pod"
        #expect(
            try ChildProcess("tulle-pod", [pod] + words, log: scratch.path + "/log").finish(within: .seconds(10)).status == 64)
    }
}

@Suite("tulle-pod ping", .tags(.kernel), .enabled(if: kernelIsThere), .timeLimit(.minutes(5)))
struct PodPingTests {
    @Test("both families are asked, and what does not answer is counted") func ping() throws {
        let pod = try programs() + "/tulle-pod"
        // Only lo is there.
        let tools = try Tools(directory: try programs())
        let holder = try Holder("ping", kinds: "net,uts,pid", tools: tools)
        defer { holder.end() }
        func ask(_ words: String...) throws -> (lines: [String], status: Int32) {
            let (output, status) = try ChildProcess("ping", [pod, "ping", "--join", "\(holder.identifier)"] + words)
                .finish(within: .seconds(20))
            return (output.split(separator: "\n").map(String.init), status)
        }
        let whole = try ask("127.0.0.1", "::1", "127.0.0.2")
        #expect(whole.status == 0 && whole.lines.count == 3)
        #expect(whole.lines.allSatisfy { $0.contains("sent=3 received=3") }, "\(whole.lines)")
        let half = try ask("--count", "2", "--timeout", "50", "--interval", "50", "192.0.2.1", "::1")
        #expect(half.status == 1)
        #expect(half.lines.first?.hasPrefix("192.0.2.1 sent=2 received=0") == true)
        #expect(half.lines.last?.hasPrefix("::1 sent=2 received=2") == true)
        #expect(try ask("example.org").status == 64)
        #expect(try ask().status == 64)
    }
}
