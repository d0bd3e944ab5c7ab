import Addressing
import Glibc
import KubeAPI
import Testing

@testable import Lab

@Suite("commands of a lab that cannot be done", .tags(.kernel), .enabled(if: kernelIsThere), .serialized, .timeLimit(.minutes(5)))
struct LabCommandTests {
    /// One line that names the command.
    private func isOneLine(_ outcome: LabBench.Outcome, of command: String) -> Bool {
        outcome.error.hasPrefix("tulle lab \(command): ") && outcome.error.split(separator: "\n").count == 1
    }

    @Test(
        "a wrong option is named, before anything is made",
        arguments: [
            ("--nodes", "0", "--nodes 0: from 1 to 100"), ("--nodes", "101", "--nodes 101"), ("--nodes", "three", "'three'"),
            ("--backend", "wireguard", "host-gw"), ("--families", "ipv5", "families"),
            ("--pod-cidr", "10.96.0.0/12", "overlap"), ("--pod-cidr", "10.244.0.0/28", "no room for 3 nodes"),
            ("--pod-cidr", "10.244.0.0", "no prefix"), ("--pod-cidr", "10.244.0.1/16", "no prefix"),
            ("--pod-cidr", "10.1.0.0/16,10.2.0.0/16", "one prefix of IPv4"), ("--pod-cidr", "", "Missing value"),
            ("--pod-cidr", "127.0.0.0/16", "loopback"), ("--pod-cidr", "169.254.0.0/16", "link-local"),
            ("--pod-cidr", "224.0.0.0/16", "multicast"), ("--pod-cidr", "fd00::/8", "its length"),
            ("--service-cidr", "10.96.0.0/8", "length"), ("--service-cidr", "10.244.0.0/16", "overlap"),
            ("--service-cidr", "fe80::/112", "link-local"), ("--image", "web", "PATTERN=COMMAND"),
            ("--image", "=echo", "pattern"), ("--image", "web=", "PATTERN=COMMAND"),
            ("--pods", "-1", "pods"), ("--pods", "1001", "--pods 1001"), ("--name", "No", "--name"), ("--name", "", "--name"),
            ("--port", "65536", "port"), ("--port", "-1", "port"), ("--directory", "", "Missing value"),
            ("--what", "1", "--what"),
        ])
    func options(_ option: String, _ value: String, _ words: String) throws {
        let bench = try LabBench()
        // In one word: a value may begin with a hyphen.
        let outcome = try bench.tulle("up", "\(option)=\(value)")
        #expect(outcome.status == 64 && outcome.error.contains(words), "\(outcome.error)")
        #expect(access(bench.lab.path, F_OK) != 0)
    }

    @Test(
        "without root each command says so in one line, and does nothing",
        arguments: [
            ["up"], ["down"], ["status"], ["ping"], ["kubeconfig"], ["logs", "web"], ["exec", "web", "--", "true"],
            ["node", "node-1", "--", "true"],
        ])
    func root(_ words: [String]) throws {
        let bench = try LabBench()
        let tulle = try programs() + "/tulle"
        let outcome = try bench.run(["/usr/bin/setpriv", "--reuid", "65534", "--clear-groups", tulle, "lab"] + words)
        #expect(outcome.status == 77, "\(outcome.error)")
        #expect(outcome.error.split(separator: "\n").count == 1 && outcome.error.contains("sudo"), "\(outcome.error)")
    }

    @Test(
        "where no lab is up each command says so in one line, with how to start one",
        arguments: [
            ["status"], ["ping"], ["kubeconfig"], ["logs", "web"], ["exec", "web", "--", "true"],
            ["node", "node-1", "--", "true"],
        ])
    func notUp(_ words: [String]) throws {
        let bench = try LabBench()
        let outcome = try bench.tulle(words)
        #expect(outcome.status == 4 && isOneLine(outcome, of: words[0]), "\(outcome.error)")
        #expect(outcome.error.contains("tulle lab up --directory \(bench.lab.path)"), "\(outcome.error)")
    }

