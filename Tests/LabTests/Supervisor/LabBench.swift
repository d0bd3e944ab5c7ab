import Glibc
import KubeAPI
import Testing

@testable import Lab

/// A lab of a test's own, by the real programs, in a directory that goes with the test.
final class LabBench {
    let scratch: Scratch
    let lab: LabDirectory
    private let programs: String

    init() throws {
        scratch = try Scratch()
        lab = LabDirectory(scratch.path + "/lab")
        programs = try LabTests.programs()
    }

    deinit { _ = try? lab.takeDown() }

    struct Outcome {
        var output: String
        var error: String
        var status: Int32
        var lines: [String] { output.split(separator: "\n").map(String.init) }
    }

    /// `tulle lab COMMAND --directory …`, to its end.
    func tulle(_ command: String, _ arguments: String...) throws -> Outcome { try tulle([command] + arguments) }

    func tulle(_ words: [String]) throws -> Outcome {
        try run([programs + "/tulle", "lab", words[0], "--directory", lab.path] + words.dropFirst())
    }

    func start(_ words: String...) throws -> ChildProcess {
        try ChildProcess("tulle", [programs + "/tulle", "lab", words[0], "--directory", lab.path] + words.dropFirst())
    }

    /// A lab that is up, with pods that are to come; without a name server unless the arguments say so. One that was made comes up as
    /// it was.
    func up(_ arguments: String...) throws {
        let isMade = access(lab.path, F_OK) == 0
        let outcome = try tulle(["up"] + (isMade || arguments.contains("--dns") ? [] : ["--dns", "0"]) + arguments)
        try #require(outcome.status == 0, "\(outcome.error)\(outcome.output)")
    }

