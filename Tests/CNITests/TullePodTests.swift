import CNI
import Glibc
import Testing

/// The launcher, in namespaces it makes itself.
@Suite("tulle-pod", .tags(.kernel), .enabled(if: canUseKernel))
struct TullePodTests {
    private let program: String

    init() throws { program = try Program.product("tulle-pod") }

    /// A pause and the process that holds its namespaces.
    private struct Pod {
        var pause: Program
        var holder: String

        init(_ program: String, _ options: String...) throws {
            pause = try Program([program, "pause"] + options)
            holder = pause.line()
            guard pid_t(holder) != nil else { throw Broken("pause says “\(holder)”") }
        }

        func end() { _ = pause.end(by: SIGTERM) }
    }

    private func run(in pod: Pod, _ command: String...) throws -> Program.Outcome {
        try Program.run([program, "run", "--join", pod.holder, "--"] + command)
    }

    private func inode(_ path: String) -> ino_t? {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_ino : nil
    }

    @Test("pause makes the namespaces asked for and no others", arguments: ["net", "net,uts", "net,mnt,uts,pid,ipc", "pid"])
    func makes(_ list: String) throws {
        let pod = try Pod(program, "--new", list)
        defer { pod.end() }
        for name in ["net", "mnt", "uts", "pid", "ipc", "user"] {
            let isNew = inode("/proc/\(pod.holder)/ns/\(name)") != inode("/proc/self/ns/\(name)")
            #expect(isNew == list.split(separator: ",").contains(Substring(name)), "\(name)")
        }
    }

    @Test("a pod has its host name, lo that is up, and a /proc of its own, in which the holder is process 1")
    func furnished() throws {
        let pod = try Pod(program, "--hostname", "web-0")
        defer { pod.end() }
        #expect(try run(in: pod, "hostname").output == "web-0\n")
        #expect(try run(in: pod, "cat", "/proc/sys/kernel/ostype").output == "Linux\n")
        let links = try run(in: pod, "ip", "-brief", "address").output.split(whereSeparator: \.isWhitespace)
        #expect(links == ["lo", "UNKNOWN", "127.0.0.1/8", "::1/128"])
        #expect(try run(in: pod, "cat", "/proc/1/comm").output == "tulle-pod\n")
    }

    @Test("pause ends at once on SIGTERM, and everything in its PID namespace with it")
    func ends() throws {
        let pod = try Pod(program)
        let sleeper = try Program([program, "run", "--join", pod.holder, "--", "sh", "-c", "echo on; exec sleep 1000"])
        #expect(sleeper.line() == "on")
        #expect(pod.pause.end(by: SIGTERM) == 0)
        #expect(try sleeper.finish().status == 128 + SIGKILL)
        #expect(inode("/proc/\(pod.holder)") == nil)
    }

    @Test("pause ends with the process that started it, also when that is killed", arguments: ["net", "net,pid,mnt"])
    func endsWithCaller(_ list: String) throws {
        // The shell starts a pause and becomes the sleeper that is killed; the pipe closes when the last of them is gone.
        let shell = try Program(["sh", "-c", "'\(program)' pause --new \(list) & exec sleep 1000"])
        let holder = shell.line()
        #expect(inode("/proc/\(holder)") != nil)
        kill(shell.process, SIGKILL)
        #expect(try shell.finish().status == 128 + SIGKILL)
        #expect(inode("/proc/\(holder)/ns/net") == nil)
    }

    @Test("the holder of a PID namespace ends when its outer half is killed")
    func innerEndsWithOuter() throws {
        let pod = try Pod(program, "--new", "net,pid,mnt")
        kill(pod.pause.process, SIGKILL)
        // To its end: the output closes when the inner half is gone too.
        #expect(try pod.pause.finish().status == 128 + SIGKILL)
        #expect(inode("/proc/\(pod.holder)/ns/net") == nil)
    }

    @Test("orphans in a pod are reaped")
    func reaps() throws {
        let pod = try Pod(program)
        defer { pod.end() }
        // The subshell leaves a child behind that ends; its parent is process 1 by then. The pipe closes when it is gone.
        _ = try run(in: pod, "sh", "-c", "(sh -c 'exit 3' &) ; exit 0")
        var states = ""
        // A zombie is there for a moment only; were it not reaped, it would be there for ever.
        for _ in 0..<1000 {
            states = try run(in: pod, "sh", "-c", "cat /proc/[0-9]*/stat | grep -c ' Z ' || true").output
            if states == "0\n" { break }
        }
        #expect(states == "0\n")
    }

