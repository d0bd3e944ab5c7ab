import CNI
import Glibc
import Testing

/// A program that was started, with pipes on its standard input and output.
final class Program: Sendable {
    let process: pid_t
    private let input: Int32
    private let output: Int32

    struct Outcome: Equatable, CustomStringConvertible {
        /// As a shell says it.
        var status: Int32
        var output: String

        var description: String { "exit \(status): \(output)" }
        var document: SmallJSON? { try? SmallJSON(reading: Array(output.utf8)) }
        var failure: Failure? { document.flatMap(Failure.init(json:)) }

        static let quiet = Outcome(status: 0, output: "")
    }

    /// - Parameter log: where its standard error goes; added to what is there.
    init(_ words: [String], environment: [String: String] = [:], log: String? = nil) throws {
        var (forth, back): ([Int32], [Int32]) = ([0, 0], [0, 0])
        guard Self.pipe(&forth), Self.pipe(&back) else { throw Broken("pipe") }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, forth[0], 0)
        posix_spawn_file_actions_adddup2(&actions, back[1], 1)
        if let log { posix_spawn_file_actions_addopen(&actions, 2, log, O_WRONLY | O_CREAT | O_APPEND, 0o600) }

        let variables = ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"].merging(environment) { $1 }
        var arguments = words.map { strdup($0) } + [nil]
        var settings = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for text in arguments + settings { free(text) } }
        var process: pid_t = 0
        let error = posix_spawnp(&process, words[0], &actions, nil, &arguments, &settings)
        close(forth[0])
        close(back[1])
        guard error == 0 else { throw Broken("spawn \(words[0]): errno \(error)") }
        self.process = process
        (input, output) = (forth[1], back[0])
    }

    deinit {
        close(input)
        close(output)
    }

    /// One line of its output.
    func line() -> String {
        var line: [UInt8] = []
        var byte: UInt8 = 0
        while read(output, &byte, 1) == 1, byte != UInt8(ascii: "\n") { line.append(byte) }
        return String(decoding: line, as: UTF8.self)
    }

    /// Gives it its input, to the end.
    func feed(_ text: String) {
        let bytes = Array(text.utf8)
        if !bytes.isEmpty { _ = write(input, bytes, bytes.count) }
        // Not close: the descriptor is ours until the value goes.
        let null = open("/dev/null", O_WRONLY | O_CLOEXEC)
        dup2(null, input)
        _ = fcntl(input, F_SETFD, FD_CLOEXEC)
        close(null)
    }

    /// Gives it its input, and waits for its end.
    func finish(_ text: String = "") throws -> Outcome {
        feed(text)
        let answer = try readToEnd(output, limit: 1 << 20, "a program's output")
        return Outcome(status: wait(), output: String(decoding: answer, as: UTF8.self))
    }

    @discardableResult
    func end(by signal: Int32) -> Int32 {
        kill(process, signal)
        return wait()
    }

    func wait() -> Int32 {
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        return status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
    }

    private static func pipe(_ ends: inout [Int32]) -> Bool {
        guard Glibc.pipe(&ends) == 0 else { return false }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return true
    }
}

extension Program {
    /// Where this package's executables are: beside the test's own.
    static func product(_ name: String) throws -> String {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        let own = String(decoding: buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let path = own.prefix(upTo: own.lastIndex(of: "/") ?? own.startIndex) + "/" + name
        guard access(String(path), X_OK) == 0 else { throw Broken("\(path) is not built: swift build --product \(name)") }
        return String(path)
    }

    static func run(_ words: [String], environment: [String: String] = [:], input: String = "") throws -> Outcome {
        try Program(words, environment: environment).finish(input)
    }
}
