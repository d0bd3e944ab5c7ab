import Glibc
import Testing

@testable import Lab

/// What the programs print for people.
@Suite("the command lines")
struct CommandLineTests {
    private func run(_ words: [String]) throws -> (output: String, error: String, status: Int32) {
        let scratch = try Scratch()
        let process = try ChildProcess(
            words[0], ["\(try programs())/\(words[0])"] + words.dropFirst(), environment: ["COLUMNS": "80"],
            log: scratch.path + "/error")
        let (output, status) = try process.finish(within: .seconds(20))
        return (output, Files.text(of: scratch.path + "/error") ?? "", status)
    }

    @Test(
        "help is there for every command, and fits a terminal of 80 columns",
        arguments: [
            ["tulle"], ["tulle", "agent"], ["tulle", "lab"], ["tulle", "lab", "walk"], ["tulle-cni"], ["tulle-pod"],
        ] + ["pause", "run", "container", "echo", "ask", "stream", "probe", "ping", "idle", "init"].map { ["tulle-pod", $0] }
            + ["up", "status", "down", "exec", "logs", "node", "ping", "kubeconfig", "backend", "test"].map {
                ["tulle", "lab", $0]
            }
            + ["run", "add", "remove", "renumber"].map { ["tulle", "lab", "node", $0] })
    func help(_ words: [String]) throws {
        let (output, _, status) = try run(words + ["--help"])
        #expect(status == 0)
        #expect(output.contains(words.joined(separator: " ")))
        let wide = output.split(separator: "\n").filter { $0.count > 80 }
        #expect(wide.isEmpty, "\(wide.joined(separator: "\n"))")
    }

    // Lines that were folded in the source were folded again by the terminal's width.
    @Test(
        "what help tells at length is folded once",
        arguments: [["agent"], ["lab"], ["lab", "walk"]]
            + ["up", "status", "down", "exec", "logs", "node", "ping", "kubeconfig", "backend", "test"].map { ["lab", $0] })
    func folded(_ words: [String]) throws {
        let told = try run(["tulle"] + words + ["--help"]).output.split(separator: "USAGE: ").first ?? ""
        let lines = told.split(separator: "\n", omittingEmptySubsequences: false)
        for (line, next) in zip(lines, lines.dropFirst()) where !line.isEmpty && line.first != " " && next.first != " " {
            guard let word = next.split(separator: " ").first else { continue }
            #expect(line.count + 1 + word.count >= 80, "“\(line)” ends before “\(word)”")
        }
    }

    @Test("a shell is offered what an option may be") func completions() throws {
        let script = try run(["tulle", "--generate-completion-script", "bash"]).output
        // Of the agent, of a lab that is made, and of one that is up.
        #expect(script.split(separator: "\n").count { ["'host-gw'", "'vxlan'", "'none'"].allSatisfy($0.contains) } == 3)
    }

    // The usage of serving was shown for what was to be a question.
    @Test(
        "a word that is no command is told, with the one that is written nearly like it",
        arguments: [
            ("dns querry", "tulle dns: “querry” is no command; did you mean query? See tulle dns --help"),
            ("dns web.shop", "tulle dns: “web.shop” is no command; there are serve, query; see tulle dns --help"),
            ("polices", "tulle: “polices” is no command; did you mean policies? See tulle --help"),
            // A hidden one is not told.
            ("lab supervize", "tulle lab: “supervize” is no command; there are up, status"),
            ("lab node remov node-1", "tulle lab node: “remov” is no command; did you mean remove? See tulle lab node --help"),
            ("lab node node-1", "a command comes after --"),
            ("dns --wrong", "Unknown option '--wrong'"),
        ])
    func commandWord(_ words: String, _ told: String) throws {
        let (_, error, status) = try run(["tulle"] + words.split(separator: " ").map(String.init))
        #expect(status == 64)
        #expect(error.contains(told), "\(error)")
    }

    @Test(
        "a pod of a lab is written as elsewhere, and in one namespace",
        arguments: [
            (["exec", "a/b/c", "--", "true"], "“a/b/c”: a pod is written pod/NAMESPACE/NAME, NAMESPACE/NAME or NAME"),
            (["logs", "shop/"], "“shop/”: a pod is written"),
            (["exec", "-n", "till", "shop/web", "--", "true"], "“shop/web” and --namespace till: two namespaces"),
            (["exec", "pod/shop/web"], "such as: tulle lab exec pod/shop/web -- ip address"),
        ])
    func podWord(_ words: [String], _ told: String) throws {
        let (_, error, status) = try run(["tulle", "lab"] + words)
        #expect(status == 64)
        #expect(error.contains(told), "\(error)")
    }