    @Test(
        "run exits as its command does, as a shell says it",
        arguments: [
            (["sh", "-c", "exit 7"], 7), (["sh", "-c", "kill -9 $$"], 137), (["/no/such/command"], 127), (["/etc/passwd"], 126),
            (["true"], 0),
        ] as [([String], Int32)])
    func exitStatus(_ command: [String], _ status: Int32) throws {
        let pod = try Pod(program)
        defer { pod.end() }
        #expect(try Program.run([program, "run", "--join", pod.holder, "--"] + command).status == status)
        guard status != 137 else { return }
        #expect(
            try Program.run([program, "run", "--join", pod.holder, "--namespaces", "net", "--"] + command).status == status)
    }

    @Test("run hands on SIGTERM, and does not enter a process that is gone")
    func signals() throws {
        let pod = try Pod(program)
        let command = try Program(
            [program, "run", "--join", pod.holder, "--", "sh", "-c", "trap 'exit 9' TERM; echo on; while :; do sleep 0.01; done"])
        #expect(command.line() == "on")
        #expect(command.end(by: SIGTERM) == 9)
        pod.end()
        #expect(try run(in: pod, "true").status == 125)
    }

    @Test(
        "TCP, UDP and HTTP are answered over both families, with who answers and whom it sees", arguments: ["127.0.0.1", "::1"])
    func answers(_ address: String) throws {
        let pod = try Pod(program, "--new", "net")
        defer { pod.end() }
        let echo = try Program(
            [
                program, "run", "--join", pod.holder, "--", program, "echo", "--tcp", "80", "--udp", "53", "--name", "web-0",
                "--node", "n1",
            ])
        #expect([echo.line(), echo.line()] == ["listening tcp 80", "listening udp 53"])
        let shown = address == "::1" ? "[::1]" : address
        for (transport, port) in [("tcp", "80"), ("udp", "53")] {
            let outcome = try run(in: pod, program, "ask", "--\(transport)", address, port, "--message", "a b\u{7}")
            let lines = outcome.output.split(separator: "\n")
            #expect(outcome.status == 0)
            let figures = try #require(lines.first?.split(separator: " "))
            #expect(figures.first?.hasPrefix("rtt_us=") == true)
            let own = try #require(figures.last?.dropFirst("local=".count))
            #expect(own.hasPrefix(shown + ":"))
            #expect(lines.last == "pod=web-0 node=n1 protocol=\(transport) client=\(own) local=\(shown):\(port) request=a b\\x07")
        }
        let page = try run(in: pod, "curl", "-sS", "http://\(shown)/hello").output
        #expect(page.hasPrefix("pod=web-0 node=n1 protocol=http client=\(shown):"))
        #expect(page.hasSuffix(" local=\(shown):80 request=GET /hello HTTP/1.1\n"))
        #expect(echo.end(by: SIGTERM) == 128 + SIGTERM)
    }

    @Test("ask tells refused, silent and unreachable apart")
    func asks() throws {
        let pod = try Pod(program, "--new", "net")
        defer { pod.end() }
        #expect(try run(in: pod, program, "ask", "--tcp", "127.0.0.1", "9").status == 1)
        #expect(try run(in: pod, program, "ask", "--udp", "::1", "9").status == 1)
        #expect(try run(in: pod, program, "ask", "--tcp", "192.0.2.1", "9").status == 3)
        #expect(try run(in: pod, program, "ask", "--udp", "2001:db8::1", "9").status == 3)
        // A route to lo takes the packet and nobody answers.
        #expect(try run(in: pod, "ip", "route", "add", "192.0.2.0/24", "dev", "lo").status == 0)
        #expect(try run(in: pod, program, "ask", "--udp", "192.0.2.1", "9", "--timeout", "30").status == 2)
    }

    @Test(
        "what cannot be meant is refused with a hint, before anything is done",
        arguments: [
            [], ["dance"], ["pause", "--new", "net,user"], ["pause", "--hostname", "x", "--new", "net"], ["pause", "--new"],
            ["run", "--", "true"], ["run", "--join", "1"], ["run", "--join", "zero", "--", "true"], ["echo"],
            ["echo", "--tcp", "x"],
            ["echo", "--tcp", "70000"], ["ask", "127.0.0.1", "80"], ["ask", "--tcp", "localhost", "80"], ["ask", "--tcp", "::1"],
            ["ask", "--tcp", "::1", "0"],
        ])
    func usage(_ words: [String]) throws {
        #expect(try Program.run([program] + words).status == 64)
    }

    @Test("three hundred connections that say nothing keep others waiting no longer than they are there")
    func crowd() throws {
        let pod = try Pod(program, "--new", "net")
        defer { pod.end() }
        let join = [program, "run", "--join", pod.holder, "--"]
        let echo = try Program(join + [program, "echo", "--tcp", "80", "--name", "web-0"])
        #expect(echo.line() == "listening tcp 80")
        let open = "for i in {1..300}; do exec {fd}<>/dev/tcp/127.0.0.1/80; done; echo on; cat"
        let crowd = try Program(join + ["bash", "-c", open])
        #expect(crowd.line() == "on")
        #expect(try run(in: pod, program, "ask", "--tcp", "127.0.0.1", "80", "--timeout", "50").status == 2)
        #expect(try crowd.finish().status == 0)
        #expect(try run(in: pod, program, "ask", "--tcp", "127.0.0.1", "80").status == 0)
        #expect(echo.end(by: SIGTERM) == 128 + SIGTERM)
    }
}
