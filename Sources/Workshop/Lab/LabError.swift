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

    public enum Code: String, Hashable, Sendable {
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
        /// What was asked for makes no lab.
        case settingsRefused
        /// The directory of a lab cannot be used.
        case stateUnusable
        case alreadyUp
        case notUp
        /// Somebody else listens there.
        case portInUse
        /// The kernel was built without something, or a module of it is missing.
        case kernelLacks
        /// The machine allows fewer open files than a lab needs.
        case limitTooLow
        /// It lost what only a new start brings back.
        case startAgain
        /// There is no node, pod or container of that name.
        case unknown
        /// Somebody asked us to stop.
        case interrupted
    }
}

extension LabError: CustomStringConvertible {
    public var description: String { remedy.isEmpty ? message : "\(message); \(remedy)" }
}
