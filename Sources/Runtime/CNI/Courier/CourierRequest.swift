/// What a courier carries to the agent.
public struct CourierRequest: Sendable {
    public var environment: Variables
    /// Standard input, as the runtime wrote it.
    public var input: [UInt8]
    /// `CNI_NETNS`, opened where its path means something. Absent for verbs without one, and for a DEL whose namespace is gone.
    public var namespace: NamespaceDescriptor?

    public init(environment: Variables, input: [UInt8], namespace: NamespaceDescriptor? = nil) {
        self.environment = environment
        self.input = input
        self.namespace = namespace
    }

    /// The call, read and judged.
    public var invocation: Invocation {
        get throws(Failure) { try Invocation(environment: environment, input: input) }
    }
}

/// What a courier brings back: its own exit status and standard output.
public struct CourierResponse: Hashable, Sendable {
    /// 0 for success.
    public var status: UInt8
    public var output: [UInt8]

    public init(status: UInt8, output: [UInt8]) {
        self.status = status
        self.output = output
    }

    /// DEL, CHECK, GC and STATUS that went well say nothing.
    public static let done = CourierResponse(status: 0, output: [])

    /// - Parameter previous: what the plugins before us answered; it stays, and ours comes behind it.
    public static func success(
        _ result: AttachmentResult, _ version: SpecVersion, after previous: SmallJSON? = nil
    ) -> Self {
        CourierResponse(status: 0, output: result.json(version, after: previous).bytes)
    }

    public static func failure(_ failure: Failure, _ version: SpecVersion) -> Self {
        CourierResponse(status: 1, output: failure.json(version).bytes)
    }
}
