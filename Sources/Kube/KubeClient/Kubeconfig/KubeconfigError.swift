/// Why a kubeconfig leads to no server.
public struct KubeconfigError: Error, Sendable {
    public struct Code: Hashable, Sendable {
        private enum Base { case unreadable, syntax, field, missing, unsupported, unwritable }
        private let base: Base

        /// A file that is needed cannot be read.
        public static let unreadable = Code(base: .unreadable)
        /// It is no YAML or JSON.
        public static let syntax = Code(base: .syntax)
        /// A field has a value that it cannot have.
        public static let field = Code(base: .field)
        /// There is no such context, cluster or user.
        public static let missing = Code(base: .missing)
        /// It asks for something that is not done here, such as a login plugin.
        public static let unsupported = Code(base: .unsupported)
        public static let unwritable = Code(base: .unwritable)
    }

    public var code: Code
    /// The file, or the context when it is known by then: `context "lab"`.
    public var origin: String
    public var message: String
    public var cause: (any Error)?

    init(_ code: Code, _ origin: String, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.origin = origin
        self.message = message
        self.cause = cause
    }
}

extension KubeconfigError: CustomStringConvertible {
    /// `kubeconfig admin.conf, line 3: clusters[0].cluster.server: Required value`.
    public var description: String { "\(origin): \(message)" }
}

/// Lets a `catch` match by code: `catch KubeconfigError.Code.missing`.
public func ~= (code: KubeconfigError.Code, error: any Error) -> Bool { (error as? KubeconfigError)?.code == code }
