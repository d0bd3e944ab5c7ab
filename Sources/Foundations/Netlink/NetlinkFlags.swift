/// The flags of a netlink header (`include/uapi/linux/netlink.h`). Some numbers mean one thing in a `NEW` request and another in
/// a `GET` or `DEL` request; the names say which.
public struct NetlinkFlags: OptionSet, Hashable, Sendable {
    public let rawValue: UInt16

    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// `NLM_F_REQUEST`
    public static let request = NetlinkFlags(rawValue: 0x1)
    /// `NLM_F_MULTI`
    public static let multipart = NetlinkFlags(rawValue: 0x2)
    /// `NLM_F_ACK`
    public static let acknowledge = NetlinkFlags(rawValue: 0x4)
    /// `NLM_F_ECHO`
    public static let echo = NetlinkFlags(rawValue: 0x8)
    /// `NLM_F_DUMP_INTR`: the collection changed while it was dumped.
    public static let dumpInterrupted = NetlinkFlags(rawValue: 0x10)
    /// `NLM_F_ROOT | NLM_F_MATCH`, of a GET request.
    public static let dump = NetlinkFlags(rawValue: 0x300)
    /// `NLM_F_REPLACE`, of a NEW request.
    public static let replace = NetlinkFlags(rawValue: 0x100)
    /// `NLM_F_EXCL`, of a NEW request: an existing object is an error.
    public static let exclusive = NetlinkFlags(rawValue: 0x200)
    /// `NLM_F_CREATE`, of a NEW request.
    public static let create = NetlinkFlags(rawValue: 0x400)
    /// `NLM_F_APPEND`, of a NEW request.
    public static let append = NetlinkFlags(rawValue: 0x800)
    /// `NLM_F_ACK_TLVS`, of an answer: extended acknowledgement attributes follow.
    static let extendedAcknowledgement = NetlinkFlags(rawValue: 0x200)
    /// `NLM_F_CAPPED`, of an answer: the request's payload was cut off.
    static let capped = NetlinkFlags(rawValue: 0x100)
}
