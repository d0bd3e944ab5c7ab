import ArgumentParser
import Glibc
import Lab
import Netlink
import UnixSignals

struct WalkCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "walk",
        abstract: "Send packets from pod to pod across two nodes, and show every hop.",
        discussion: """
            Makes the nodes of a file out of network namespaces, starts an agent on each, attaches the pods, lets one ask the \
            other over TCP and UDP and both families, prints where the kernel saw each packet, and takes everything down, also \
            when it is interrupted. In place of the containers' images a small server of its own answers on their ports. What \
            the file has besides Node and Pod objects is named and ignored.

            Examples:
              tulle lab walk examples/two-pods.yaml

            Exit codes: 0 the packets arrived, 1 they did not, 64 wrong usage, 77 not root, 128 + n stopped by signal n.
            """)

    @Argument(help: "A file with two nodes and, on different nodes, a pod that serves and one that asks.")
    var objects: String

    @Option(help: "Where state and logs are kept meanwhile; must not exist. [default: one of its own in /run]")
    var directory: String?

    func validate() throws {
        guard !objects.isEmpty else { throw ValidationError("“” is no path of a file") }
        guard directory?.isEmpty != true else { throw ValidationError("--directory “” is no path") }
    }

    func run() async throws {
        guard geteuid() == 0 else { throw Exit.needsRoot("tulle lab") }
        let interruption = WalkInterruption()
        // Whoever reads our account may end before us: then printing says so, and the walk is taken down.
        signal(SIGPIPE, SIG_IGN)
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm, .sighup)
        async let _: Void = { for await signal in signals { interruption.interrupt(by: signal.rawValue) } }()
        do {
            try await WalkThread().walk(objects, directory, interruption)
        } catch {
            FileHandles.complain("tulle lab walk: \(error)")
            throw ExitCode(interruption.signal.map { 128 + $0 } ?? 1)
        }
    }
}

/// A walk waits for processes and for the kernel; signals must be heard meanwhile, so it has a thread of its own.
private actor WalkThread {
    private let executor = SessionExecutor(name: "walk")
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    func walk(_ objects: String, _ directory: String?, _ interruption: WalkInterruption) throws {
        let walk = try Walk(
            objects: objects, programs: Self.programs, directory: directory, interruption: interruption,
            say: { line in
                guard Self.write(Array("\(line)\n".utf8)) else {
                    interruption.interrupt(by: SIGPIPE)
                    throw LabError(.interrupted, "nobody reads this any more")
                }
            })
        try walk.run()
    }

    /// All bytes to standard output; false when nobody reads them.
    private static func write(_ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    /// Where this program lies: the others lie beside it.
    private static var programs: String {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
        guard count > 0 else { return "." }
        let path = String(decoding: buffer.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self)
        return String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)])
    }
}
