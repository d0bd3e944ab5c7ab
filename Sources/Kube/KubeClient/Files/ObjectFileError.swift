internal import FoundationEssentials

/// Why files give no objects at all.
public struct ObjectFileError: Error, Sendable {
    public struct Code: Hashable, Sendable {
        private enum Base { case unreadable, syntax }
        private let base: Base

        /// The file system refused.
        public static let unreadable = Code(base: .unreadable)
        /// It is no YAML or JSON.
        public static let syntax = Code(base: .syntax)
    }

    public var code: Code
    public var path: String
    public var line: Int?
    public var message: String
    public var cause: (any Error)?

    init(_ code: Code, path: String, line: Int?, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.path = path
        self.line = line
        self.message = message
        self.cause = cause
    }
}

extension ObjectFileError: CustomStringConvertible {
    /// `pods.yaml, line 3: reading YAML, document 1: …`.
    public var description: String { "\(path)\(line.map { ", line \($0)" } ?? ""): \(message)" }
}

/// What the file system answered, without Foundation's prose around it.
enum FileFault {
    static func text(_ error: any Error) -> String {
        guard let error = error as? CocoaError else { return "\(error)" }
        switch error.code {
        case .fileReadNoSuchFile, .fileNoSuchFile: return "no such file or directory"
        case .fileReadNoPermission: return "permission denied"
        default: return (error.underlying as? POSIXError).map { "\($0.code)" } ?? "file error \(error.code.rawValue)"
        }
    }
}
