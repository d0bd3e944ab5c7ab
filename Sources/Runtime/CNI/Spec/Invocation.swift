/// One call of the plugin, read and judged: what the runtime asks, about which attachment, with which configuration.
///
/// The courier judges before it carries, so that a bad call is answered although the agent is away; the agent judges again.
public struct Invocation: Hashable, Sendable {
    public var operation: Operation
    /// The path of the pod's network namespace as the *runtime* sees it; `nil` when a DEL comes without one.
    public var namespacePath: String?
    /// `CNI_ARGS`.
    public var arguments: Arguments
    public var configuration: NetworkConfiguration

    public enum Operation: Hashable, Sendable {
        case add(Attachment)
        case delete(Attachment)
        case check(Attachment)
        /// Everything that is not in the list goes.
        case collectGarbage(valid: [Attachment])
        case status
    }
}

extension Invocation {
    /// Reads a call of any verb but VERSION, which has no configuration.
    public init(environment: Variables, input: [UInt8]) throws(Failure) {
        let verb = try Self.verb(in: environment)
        let attachment = try Self.attachment(in: environment, for: verb)
        let namespacePath =
            verb == .add || verb == .check ? try environment.required(.namespace, for: verb) : environment[.namespace]
        let arguments = try Arguments(environment[.arguments] ?? "")
        let configuration = try NetworkConfiguration(reading: input)
        guard configuration.version >= verb.since else {
            throw Failure(
                .incompatibleVersion, "\(verb.rawValue) came with version \(verb.since.rawValue)",
                details: "the configuration says cniVersion \(configuration.version.rawValue)")
        }
        if verb == .check, try configuration.previousResult == nil {
            throw Failure(.badConfiguration, "CHECK needs prevResult, and the configuration has none")
        }
        self.init(
            operation: try Self.operation(verb, attachment, configuration), namespacePath: namespacePath, arguments: arguments,
            configuration: configuration)
    }

    /// - Throws: when `CNI_COMMAND` is not set, or no verb.
    public static func verb(in environment: Variables) throws(Failure) -> Verb {
        guard let text = environment[.command] else {
            throw Failure(
                .badEnvironment, "CNI_COMMAND is not set", details: "a container runtime sets it; \(Verb.list)")
        }
        guard let verb = Verb(rawValue: text) else {
            throw Failure(
                .badEnvironment, "CNI_COMMAND “\(text)” is no command of the specification", details: Verb.list)
        }
        return verb
    }

    public var verb: Verb {
        switch operation {
        case .add: .add
        case .delete: .delete
        case .check: .check
        case .collectGarbage: .collectGarbage
        case .status: .status
        }
    }

    /// The attachment the call is about; GC and STATUS have none.
    public var attachment: Attachment? {
        switch operation {
        case .add(let attachment), .delete(let attachment), .check(let attachment): attachment
        case .collectGarbage, .status: nil
        }
    }
}

extension Invocation {
    private static func attachment(in environment: Variables, for verb: Verb) throws(Failure) -> Attachment? {
        guard verb == .add || verb == .delete || verb == .check else { return nil }
        return try Attachment(
            containerID: environment.required(.containerID, for: verb), interface: environment.required(.interface, for: verb))
    }

    private static func operation(
        _ verb: Verb, _ attachment: Attachment?, _ configuration: NetworkConfiguration
    ) throws(Failure) -> Operation {
        switch (verb, attachment) {
        case (.add, let attachment?): return .add(attachment)
        case (.delete, let attachment?): return .delete(attachment)
        case (.check, let attachment?): return .check(attachment)
        case (.collectGarbage, _): return .collectGarbage(valid: try configuration.validAttachments())
        case (.status, _): return .status
        default: throw Failure(.badEnvironment, "CNI_COMMAND \(verb.rawValue) has no configuration")
        }
    }
}