    @Test("by a name that no lab has, the labs that are up are named") func unknownName() throws {
        let bench = try LabBench()
        let tulle = try programs() + "/tulle"
        let name = "test-\(getpid())-named"
        let lab = LabDirectory(name: name)
        defer { _ = try? lab.takeDown() }
        #expect(try bench.run([tulle, "lab", "up", "--name", name, "--nodes", "1"]).status == 0)
        // One that has stopped is started again by its name alone, whatever it was made with.
        kill(try #require(lab.runningProcess), SIGKILL)
        try eventually("it has stopped") { lab.runningProcess == nil }
        let again = try bench.run([tulle, "lab", "up", "--name", name])
        #expect(again.status == 0 && again.output.contains("1 node\n"), "\(again.error)")
        let outcome = try bench.run([tulle, "lab", "status", "--name", name + "x"])
        #expect(outcome.status == 4 && isOneLine(outcome, of: "status"), "\(outcome.error)")
        #expect(outcome.error.contains(name + " ") || outcome.error.contains(name + ",") || outcome.error.contains(name + ";"))
        #expect(try bench.run([tulle, "lab", "kubeconfig", "--name", name]).output == lab.kubeconfig + "\n")
        #expect(try bench.run([tulle, "lab", "down", "--name", name]).status == 0)
        #expect(access(lab.path, F_OK) != 0)
    }

    @Test("too few open files are allowed: one line, with how to allow more") func limit() throws {
        let bench = try LabBench()
        let words = [
            "/usr/bin/prlimit", "--nofile=1024:1024", try programs() + "/tulle", "lab", "up", "--directory", bench.lab.path,
        ]
        let outcome = try bench.run(words)
        #expect(outcome.status == 71 && isOneLine(outcome, of: "up"), "\(outcome.error)")
        #expect(outcome.error.contains("ulimit"))
        #expect(access(bench.lab.path, F_OK) != 0)
        #expect(bench.processes == [])
    }

    @Test("a port in use is said in one line, and nothing stays") func port() throws {
        let bench = try LabBench()
        let loopback = try #require(IPAddress("127.0.0.1"))
        let socket = try BoundSocket.stream(loopback, port: 0)
        let outcome = try bench.tulle("up", "--port", "\(BoundSocket.port(of: socket))")
        #expect(outcome.status == 75 && isOneLine(outcome, of: "up"), "\(outcome.error)")
        #expect(outcome.error.contains("--port"))
        #expect(access(bench.lab.path, F_OK) != 0)
        #expect(bench.processes == [])
    }

    @Test("a directory that is somebody else's is left alone") func foreign() throws {
        let bench = try LabBench()
        try Files.makeDirectories(bench.lab.path)
        try Files.write("mine".utf8, to: bench.lab.path + "/letter")
        let outcome = try bench.tulle("up")
        #expect(outcome.status == 73 && isOneLine(outcome, of: "up"), "\(outcome.error)")
        let down = try bench.tulle("down")
        #expect(down.status == 4 && down.error.contains("holds no lab"), "\(down)")
        #expect(Files.text(of: bench.lab.path + "/letter") == "mine")
    }

    @Test("a directory that cannot be made, or whose path is too long for a socket, is named")
    func directories() throws {
        let bench = try LabBench()
        let file = bench.scratch.path + "/file"
        try Files.write([], to: file)
        let tulle = try programs() + "/tulle"
        for path in [file + "/lab", bench.scratch.path + "/" + String(repeating: "d", count: 100)] {
            let outcome = try bench.run([tulle, "lab", "up", "--directory", path])
            #expect(
                outcome.status == 73 && isOneLine(outcome, of: "up") && outcome.error.contains("--directory"), "\(outcome.error)")
            #expect(access(path, F_OK) != 0)
        }
    }

    @Test("what is not there is said, with a code of its own") func unknown() throws {
        let bench = try LabBench()
        try bench.up("--nodes", "1", "--pods", "1")
        try bench.untilReady(pods: 1)
        let pod = try bench.podName
        func expect(_ words: String..., code: Int32 = 5, says part: String, at location: SourceLocation = #_sourceLocation) throws
        {
            let outcome = try bench.tulle(words)
            #expect(outcome.status == code && outcome.error.contains(part), "\(outcome.error)", sourceLocation: location)
            if code == 5 { #expect(isOneLine(outcome, of: words[0]), "\(outcome.error)", sourceLocation: location) }
            #expect(outcome.output == "", sourceLocation: location)
        }
        try expect("node", "node-9", "--", "true", says: "there is node-1")
        try expect("exec", "nobody", "--", "true", says: "no pod default/nobody")
        try expect("exec", "--namespace", "nowhere", pod, "--", "true", says: "no pod nowhere/\(pod)")
        try expect("exec", "nowhere/\(pod)", "--", "true", says: "no pod nowhere/\(pod)")
        try expect("logs", "pod/nowhere/\(pod)", says: "no pod nowhere/\(pod)")
        #expect(try bench.tulle("exec", "default/\(pod)", "--", "hostname").output == "\(pod)\n")
        #expect(try bench.tulle("logs", "pod/default/\(pod)").output == bench.tulle("logs", "-n", "default", pod).output)
        try expect("exec", pod, "-c", "none", "--", "true", says: "it has echo")
        try expect("logs", "nobody", says: "no pod default/nobody")
        try expect("logs", pod, "-c", "none", says: "it has echo")
        try expect("logs", pod, "--previous", says: "previous terminated container")
        try expect("exec", pod, code: 64, says: "--")
        try expect("node", "node-1", code: 64, says: "--")
        try expect("logs", pod, "--tail", "-1", code: 64, says: "--tail")
        try expect("logs", pod, "--follow", "--previous", code: 64, says: "--previous")
        try expect("ping", "--count", "21", code: 64, says: "--count 21")
        // As a shell says it.
        #expect(try bench.tulle("exec", pod, "--", "no-such-command").status == 127)
        #expect(try bench.tulle("exec", pod, "--", "/etc/passwd").status == 126)
        #expect(try bench.tulle("exec", pod, "--", "sh", "-c", "kill -9 $$").status == 137)
        #expect(try bench.tulle("node", "node-1", "--", "no-such-command").status == 127)
        try bench.downToNothing()
    }

    @Test("a log is followed until its container ends") func follow() throws {
        let bench = try LabBench()
        try bench.up("--nodes", "1", "--pods", "1", "--families", "ipv4")
        try bench.untilReady(pods: 1)
        let pod = try bench.podName
        let follower = try bench.start("logs", pod, "--follow")
        #expect(try follower.line(within: .seconds(30)) == "listening tcp 80")
        #expect(try bench.tulle("exec", pod, "--", "sh", "-c", "echo more >/proc/1/fd/1").status == 0)
        #expect(try follower.line(within: .seconds(30)) == "more")
        kill(try bench.process(saying: "tulle-pod", "echo", "--name", pod), SIGKILL)
        #expect(try follower.finish(within: .seconds(30)).status == 0)
        try bench.downToNothing()
    }
}
