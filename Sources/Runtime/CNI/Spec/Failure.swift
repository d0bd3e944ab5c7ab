/// Why an invocation did not succeed, as the runtime reads it.
public struct Failure: Error, Hashable, Sendable {
    public var code: Code
    /// A sentence for the runtime's log and the pod's events.
    public var message: String
    /// What the kernel or the agent answered, and what to do.
    public var details: String

    public init(_ code: Code, _ message: String, details: String = "") {
        self.code = code
        self.message = message
        self.details = details
    }

    /// 0 to 99 belong to the specification (§5, Error).
    public struct Code: RawRepresentable, Hashable, Sendable {
        public let rawValue: Int

        public init(rawValue: Int) { self.rawValue = rawValue }

        public static let incompatibleVersion = Code(rawValue: 1)
        /// The message holds the key and the value of the field.
        public static let unsupportedField = Code(rawValue: 2)
        /// The runtime need not clean up after it.
        public static let unknownContainer = Code(rawValue: 3)
        /// The message holds the names of the variables.
        public static let badEnvironment = Code(rawValue: 4)
        public static let inputOutput = Code(rawValue: 5)
        public static let undecodable = Code(rawValue: 6)
        public static let badConfiguration = Code(rawValue: 7)
        /// Something passing: the runtime calls again.
        public static let tryAgainLater = Code(rawValue: 11)
        /// To STATUS: no ADD can be served.
        public static let unavailable = Code(rawValue: 50)
        /// To STATUS: no ADD can be served, and pods that run may have lost connections.
        public static let unavailableAndDegraded = Code(rawValue: 51)
        /// Ours: a pod's network could not be made as asked, and trying again will not help.
        public static let refused = Code(rawValue: 100)
        /// Ours: CHECK found the pod's network other than it was made.
        public static let differs = Code(rawValue: 101)
    }
}

extension Failure: CustomStringConvertible {
    public var description: String { details.isEmpty ? message : "\(message): \(details)" }
}

extension Failure {
    /// The error document of the specification.
    public func json(_ version: SpecVersion) -> SmallJSON {
        var document: SmallJSON = [
            "cniVersion": .string(version.rawValue),
            "code": .number(String(code.rawValue)),
            "msg": .string(message),
        ]
        if !details.isEmpty { document["details"] = .string(details) }
        return document
    }

    /// Reads an error document, as the lab and tests do.
    public init?(json document: SmallJSON) {
        guard let code = document["code"]?.integer, let message = document["msg"]?.string else { return nil }
        self.init(Code(rawValue: code), message, details: document["details"]?.string ?? "")
    }
}
