import Glibc
import NFTables
import NFTablesKernel
import Netlink
import Synchronization
import Testing

@testable import Lab

/// How walks end that do not come to their end by themselves.
@Suite("the end of a walk", .tags(.kernel), .enabled(if: kernelIsThere), .serialized)
struct WalkEndTests {
    /// A walk as a process, followed until its account says something.
    private func walk(_ objects: String, _ directory: String, until word: String) throws -> ChildProcess {
        let walk = try ChildProcess(
            "tulle", [try programs() + "/tulle", "lab", "walk", objects, "--directory", directory], log: "/dev/null")
        while let line = try walk.line(within: .seconds(30)), !line.hasPrefix(word) {}
        return walk
    }

    @Test(
        "a walk that is asked to stop takes everything down before it ends, and says by which signal",
        arguments: [(SIGINT, "Objects"), (SIGTERM, "Node"), (SIGHUP, "Pod"), (SIGINT, "UDP")])
    func interrupted(_ signal: Int32, _ word: String) throws {
        let scratch = try Scratch()
        let objects = try scratch.write(twoPods, to: "objects.yaml")
        let before = try HostFingerprint()
        let directory = scratch.path + "/walk"
        let walk = try walk(objects, directory, until: word)
        walk.signal(signal)
        #expect(try walk.finish(within: .seconds(30)).status == 128 + signal)
        // At once: nothing ends after the walk.
        #expect(try processes(naming: directory) == [])
        #expect(access(directory, F_OK) != 0)
        #expect(try HostFingerprint().changes(since: before) == [])
    }

    @Test("a walk whose account nobody reads any more takes everything down") func unread() throws {
        let scratch = try Scratch()
        let objects = try scratch.write(twoPods, to: "objects.yaml")
        let directory = scratch.path + "/walk"
        let line = "'\(try programs())/tulle' lab walk '\(objects)' --directory '\(directory)' | head -n 1; echo ${PIPESTATUS[0]}"
        let shell = try ChildProcess("bash", ["/bin/bash", "-c", line], environment: ["PATH": "/usr/bin:/bin"], log: "/dev/null")
        #expect(try shell.finish(within: .seconds(30)).output.split(separator: "\n").last == "\(128 + SIGPIPE)")
        #expect(try processes(naming: directory) == [])
        #expect(access(directory, F_OK) != 0)
    }

    @Test("what a walk that was killed leaves in /run is removed by the next walk") func killed() throws {
        let scratch = try Scratch()
        let objects = try scratch.write(twoPods, to: "objects.yaml")
        try Files.makeDirectories(scratch.path + "/run")
        // A /run of their own, which both walks see.
        let command = "mount --bind '\(scratch.path)/run' /run && exec '\(try programs())/tulle' lab walk '\(objects)'"
        func start() throws -> ChildProcess {
            try ChildProcess(
                "unshare", ["/usr/bin/unshare", "--mount", "/bin/sh", "-c", command], environment: ["PATH": "/usr/bin:/bin"],
                log: "/dev/null")
        }
        let first = try start()
        while let line = try first.line(within: .seconds(30)), !line.hasPrefix("Pod") {}
        let names = Files.names(in: scratch.path + "/run")
        #expect(names.count == 1 && names.allSatisfy { $0.hasPrefix("tulle-walk.") })
        first.kill9()
        #expect(Files.names(in: scratch.path + "/run") == names)
        try eventually("its processes go with it") { try processes(naming: names.first ?? "tulle-walk.") == [] }
        #expect(try start().finish(within: .seconds(30)).status == 0)
        #expect(Files.names(in: scratch.path + "/run") == [])
    }

