import ArgumentParser
import Glibc

/// What the program says when it cannot start, and with which code it ends. Each code means one thing.
enum Exit {
    /// 77, as `sysexits.h` says for a lack of rights.
    ///
    /// - Parameter reason: why, as a clause.
    static func needsRoot(_ command: String, _ reason: String = "it makes network namespaces and links") -> ExitCode {
        FileHandles.complain("\(command): needs root, because \(reason); run it as root or with sudo")
        return ExitCode(77)
    }
}

enum FileHandles {
    static func complain(_ text: String) {
        let bytes = Array((text + "\n").utf8)
        _ = Glibc.write(STDERR_FILENO, bytes, bytes.count)
    }
}
