import ArgumentParser
import Glibc
import KubeAPI
import Lab

struct LabExec: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "exec",
        abstract: "Run a command in a container of a pod.",
        usage: """
            tulle lab exec [--name <name>] [--directory <path>]
                           [--namespace <namespace>] [--container <container>]
                           <pod> -- <command> ...
            """,
        discussion: """
            From a terminal the command gets one of its own. Ends as the command does.

            Examples:
              tulle lab exec web-0 -- ip address
              tulle lab exec shop/web-0 -c cart -- sh

            \(LabExit.codes)
            """)

    @OptionGroup var place: LabPlace

    @OptionGroup var target: LabPodOptions

    @Argument(help: "The command and its arguments; after -- also those that begin with a hyphen.")
    var command: [String] = []

    func validate() throws {
        guard command.isEmpty else { return }
        throw ValidationError("a command comes after --, such as: tulle lab exec\(place.lab.options) \(target.pod) -- ip address")
    }

    func run() async throws {
        let status = try await LabExit.running("exec") {
            var question = target.question("exec")
            question[at: "command"] = .array(command.map { .string($0) })
            return try RemoteCommand(place.lab).run(question)
        }
        throw ExitCode(status)
    }
}

struct LabLogs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logs",
        abstract: "Print what a container has said.",
        usage: """
            tulle lab logs [--name <name>] [--directory <path>]
                           [--namespace <namespace>] [--container <container>]
                           [--follow] [--previous] [--tail <tail>] [--timestamps]
                           <pod>
            """,
        discussion: """
            With --follow also what it goes on to say, until it ends or you press Ctrl-C.

            Examples:
              tulle lab logs web-0
              tulle lab logs web-0 --follow --tail 5
              tulle lab logs shop/web-0 -c cart --previous --tail 20

            \(LabExit.codes)
            """)

    @OptionGroup var place: LabPlace

    @OptionGroup var target: LabPodOptions

    @Flag(name: .shortAndLong, help: "Go on with what it says from now on.")
    var follow = false

    @Flag(name: .shortAndLong, help: "Of the run before this one.")
    var previous = false

    @Option(help: "Only so many of the last lines.")
    var tail: Int?

    @Flag(help: "Say when each line was said.")
    var timestamps = false

    func validate() throws {
        if let tail, tail < 0 { throw ValidationError("--tail \(tail): at least 0") }
        if follow, previous { throw ValidationError("--follow and --previous: a run that is over says nothing more") }
    }

    func run() async throws {
        try await LabExit.running("logs") {
            var question = target.question("log")
            question[at: "follow"] = .bool(follow)
            question[at: "previous"] = .bool(previous)
            question[at: "timestamps"] = .bool(timestamps)
            if let tail { question[at: "tail"] = .number(JSONNumber(Int64(tail))) }
            try Self.carry(question, from: LabControl(place.lab))
        }
    }

    /// The supervisor writes into a pipe of ours, so that our standard output stays as it is, and a slow one is our own affair.
    private static func carry(_ question: JSONValue, from control: LabControl) throws {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw LabError(.processFailed, "make a pipe: \(String(cString: strerror(errno)))") }
        defer { close(ends[0]) }
        var isHeard = true
        let answer = Result {
            try control.ask(question, descriptors: [ends[1]]) { socket in
                close(ends[1])
                while isHeard, let bytes = FileHandles.read(ends[0]) { isHeard = FileHandles.write(bytes) }
                // Whoever read us has gone, as in “logs -f | head”.
                if !isHeard { shutdown(socket, Int32(SHUT_RDWR)) }
            }
        }
        if isHeard { _ = try answer.get() }
    }
}
