import Glibc

/// `tulle-pod`: makes the namespaces of a pod and holds them, runs commands in them, and is the pod's server and client.
@main
struct Main {
    static func main() {
        // The threads of a Swift program block signals, and what they start inherits that: SIGTERM would not end an echo.
        Signals.unblockAll()
        var words = Words(CommandLine.arguments.dropFirst())
        let status: Int32
        do throws(Refusal) {
            switch words.subcommand() {
            case .pause: status = try Pause(&words).run()
            case .run: status = try Run(&words).run()
            case .container: status = try Container(&words).run()
            case .echo: status = try Echo(&words).run()
            case .ask: status = try Ask(&words).run()
            case .stream:
                var stream = try Stream(&words)
                status = try stream.run()
            case .probe: status = try Probe(&words).run()
            case .ping: status = try Ping(&words).run()
            case .idle: status = try Idle(&words).run()
            case .`init`: status = try InitProcess(&words).run()
            case nil: status = try answer(&words)
            }
        } catch {
            exit(complain(error, words.topic))
        }
        exit(status)
    }

    /// What is no subcommand.
    private static func answer(_ words: inout Words) throws(Refusal) -> Int32 {
        let names = Help.Topic.allCases.map(\.rawValue).joined(separator: ", ")
        switch try words.next() {
        case "--version": return say(version + "\n")
        case "--help", "-h": return say(Help.text)
        case "help":
            let topic = words.subcommand()
            if topic == nil, let word = try words.next() { throw .usage("help: “\(word)” is none of \(names)") }
            return say(topic.map(Help.text(of:)) ?? Help.text)
        case nil: throw .usage("it takes one of \(names)")
        case let word?: throw .usage("“\(word)” is not understood; it takes one of \(names)")
        }
    }

    /// Says why, and where to read on; help that was asked for is what was to be done.
    private static func complain(_ refusal: Refusal, _ topic: Help.Topic?) -> Int32 {
        if refusal.status == 0 { return say(refusal.description) }
        let hint = refusal.status == Refusal.usageStatus ? "; see tulle-pod \(topic.map { "\($0) " } ?? "")--help" : ""
        write(Array("tulle-pod: \(refusal)\(hint)\n".utf8), to: STDERR_FILENO)
        return refusal.status
    }

    static let version = "tulle-pod 0.1.0"
}
