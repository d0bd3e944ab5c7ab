import Glibc
import NIOPosix
import Testing

@testable import APIServer

/// With this set, what is missing on the machine fails a test instead of skipping it.
let mustRun = getenv("REQUIRE_KERNEL").map { String(cString: $0) == "1" } ?? false

/// Programs of this machine that the tests talk to.
enum Program {
    struct Outcome: Sendable {
        var status: Int32
        var output: String
        var error: String
    }

    static func path(_ name: String) -> String? {
        let places = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin"
        return places.split(separator: ":").map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
    }

    struct Absent: Error { var name: String }

    /// Where programs are waited for. One that waits for what another does must not keep that one from starting, so there are more
    /// threads than all tests at once have programs; NIO's own pool has as many as the machine has cores.
    private static let waiting: NIOThreadPool = {
        let pool = NIOThreadPool(numberOfThreads: 64)
        pool.start()
        return pool
    }()

    /// Runs a program to its end, off the tasks' threads.
    static func run(
        _ name: String, _ arguments: [String], environment: [String: String] = [:], input: String? = nil
    ) async throws -> Outcome {
        guard let path = name.contains("/") ? name : path(name) else { throw Absent(name: name) }
        return try await waiting.runIfActive {
            try runBlocking(path, arguments, environment, input)
        }
    }

    private static func runBlocking(
        _ path: String, _ arguments: [String], _ environment: [String: String], _ input: String?
    ) throws -> Outcome {
        let directory = try ScratchDirectory()
        let (out, err, inp) = ("\(directory.path)/out", "\(directory.path)/err", "\(directory.path)/in")
        try ScratchDirectory.write(input ?? "", to: inp)
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, inp, O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, out, O_WRONLY | O_CREAT, 0o600)
        posix_spawn_file_actions_addopen(&actions, 2, err, O_WRONLY | O_CREAT, 0o600)
        var variables = ["PATH": getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin"]
        variables.merge(environment) { $1 }
        var argv = ([path] + arguments).map { strdup($0) } + [nil]
        var envp = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for text in argv + envp { free(text) } }
        var pid: pid_t = 0
        let code = posix_spawn(&pid, path, &actions, nil, &argv, &envp)
        guard code == 0 else { throw Absent(name: path) }
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        let exit = status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + status & 0x7F
        return Outcome(status: exit, output: ScratchDirectory.read(out), error: ScratchDirectory.read(err))
    }
}

/// A directory of a test's own with whatever is put in it, gone with the value.
final class ScratchDirectory: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/tulle-scratch-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Loopback.Refused(errno: errno) }
        path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    // Only what this test made is in it; nftw is a macro's child in this C library, and Foundation is not here.
    deinit { _ = system("rm -rf '\(path)'") }

    func file(_ name: String, _ text: String, mode: mode_t = 0o600) throws -> String {
        try Self.write(text, to: "\(path)/\(name)")
        chmod("\(path)/\(name)", mode)
        return "\(path)/\(name)"
    }

    static func write(_ text: String, to path: String) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        defer { close(descriptor) }
        let bytes = Array(text.utf8)
        guard descriptor >= 0, Glibc.write(descriptor, bytes, bytes.count) == bytes.count else {
            throw Loopback.Refused(errno: errno)
        }
    }

    static func read(_ path: String) -> String { String(decoding: bytes(path), as: UTF8.self) }

    static func bytes(_ path: String) -> [UInt8] {
        let descriptor = open(path, O_RDONLY)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var (bytes, buffer): ([UInt8], [UInt8]) = ([], [UInt8](repeating: 0, count: 65536))
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            guard count > 0 else { return bytes }
            bytes += buffer[..<count]
        }
    }

    /// A key and a certificate for 127.0.0.1 that signs itself, made by the `openssl` program.
    func identity() throws -> TLSIdentity {
        let command =
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=tulle "
            + "-addext subjectAltName=IP:127.0.0.1,DNS:localhost -keyout '\(path)/key.pem' -out '\(path)/cert.pem' 2>/dev/null"
        guard system(command) == 0 else { throw Program.Absent(name: "openssl") }
        return try TLSIdentity(certificates: Self.bytes("\(path)/cert.pem"), key: Self.bytes("\(path)/key.pem"))
    }
}