    @Test("a walk that fails says what its agents found, keeps their logs, and takes the rest down") func fails() throws {
        let scratch = try Scratch()
        let lines = Mutex<[String]>([])
        // An agent that is never ready, and knows why.
        let agent = """
            #!/bin/sh
            while [ "$1" != --state ]; do shift; done
            mkdir -p "$2"
            echo 'problem error made-up: Node node-2: no luck; have some' > "$2/status"
            echo words >&2
            exec sleep 1000
            """
        for tool in ["tulle-cni", "tulle-pod"] { #expect(symlink(try programs() + "/" + tool, scratch.path + "/" + tool) == 0) }
        #expect(chmod(try scratch.write(agent, to: "tulle"), 0o700) == 0)
        let walk = try Walk(
            objects: try scratch.write(twoPods, to: "objects.yaml"), programs: scratch.path, base: scratch.path,
            say: { line in lines.withLock { $0.append(line) } })
        let before = try HostFingerprint()
        let error = #expect(throws: LabError.self) { try walk.run() }
        #expect(error?.message.contains("the agent of node-1 was not ready within seconds") == true)
        let account = lines.withLock { $0 }
        #expect(account.contains("Problem   node-1, node-2  error made-up: Node node-2: no luck; have some"), "\(account)")
        let kept = Files.names(in: scratch.path).filter { $0.hasPrefix("tulle-walk.") }
        #expect(account.last?.hasPrefix("Logs      \(scratch.path)/\(kept.first ?? "-")/") == true)
        #expect(Files.text(of: "\(scratch.path)/\(kept.first ?? "-")/node-2/agent.log") == "words\n")
        #expect(try HostFingerprint().changes(since: before) == [])
        #expect(try processes(naming: scratch.path) == [])
        // The next one takes its place.
        WalkDirectory.removeStale(in: scratch.path)
        #expect(!Files.names(in: scratch.path).contains { $0.hasPrefix("tulle-walk.") })
    }

    @Test(
        "an agent that ends, or that refuses for good, ends the walk at once, with its own words",
        arguments: [
            ("tulle", "echo 'no luck today' >&2; exit 3", "the agent of node-1 ended with 3: no luck today"),
            (
                "tulle-cni", #"echo '{"cniVersion":"1.1.0","code":7,"msg":"not like this"}'; exit 1"#,
                "the agent of node-1: not like this"
            ),
        ])
    func gone(_ name: String, _ script: String, _ words: String) throws {
        let scratch = try Scratch()
        for tool in ["tulle", "tulle-cni", "tulle-pod"] where tool != name {
            #expect(symlink(try programs() + "/" + tool, scratch.path + "/" + tool) == 0)
        }
        #expect(chmod(try scratch.write("#!/bin/sh\n\(script)\n", to: name), 0o700) == 0)
        let walk = try Walk(
            objects: try scratch.write(twoPods, to: "objects.yaml"), programs: scratch.path, base: scratch.path, say: { _ in })
        let error = #expect(throws: LabError.self) { try walk.run() }
        #expect(error?.code == .processFailed)
        #expect(error?.message.hasPrefix(words) == true, "\(error.map { "\($0)" } ?? "")")
    }

    @Test("what cannot be walked is named, and the rest is walked") func partly() throws {
        let scratch = try Scratch()
        let lines = Mutex<[String]>([])
        let objects = twoPods.replacing(", {type: InternalIP, address: \"2001:db8::12\"}", with: "")
        let walk = try Walk(
            objects: try scratch.write(objects, to: "objects.yaml"), programs: try programs(), base: scratch.path,
            say: { line in lines.withLock { $0.append(line) } })
        try walk.run()
        let account = lines.withLock { $0 }
        #expect(account.first == "Ignored   IPv6: Node node-2: status.addresses has no IPv6 InternalIP")
        let problem = account.firstIndex { $0.hasPrefix("Problem   node-1, node-2  error node-without-address: Node node-2: ") }
        let plan = account.lastIndex { $0.hasPrefix("Plan") }
        #expect(try #require(problem) > (try #require(plan)), "\(account)")
        #expect(account.contains { $0.hasPrefix("UDP over IPv4") } && !account.contains { $0.contains("over IPv6") })
    }

    @Test("pods and nodes whose names are longer than a host name may be take part") func long() throws {
        let scratch = try Scratch()
        let name = String(repeating: "long-name.", count: 8) + "end"
        let objects = twoPods.replacing("metadata: {name: walker", with: "metadata: {name: w-\(name)").replacing(
            "node-1", with: "n-\(name)")
        let lines = Mutex<[String]>([])
        let walk = try Walk(
            objects: try scratch.write(objects, to: "objects.yaml"), programs: try programs(), base: scratch.path,
            say: { line in lines.withLock { $0.append(line) } })
        try walk.run()
        #expect(lines.withLock { $0.contains { $0.hasPrefix("TCP over IPv6   w-\(name)") } })
    }
}

@Suite("what a walk compares", .tags(.kernel), .enabled(if: kernelIsThere))
struct WalkTraceTests {
    @Test("a table that came, and a commit that left nothing, are changes of the host") func tables() throws {
        let namespace = try NetworkNamespace.new()
        let tables = try KernelTables(in: namespace)
        let before = try HostFingerprint(namespace)
        #expect(try HostFingerprint(namespace).changes(since: before) == [])
        try tables.apply([.addTable(Table.ID(.ip, "foreign"))])
        #expect(try HostFingerprint(namespace).changes(since: before).contains("new: nf_tables table ip foreign"))
        try tables.apply([.deleteTable(Table.ID(.ip, "foreign"))])
        let changes = try HostFingerprint(namespace).changes(since: before)
        #expect(changes.count == 2 && changes.allSatisfy { $0.contains("nf_tables generation") }, "\(changes)")
    }

    @Test("a process in a namespace of the walk is found, and nothing when it has ended") func leftovers() throws {
        let tools = try Tools(directory: programs())
        let holder = try Holder("node-1", kinds: "net,uts,pid", tools: tools)
        let process = try holder.start("idle", [tools.pod, "idle"])
        let leftovers = Leftovers([holder])
        try eventually("it is in the namespace") { leftovers.processes().count { $0.contains("node-1") } >= 2 }
        process.stop()
        holder.end()
        #expect(leftovers.processes() == [])
    }
}
