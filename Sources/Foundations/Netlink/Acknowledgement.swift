import CLinux

/// The kernel's last word on a request: `NLMSG_ERROR` or `NLMSG_DONE`.
public struct Acknowledgement: Sendable {
    /// `nil` when the request was carried out.
    public var code: Errno?
    public var explanation: String?
    public var offset: Int?

    /// `nil` when the message is data.
    public init?(_ message: Message) {
        let isError = message.type == UInt16(NLMSG_ERROR)
        guard isError || message.type == UInt16(NLMSG_DONE) else { return nil }
        let number = message.read(Int32.self, at: 0)
        if number != 0 { code = Errno(rawValue: -number) }
        guard message.flags.contains(.extendedAcknowledgement) else { return }
        // Behind the number comes, in an error, the request's header, and its payload unless capped.
        var skip = 4
        if isError {
            let capped = message.flags.contains(.capped)
            skip += capped ? MessageWriter.headerSize : Int(message.read(UInt32.self, at: 4))
        }
        for attribute in message.attributes(after: skip) {
            switch attribute.type {
            case UInt16(NLMSGERR_ATTR_MSG.rawValue): explanation = attribute.text
            case UInt16(NLMSGERR_ATTR_OFFS.rawValue): offset = attribute.number(UInt32.self).map(Int.init)
            default: break
            }
        }
    }

    /// The refusal as an error; `nil` when there is none.
    public func error(for operation: String) -> KernelError? {
        code.map { KernelError($0, operation, explanation: explanation, offset: offset) }
    }
}