    @Test(
        "what is empty is refused, and named",
        arguments: [
            (["tulle", "agent", "--node", "n1", "--objects", ""], "--objects “”"),
            (["tulle", "agent", "--node", "n1", "--objects", "a", ""], "--objects “”"),
            (["tulle", "agent", "--node", "", "--objects", "a"], "--node"),
            (["tulle", "agent", "--node", "n1", "--objects", "a", "--state", ""], "--state “”"),
            (["tulle", "agent", "--node", "n1", "--objects", "a", "--socket", ""], "--socket “”"),
            (["tulle", "lab", "walk", ""], "“”"), (["tulle", "lab", "walk", "a", "--directory", ""], "--directory “”"),
            (["tulle-pod", "pause", "--new", ""], "--new “” names no namespace"),
            (["tulle-pod", "pause", "--hostname", ""], "--hostname “” has 0 bytes"),
        ])
    func empty(_ words: [String], _ named: String) throws {
        let (_, error, status) = try run(words)
        #expect(status == 64)
        #expect(error.contains(named), "\(error)")
    }

    @Test(
        "a network that cannot be is refused, and the option named",
        arguments: [
            ("--backend geneve", "geneve"), ("--backend vxlan --vxlan-vni 0", "--vxlan-vni 0: from 1 to 16777215"),
            ("--backend vxlan --vxlan-vni 16777216", "from 1 to 16777215"), ("--backend vxlan --vxlan-port 0", "--vxlan-port 0"),
            ("--vxlan-vni 7", "--vxlan-vni goes with --backend vxlan"),
            ("--backend none --vxlan-direct-routing", "--vxlan-direct-routing goes with --backend vxlan"),
            ("--mtu 500", "--mtu 500: from 576 to 65535"), ("--masquerade maybe", "maybe"),
            ("--non-masquerade 10.0.0.1/8", "“10.0.0.1/8” is no prefix"), ("--non-masquerade 10.0.0.0/8,", "“” is no prefix"),
            ("--masquerade no --non-masquerade 10.0.0.0/8", "--non-masquerade says nothing"),
        ])
    func network(_ words: String, _ named: String) throws {
        let (_, error, status) = try run(
            ["tulle", "agent", "--node", "n1", "--objects", "a"] + words.split(separator: " ").map(String.init))
        #expect(status == 64)
        #expect(error.contains(named), "\(error)")
    }

    @Test(
        "a wrong word of tulle-pod names what is wrong and where to read on",
        arguments: [
            (["pause", "--new", "net,,uts"], "“net,,uts”: “” is no namespace", "tulle-pod pause --help"),
            (["pause", "--hostname", String(repeating: "a", count: 65)], "has 65 bytes", "tulle-pod pause --help"),
            (["run", "--join", "zero"], "“zero”", "tulle-pod run --help"),
            (
                ["run", "--join", "1", "--namespaces", "net", "--mount", "/a:/b", "--", "true"], "pid and not mnt",
                "tulle-pod run --help"
            ),
            (["run", "--join", "1", "--mount", "a:/b", "--", "true"], "SOURCE:TARGET", "tulle-pod run --help"),
            (["dance"], "“dance”", "tulle-pod --help"), (["help", "dance"], "“dance”", "tulle-pod --help"),
            ([], "pause, run", "tulle-pod --help"),
        ])
    func wrong(_ words: [String], _ named: String, _ hint: String) throws {
        let (_, error, status) = try run(["tulle-pod"] + words)
        #expect(status == 64)
        #expect(error.contains(named) && error.hasSuffix("; see \(hint)\n"), "\(error)")
    }

    // A number that is the next process's already: a command meant for a pod would run on the host.
    @Test(
        "whoever wants a network and would stay in this one is refused",
        arguments: [["run", "--namespaces", "net", "--join"], ["ping", "--join"], ["probe", "--tcp", "--join"]])
    func ownNetwork(_ words: [String]) throws {
        let ends = ["run": ["--", "true"], "ping": ["192.0.2.1"], "probe": ["192.0.2.1", "1"]]
        let (_, error, status) = try run(["tulle-pod"] + words + ["\(getpid())"] + (ends[words[0]] ?? []))
        #expect(status == 125)
        #expect(error.contains("process \(getpid()) has no network of its own"), "\(error)")
    }

    @Test("help that belongs to a command that is run is left to it") func passed() throws {
        #expect(try run(["tulle-pod", "help", "ask"]).output == run(["tulle-pod", "ask", "--help"]).output)
        // The value of an option, and what comes after --, are not ours.
        #expect(try run(["tulle-pod", "pause", "--hostname", "--help", "--new", "net"]).status == 64)
        #expect(try run(["tulle-pod", "run", "--", "--help"]).error.contains("--join PID says whose namespaces"))
    }
}
