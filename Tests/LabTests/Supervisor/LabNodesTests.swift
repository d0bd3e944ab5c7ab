import Glibc
import KubeAPI
import Testing

@testable import Lab

@Suite("a lab's nodes, parts and store", .tags(.kernel), .enabled(if: kernelIsThere), .serialized, .timeLimit(.minutes(5)))
struct LabNodesTests {
    private func node(_ bench: LabBench, _ verb: String, _ words: String...) throws -> LabBench.Outcome {
        try bench.run(["\(try programs())/tulle", "lab", "node", verb, "--directory", bench.lab.path] + words)
    }

    private func nodes(_ bench: LabBench) throws -> [String] {
        (try bench.status["nodes"]?.array ?? []).map { node in
            ([node["name"]] + (node["addresses"]?.array ?? [])).compactMap { $0?.string }.joined(separator: " ")
        }
    }

    @Test("nodes come and go, and the lab comes up again with those that it had") func nodesComeAndGo() throws {
        let bench = try LabBench()
        try bench.up("--nodes", "2", "--families", "ipv4")
        #expect(try node(bench, "add").output == "node-3 172.30.0.13\n")
        #expect(try node(bench, "remove", "node-2").status == 0)
        // What somebody took away is no hindrance.
        #expect(try bench.tulle("node", "node-1", "--", "ip", "address", "flush", "dev", "eth0").status == 0)
        let moved = try node(bench, "renumber", "node-1")
        #expect(moved.output == "node-1 172.30.0.111\n", "\(moved.error)")
        try bench.eventually("the nodes are where they were put") { _ in
            (try? nodes(bench)) == ["node-1 172.30.0.111", "node-3 172.30.0.13"]
        }
        for outcome in [
            try node(bench, "remove", "node-2"), try node(bench, "renumber", "node-9"),
            try bench.tulle("node", "node-2", "--", "true"),
        ] {
            #expect(outcome.status == 5 && outcome.error.contains("there are node-1, node-3"), "\(outcome.error)")
        }
        // When it returns, the roads are made.
        #expect(try bench.tulle("backend", "vxlan").status == 0)
        for name in ["node-1", "node-3"] {
            let roads = try bench.tulle("node", name, "--", "ip", "route", "show", "proto", "84").output
            #expect(roads.contains("dev tulle4"), "\(name): \(roads)")
        }
        #expect(try node(bench, "add", "web").status == 64)
        #expect(try node(bench, "add", "node-3").error.contains("there is a node node-3"))
        #expect(try bench.tulle("node", "node-3", "--", "hostname").output == "node-3\n")
        #expect(try node(bench, "run", "node-3", "--", "hostname").output == "node-3\n")

        let early = try bench.tulle("node", "add")
        #expect(early.status == 64 && early.error.contains("tulle lab node add --directory"), "\(early.error)")

        kill(try #require(bench.lab.runningProcess), SIGKILL)
        try eventually("it has stopped") { bench.lab.runningProcess == nil }
        try bench.up()
        #expect(try nodes(bench) == ["node-1 172.30.0.111", "node-3 172.30.0.13"])
        try bench.downToNothing()
    }

    @Test("another backend is every agent's, and what makes no roads is refused") func backend() throws {
        let bench = try LabBench()
        try bench.up("--nodes", "2", "--segments", "2", "--backend", "vxlan")
        let refused = try bench.tulle("backend", "host-gw")
        #expect(refused.status == 64 && refused.error.contains("lets no pod's address pass"), "\(refused.error)")
        #expect(try bench.tulle("backend", "vxlan", "--vxlan-direct-routing").status == 0)
        let parts = try bench.status["parts"]?.array ?? []
        let agents = parts.filter { $0["name"]?.string?.hasPrefix("agent") == true }
        #expect(agents.map { $0["restarts"]?.integer } == [1, 1])
        try bench.downToNothing()
    }

    // It was the number of a program that only waits for the agent.
    @Test("the process that is told of an agent is the agent's, and how the last one ended is told too") func process() throws {
        let bench = try LabBench()
        try bench.up("--nodes", "1")
        func shown() throws -> (process: Int32, line: String)? {
            let line = try bench.tulle("status").lines.first { $0.hasPrefix("agent of node-1") } ?? ""
            return line.split(separator: " ").dropFirst(3).first.flatMap { Int32($0) }.map { ($0, line) }
        }
        let first = try #require(try shown())
        let words = (Files.text(of: "/proc/\(first.process)/cmdline") ?? "").split(separator: "\0")
        #expect(words.first?.hasSuffix("/tulle") == true && words.dropFirst().first == "agent", "\(words)")
        kill(first.process, SIGKILL)
        try eventually("it runs again, and why is told") {
            guard let now = try shown() else { return false }
            return now.process != first.process && now.line.contains("1 (signal 9)")
        }
        try bench.downToNothing()
    }

    @Test("objects that cannot be read are said at once, with what takes them away") func brokenStore() throws {
        let bench = try LabBench()
        try bench.up("--nodes", "1")
        kill(try #require(bench.lab.runningProcess), SIGKILL)
        try eventually("it has stopped") { bench.lab.runningProcess == nil }
        for name in ["api.db-wal", "api.db-shm"] { unlink(bench.lab.path + "/" + name) }
        try Files.write(String(repeating: "no database ", count: 2000).utf8, to: bench.lab.path + "/api.db")
        let outcome = try bench.tulle("up")
        #expect(outcome.status == 73, "\(outcome.error)")
        #expect(outcome.error.contains("objects cannot be read"), "\(outcome.error)")
        #expect(outcome.error.contains("tulle lab down --directory \(bench.lab.path)"), "\(outcome.error)")
        // No try after the first: it would be no better.
        let log = Files.text(of: bench.lab.serverLog) ?? ""
        #expect(log.split(separator: "\n").count { $0.contains("the API server ends") } == 1, "\(log)")
        #expect(try bench.tulle("down").status == 0)
    }
}