    func run(_ words: [String], environment: [String: String] = [:]) throws -> Outcome {
        let log = scratch.path + "/error"
        unlink(log)
        var environment = environment
        environment["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        let (output, status) = try ChildProcess(words[0], words, environment: environment, log: log).finish(within: .seconds(60))
        return Outcome(output: output, error: Files.text(of: log) ?? "", status: status)
    }

    /// What the supervisor says, without a process for each question.
    var status: JSONValue { get throws { try LabControl(lab).ask(["do": "status"]) } }

    /// The process of a part, as this process numbers it.
    func process(_ part: String) throws -> Int32 {
        let parts = try status["parts"]?.array ?? []
        let number = parts.first { $0["name"]?.string == part }?["process"]?.integer
        let inside = try #require(number, "there is no \(part)")
        return Int32(try #require(lab.processNumbers[inside], "\(part) has gone"))
    }

    /// The process of the lab whose command line has these words one after the other, such as `pause` and a host's name.
    func process(saying words: String...) throws -> Int32 {
        let wanted = words.joined(separator: " ")
        let found = Self.family(of: try #require(lab.runningProcess)).first { process in
            (Files.text(of: "/proc/\(process)/cmdline") ?? "").replacing("\0", with: " ").contains(wanted)
        }
        return try #require(found, "no process says \(wanted)")
    }

    /// Waits until the supervisor answers and says that this holds; a minute at most.
    func eventually(_ what: String, _ condition: (JSONValue) -> Bool) throws {
        var last: JSONValue?
        for _ in 0..<1200 {
            last = try? status
            if let last, condition(last) { return }
            poll(nil, 0, 50)
        }
        Issue.record("not within a minute: \(what); \(last.map { "\($0)" } ?? "it does not answer")")
        throw Late()
    }

    private struct Late: Error {}

    func untilReady(pods: Int) throws {
        try eventually("\(pods) pods are Ready") {
            $0["pods"]?["ready"]?.integer == pods && $0["nodes"]?.array?.allSatisfy { $0["ready"] == true } == true
        }
    }

    func restarts(of part: String, in status: JSONValue) -> Int {
        (status["parts"]?.array ?? []).first { $0["name"]?.string == part }?["restarts"]?.integer ?? 0
    }

    var restarts: [String: Int] {
        get throws {
            let status = try status
            let names = (status["parts"]?.array ?? []).compactMap { $0["name"]?.string }
            return Dictionary(uniqueKeysWithValues: names.map { ($0, restarts(of: $0, in: status)) })
        }
    }

    /// Waits until so many pods are Ready and every way between them is open.
    func untilOpen(pods: Int, after event: String) throws {
        try eventually("all ways are open after \(event)") {
            $0["pods"]?["ready"]?.integer == pods && (try? tulle("ping", "--count", "1"))?.status == 0
        }
    }

    /// The first pod's.
    var podName: String {
        get throws {
            let answer = try LabControl(lab).ask(["do": "ping", "count": 1])
            return try #require(answer["pods"]?.array?.first?["name"]?.string)
        }
    }

    /// Processes that name this lab in their command line.
    var processes: [String] {
        Files.names(in: "/proc").filter { name in
            Int(name) != nil && Int32(name) != getpid() && (Files.text(of: "/proc/\(name)/cmdline") ?? "").contains(lab.path)
        }
    }

    /// Every namespace that only processes of this lab are in, held open meanwhile: the kernel gives a number again at once.
    var namespaces: Namespaces { Namespaces(of: lab.runningProcess.map { Self.family(of: $0) } ?? []) }

    final class Namespaces {
        private var descriptors: [String: CInt] = [:]

        fileprivate init(of processes: [Int32]) {
            let own = Set(Self.all(of: getpid()).map(\.name))
            for (name, path) in processes.flatMap(Self.all) where !own.contains(name) && descriptors[name] == nil {
                descriptors[name] = open(path, O_RDONLY | O_CLOEXEC)
            }
        }

        deinit { for descriptor in descriptors.values { close(descriptor) } }

        /// Those that a process is in yet. One that nobody has reaped yet is in none.
        var inUse: Set<String> {
            let living = Files.names(in: "/proc").compactMap { Int32($0) }.filter { process in
                let state = (Files.text(of: "/proc/\(process)/stat") ?? "").split(separator: ")").last?.dropFirst().first
                return state != "Z" && state != "X"
            }
            return Set(living.flatMap(Self.all).map(\.name)).intersection(descriptors.keys)
        }

        private static func all(of process: Int32) -> [(name: String, path: String)] {
            ["net", "pid", "mnt", "uts", "ipc"].compactMap { kind in
                let path = "/proc/\(process)/ns/\(kind)"
                return LabBench.link(path).map { ($0, path) }
            }
        }
    }

    /// A process and all that descend from it.
    private static func family(of process: Int32) -> [Int32] {
        var children: [Int32: [Int32]] = [:]
        for name in Files.names(in: "/proc") {
            guard let child = Int32(name), let stat = Files.text(of: "/proc/\(name)/stat"), let end = stat.lastIndex(of: ")"),
                let parent = stat[end...].split(separator: " ").dropFirst(2).first.flatMap({ Int32($0) })
            else { continue }
            children[parent, default: []].append(child)
        }
        var found = [process]
        var position = 0
        while position < found.count {
            found += children[found[position]] ?? []
            position += 1
        }
        return found
    }

    fileprivate static func link(_ path: String) -> String? {
        var buffer = [CChar](repeating: 0, count: 64)
        let count = readlink(path, &buffer, buffer.count)
        return count > 0 ? String(decoding: buffer.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self) : nil
    }

    /// Takes it down by the command, and looks whether anything is left of it.
    func downToNothing() throws {
        let namespaces = namespaces
        let outcome = try tulle("down")
        #expect(outcome.status == 0, "\(outcome.error)")
        #expect(access(lab.path, F_OK) != 0)
        #expect(processes == [])
        // What nobody of the lab is in any more, a command that looked into it may just be leaving.
        try LabTests.eventually("no process is in a namespace of the lab") { namespaces.inUse.isEmpty }
    }
}

/// The real kubectl. What is called `kubectl` may be a dispatcher that picks a version by the server's: then the newest of them is
/// named.
enum LabKubectl {
    static let path: String? = {
        let versions = stride(from: 40, through: 27, by: -1).map { "/usr/lib/google-cloud-sdk/bin/kubectl.1.\($0)" }
        return (versions + ["/usr/local/bin/kubectl", "/usr/bin/kubectl"]).first { access($0, X_OK) == 0 }
    }()

    /// Whether it is one that runs commands over WebSockets: from 1.30 on.
    static let isThere: Bool = {
        guard let path, let child = popen("\(path) version --client -o json 2>/dev/null", "r") else { return false }
        defer { pclose(child) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let text = String(decoding: bytes[..<fread(&bytes, 1, bytes.count, child)], as: UTF8.self)
        guard let minor = text.split(separator: "\n").first(where: { $0.contains("\"minor\"") }) else { return false }
        return (Int(minor.filter(\.isNumber)) ?? 0) >= 30
    }()
}
