import Glibc
import KubeAPI
import Testing

@testable import Lab

@Suite("words for the agents of a lab", .tags(.kernel), .enabled(if: kernelIsThere), .serialized, .timeLimit(.minutes(5)))
struct LabAgentOptionTests {
    @Test(
        "what no agent would start with is refused in its words, before anything is made",
        arguments: [
            (["--no-such"], "--no-such"), (["--log-connections=some"], "log-connections"),
            (["--parts=roads"], "“roads” is no part"), (["--parts=policies"], "nodes of a lab become Ready by the part pods"),
            (["--parts", "overlay,services,dns"], "nodes of a lab become Ready by the part pods"),
            (["--metrics-address=x"], "an address and a port"), (["--vxlan-vni=7"], "--vxlan-vni goes with --backend vxlan"),
            (["word"], "word"), (["--log-connections"], "log-connections"), (["--dns-config=/no/such"], "cannot be read"),
            (["--node=n"], "for the lab itself to say"), (["--state", "/x"], "for the lab itself to say"),
            (["--backend=none"], "for the lab itself to say"), (["--help"], "for the lab itself to say"),
            (["--install-cni"], "outside the lab"), (["--flannel-env=/run/flannel/subnet.env"], "outside the lab"),
        ])
    func refused(_ words: [String], _ why: String) throws {
        let bench = try LabBench()
        let outcome = try bench.tulle(["up"] + words.flatMap { ["--agent-option", $0] })
        #expect(outcome.status == 64 && outcome.error.contains(why), "\(outcome.error)")
        #expect(access(bench.lab.path, F_OK) != 0)
    }

    @Test("every agent has them: one that starts again, one of a node that is added, and those of a lab that comes up again")
    func kept() throws {
        let bench = try LabBench()
        try bench.up(
            "--nodes", "1", "--backend", "vxlan", "--agent-option=--vxlan-vni", "--agent-option=7", "--agent-option",
            "--no-cut-connections")
        func agent(of node: String) throws -> Int32? {
            let line = try bench.tulle("status").lines.first { $0.hasPrefix("agent of \(node) ") } ?? ""
            return line.split(separator: " ").dropFirst(3).first.flatMap { Int32($0) }
        }
        func isTold(_ node: String) throws -> Bool {
            let line = try agent(of: node).flatMap { Files.text(of: "/proc/\($0)/cmdline") } ?? ""
            return line.replacing("\0", with: " ").contains(" --vxlan-vni 7 --no-cut-connections ")
        }
        #expect(try isTold("node-1"))
        let first = try #require(try agent(of: "node-1"))
        kill(first, SIGKILL)
        try eventually("the agent runs again, told the same") { try agent(of: "node-1") != first && isTold("node-1") }
        let added = try bench.run(["\(try programs())/tulle", "lab", "node", "add", "--directory", bench.lab.path])
        #expect(added.status == 0, "\(added.error)")
        #expect(try isTold("node-2"))
        let link = try bench.tulle("node", "node-2", "--", "ip", "-d", "link", "show", "dev", "tulle4")
        #expect(link.output.contains(" id 7 "), "\(link)")

        // What they were told does not go with every backend.
        let refused = try bench.tulle("backend", "host-gw")
        #expect(refused.status == 64 && refused.error.contains("--vxlan-vni goes with --backend vxlan"), "\(refused.error)")
        #expect(try bench.tulle("backend", "vxlan", "--vxlan-direct-routing").status == 0)
        try eventually("the agents are told the same") { try isTold("node-1") && isTold("node-2") }

        kill(try #require(bench.lab.runningProcess), SIGKILL)
        try eventually("it has stopped") { bench.lab.runningProcess == nil }
        let other = try bench.tulle("up", "--agent-option=--no-cut-connections")
        #expect(other.status == 64 && other.error.contains("made with other settings"), "\(other.error)")
        try bench.up()
        try eventually("the agents are told the same") { try isTold("node-1") && isTold("node-2") }
        try bench.downToNothing()
    }

    // The path of the program is no user's business, and a command that is not there was told of by its name alone.
    @Test("a pod has the program that asks at hand, and a command that is not there is told of as one") func atHand() throws {
        let bench = try LabBench()
        try bench.up("--nodes", "1", "--pods", "1")
        try bench.untilReady(pods: 1)
        let pod = try bench.podName
        let answer = try bench.tulle("exec", pod, "--", "tulle-pod", "ask", "--tcp", "127.0.0.1", "80")
        #expect(answer.status == 0 && answer.output.contains("pod=\(pod) "), "\(answer)")
        #expect(try bench.tulle("exec", pod, "--", "sh", "-c", "command -v tulle-pod && tulle dns query --help").status == 0)
        let refused = try bench.tulle("exec", pod, "--", "tulle-pod", "ask", "--tcp", "127.0.0.1", "9")
        #expect(refused.status == 1 && refused.error.hasPrefix("tulle-pod: connecting to 127.0.0.1"), "\(refused)")
        let absent = try bench.tulle("exec", pod, "--", "no-such-program")
        #expect(
            absent.status == 127 && absent.error == "tulle-pod: running no-such-program: No such file or directory\n", "\(absent)"
        )
        try bench.downToNothing()
    }
}
