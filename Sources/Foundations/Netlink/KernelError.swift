/// The kernel refused something: what we tried on which object, its number, and its own words where it gave any.
public struct KernelError: Error, Hashable, Sendable {
    public var code: Errno
    /// What was tried, on which object: `add route 10.244.2.0/24`.
    public var operation: String
    /// The kernel's extended acknowledgement (`NLMSGERR_ATTR_MSG`): `Nexthop has invalid gateway`.
    public var explanation: String?
    /// Where in the request the kernel found the fault (`NLMSGERR_ATTR_OFFS`), bytes from the start of the message.
    public var offset: Int?
    /// What to do about it, where we know.
    public var remedy: String?

    public init(
        _ code: Errno, _ operation: String, explanation: String? = nil, offset: Int? = nil, remedy: String? = nil
    ) {
        self.code = code
        self.operation = operation
        self.explanation = explanation
        self.offset = offset
        self.remedy = remedy
    }

    /// The same refusal, said of a larger operation.
    public func during(_ operation: String) -> KernelError {
        KernelError(code, "\(operation): \(self.operation)", explanation: explanation, offset: offset, remedy: remedy)
    }

    /// Why, without what was tried: the number's words, the kernel's own, and what to do.
    public var words: String {
        "\(code)" + (explanation.map { " (kernel: \($0))" } ?? "") + (remedy.map { "; \($0)" } ?? "")
    }
}

extension KernelError: CustomStringConvertible {
    public var description: String {
        "\(operation): \(words)"
    }
}
