import CNI
import Glibc

/// `tulle-cni`: what a container runtime starts for every pod. It reads, carries, prints and ends.
@main
struct Main {
    static func main() {
        if hasWords, let word = CommandLine.arguments.dropFirst().first { exit(answer(word)) }

        let environment = Variables { getenv($0.rawValue).map { String(cString: $0) } }
        if environment.text(of: .command) == nil { exit(explain(environment)) }

        let response = Errand(environment: environment, input: input(for: environment)).run()
        guard tell(response) else { exit(1) }
        exit(Int32(response.status))
    }

    /// Whether words came behind the program's name, as no runtime writes them. The library looks for them in the map of our memory,
    /// which takes it a tenth of all our time.
    private static var hasWords: Bool {
        let file = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return true }
        defer { close(file) }
        return withUnsafeTemporaryAllocation(byteCount: 512, alignment: 1) { buffer in
            let count = read(file, buffer.baseAddress, buffer.count)
            // A name that fills it all may have words behind it.
            return count <= 0 || buffer[..<count].firstIndex(of: 0) != count - 1
        }
    }

    /// Started by hand, or by something that is no runtime. What stands on standard input is not waited for.
    private static func explain(_ environment: Variables) -> Int32 {
        if isatty(STDIN_FILENO) == 1 { return say(help) }
        _ = write(Array(help.utf8), to: STDERR_FILENO)
        let response = Errand(environment: environment, input: []).run()
        return tell(response) ? Int32(response.status) : 1
    }

    /// A document ends its line: whoever calls by hand finds the prompt on the next one.
    private static func tell(_ response: CourierResponse) -> Bool {
        response.output.isEmpty || write(response.output + [UInt8(ascii: "\n")], to: STDOUT_FILENO)
    }

    /// Standard input to its end. VERSION needs none, and not every caller closes it: there, what comes at once is enough.
    private static func input(for environment: Variables) -> [UInt8] {
        if environment.text(of: .command) == Verb.version.rawValue {
            var wait = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
            guard isatty(STDIN_FILENO) == 0, poll(&wait, 1, 100) == 1 else { return [] }
        }
        do {
            return try readToEnd(STDIN_FILENO, limit: NetworkConfiguration.sizeLimit, "standard input")
        } catch {
            let failure = Failure(.inputOutput, "standard input cannot be read", details: error.description)
            _ = tell(.failure(failure, .latest))
            exit(1)
        }
    }
}

// MARK: - For people

extension Main {
    static let version = "tulle-cni 0.1.0"

    static var help: String {
        let spoken = SpecVersion.allCases.map(\.rawValue).joined(separator: ", ")
        return """
            \(version): the CNI plugin of tulle. It speaks CNI
            \(spoken).

            A container runtime starts it with CNI_COMMAND and the other CNI_… variables
            set and a network configuration on standard input. It hands the call to the
            tulle agent of this node and prints what the agent answers. Keys of the
            configuration that are read here:

              agentSocket      where the agent listens
                               [default: \(NetworkConfiguration.defaultAgentSocket)]
              queueDirectory   where deletions wait while it is away
                               [default: \(NetworkConfiguration.defaultQueueDirectory)]

            To see that it runs:
              CNI_COMMAND=VERSION tulle-cni </dev/null
            To ask the agent:
              echo '{"cniVersion":"1.1.0","name":"tulle","type":"tulle-cni"}' |
                CNI_COMMAND=STATUS tulle-cni

            """
    }

    private static func answer(_ word: String) -> Int32 {
        switch word {
        case "--help", "-h": return say(help)
        case "--version": return say(version + "\n")
        default:
            _ = write(
                Array("tulle-cni: “\(word)” is not understood; it takes --help and --version, and the CNI_… variables\n".utf8),
                to: STDERR_FILENO)
            return 64
        }
    }

    private static func say(_ text: String) -> Int32 {
        write(Array(text.utf8), to: STDOUT_FILENO) ? 0 : 1
    }

    private static func write(_ bytes: [UInt8], to file: Int32) -> Bool {
        var offset = 0
        while offset < bytes.count {
            let written = bytes[offset...].withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            if written < 0, errno == EINTR { continue }
            guard written > 0 else { return false }
            offset += written
        }
        return true
    }
}
