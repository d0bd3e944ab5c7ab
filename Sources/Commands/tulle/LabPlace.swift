import ArgumentParser
import Glibc
import Lab
import Logging

/// Which lab is meant.
struct LabPlace: ParsableArguments {
    @Option(help: ArgumentHelp("The lab's name, when there are several.", valueName: "name"))
    var name = "lab"

    @Option(help: ArgumentHelp("Where everything of the lab is kept. [default: /run/tulle-lab/<name>]", valueName: "path"))
    var directory: String?

    func validate() throws {
        if directory?.isEmpty == true { throw ValidationError("--directory needs a path") }
    }

    var lab: LabDirectory {
        guard let directory else { return LabDirectory(name: name) }
        return LabDirectory(directory.hasPrefix("/") ? directory : "\(Self.workingDirectory)/\(directory)")
    }

    private static var workingDirectory: String {
        guard let path = getcwd(nil, 0) else { return "" }
        defer { free(path) }
        return String(cString: path)
    }
}

/// What ends a command of the lab: one line, and a code that means one thing.
enum LabExit {
    static let codes = """
        Exit codes: 0 done, 1 it could not be done, 3 the lab is up already, 4 it is not up, 5 no such node, pod or container, \
        64 wrong usage, 69 the kernel lacks something, 71 a limit is too low, 73 the directory cannot be used, 75 the port is in \
        use, 77 not root, 130 interrupted.
        """

    static func code(_ error: any Error) -> Int32 {
        switch (error as? LabError)?.code {
        case .alreadyUp: 3
        case .notUp: 4
        case .unknown: 5
        case .settingsRefused: 64
        case .kernelLacks: 69
        case .limitTooLow: 71
        case .stateUnusable: 73
        case .portInUse: 75
        default: 1
        }
    }

    /// Says it, and gives what to throw.
    static func said(_ error: any Error, by command: String) -> any Error {
        if error is ExitCode { return error }
        if error is CancellationError { return ExitCode(130) }
        FileHandles.complain("tulle lab \(command): \(error)")
        return ExitCode(code(error))
    }

    /// Runs a command of the lab: as root, and with its errors said.
    static func running<Value>(_ command: String, _ body: () async throws -> Value) async throws -> Value {
        guard geteuid() == 0 else { throw Exit.needsRoot("tulle lab") }
        signal(SIGPIPE, SIG_IGN)
        do {
            return try await body()
        } catch {
            throw said(error, by: command)
        }
    }
}

extension FileHandles {
    static func say(_ text: String) { _ = write(Array((text + "\n").utf8)) }

    /// To standard output; false when nobody reads it any more.
    static func write(_ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    /// Columns of the terminal on standard output; `nil` when it is none.
    static var width: Int? {
        var size = winsize()
        return ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : nil
    }

    /// What comes next; `nil` at the end.
    static func read(_ descriptor: Int32) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            return count > 0 ? Array(buffer[..<count]) : nil
        }
    }
}

enum Programs {
    /// Where this program lies: the others lie beside it.
    static var directory: String {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
        guard count > 0 else { return "." }
        let path = String(decoding: buffer.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self)
        return String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)])
    }
}
