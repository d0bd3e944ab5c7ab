/// A whole DNS message as a value (RFC 1035 §4), with its EDNS part taken out of the additional section.
///
/// For messages that are looked at or passed on. A name server's own answers are written by ``Answering`` without one of these.
public struct Message: Hashable, Sendable {
    public var header: Header
    public var questions: [Question]
    public var answers: [Record]
    public var authorities: [Record]
    /// Without the OPT record.
    public var additionals: [Record]
    public var edns: EDNS?

    public init(
        _ header: Header, questions: [Question] = [], answers: [Record] = [], authorities: [Record] = [],
        additionals: [Record] = [], edns: EDNS? = nil
    ) {
        (self.header, self.questions, self.edns) = (header, questions, edns)
        (self.answers, self.authorities, self.additionals) = (answers, authorities, additionals)
    }

    /// A query as a resolver sends it.
    public static func query(_ question: Question, id: UInt16, isRecursionDesired: Bool = true, edns: EDNS? = nil) -> Message {
        var header = Header(id: id)
        header.isRecursionDesired = isRecursionDesired
        return Message(header, questions: [question], edns: edns)
    }

    /// All twelve bits. The upper eight need an EDNS part: setting one without it keeps the lower four only.
    public var responseCode: ResponseCode {
        get { ResponseCode(rawValue: UInt16(edns?.highResponseCode ?? 0) << 4 | header.lowResponseCode) }
        set {
            header.lowResponseCode = newValue.rawValue
            edns?.highResponseCode = UInt8(truncatingIfNeeded: newValue.rawValue >> 4)
        }
    }
}

extension Message: CustomStringConvertible {
    /// A line for each question and record, sections apart, as `dig` orders them.
    public var description: String {
        let flags = [
            ("qr", header.isResponse), ("aa", header.isAuthoritative), ("tc", header.isTruncated),
            ("rd", header.isRecursionDesired),
            ("ra", header.isRecursionAvailable), ("ad", header.isAuthenticData), ("cd", header.isCheckingDisabled),
        ].filter(\.1).map(\.0)
        var lines = ["id \(header.id) opcode \(header.opcode.rawValue) \(responseCode) flags \(flags.joined(separator: " "))"]
        if let edns { lines.append("edns version \(edns.version) udp \(edns.udpSize)\(edns.isDNSSECWanted ? " do" : "")") }
        lines += questions.map { "question \($0)" }
        lines += answers.map { "answer \($0)" }
        lines += authorities.map { "authority \($0)" }
        lines += additionals.map { "additional \($0)" }
        return lines.joined(separator: "\n")
    }
}
