/// Why the lab could not do something: what was tried, on what, and what came of it.
public struct LabError: Error, Hashable, Sendable {
    public var code: Code
    public var message: String
    /// What a person can do; empty when that is not known.
    public var remedy: String

    public init(_ code: Code, _ message: String, remedy: String = "") {
        self.code = code
        self.message = message
        self.remedy = remedy
    }

    public enum Code: Hashable, Sendable {
        /// A program that belongs to Tulle is not where it should be.
        case programMissing
        /// A process ended, or did not do what it is there for.
        case processFailed
        /// A directory cannot be made, or its path is too long.
        case directoryUnusable
        /// The objects do not make a lab.
        case objectsUnusable
        /// The plugin answered with an error.
        case attachmentFailed
        /// Nothing came back.
        case unanswered
        /// Something of the host is not as it was before.
        case hostChanged
        /// Somebody asked us to stop.
        case interrupted
    }
}

extension LabError: CustomStringConvertible {
    public var description: String { remedy.isEmpty ? message : "\(message); \(remedy)" }
}
