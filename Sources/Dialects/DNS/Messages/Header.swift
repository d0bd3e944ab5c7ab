/// The first four bytes of a message: its id and its flags (RFC 1035 §4.1.1, RFC 4035 §3.1.6 for AD and CD).
public struct Header: Hashable, Sendable {
    public var id: UInt16
    /// All sixteen bits as they stand in the message.
    public var flags: UInt16

    public init(id: UInt16, flags: UInt16 = 0) {
        (self.id, self.flags) = (id, flags)
    }

    /// Bytes of a message's header, counts included.
    public static let size = 12

    /// QR
    public var isResponse: Bool {
        get { self[0x8000] }
        set { self[0x8000] = newValue }
    }
    /// AA
    public var isAuthoritative: Bool {
        get { self[0x0400] }
        set { self[0x0400] = newValue }
    }
    /// TC
    public var isTruncated: Bool {
        get { self[0x0200] }
        set { self[0x0200] = newValue }
    }
    /// RD
    public var isRecursionDesired: Bool {
        get { self[0x0100] }
        set { self[0x0100] = newValue }
    }
    /// RA
    public var isRecursionAvailable: Bool {
        get { self[0x0080] }
        set { self[0x0080] = newValue }
    }
    /// AD
    public var isAuthenticData: Bool {
        get { self[0x0020] }
        set { self[0x0020] = newValue }
    }
    /// CD
    public var isCheckingDisabled: Bool {
        get { self[0x0010] }
        set { self[0x0010] = newValue }
    }

    public var opcode: Opcode {
        get { Opcode(rawValue: UInt8(flags >> 11 & 0xF)) }
        set { flags = flags & ~0x7800 | UInt16(newValue.rawValue & 0xF) << 11 }
    }

    /// The four bits of the response code that stand here; EDNS carries the other eight.
    var lowResponseCode: UInt16 {
        get { flags & 0xF }
        set { flags = flags & ~0xF | newValue & 0xF }
    }

    private subscript(_ bit: UInt16) -> Bool {
        get { flags & bit != 0 }
        set { flags = newValue ? flags | bit : flags & ~bit }
    }
}

/// What a message wants (RFC 6895 §2.2): four bits.
public struct Opcode: RawRepresentable, Hashable, Sendable {
    public var rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let query = Opcode(rawValue: 0)
    public static let status = Opcode(rawValue: 2)
    public static let notify = Opcode(rawValue: 4)
    public static let update = Opcode(rawValue: 5)
}

/// How a query ended (RFC 6895 §2.3): twelve bits, of which the upper eight need EDNS.
public struct ResponseCode: RawRepresentable, Hashable, Sendable {
    public var rawValue: UInt16
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    public static let noError = ResponseCode(rawValue: 0)
    public static let formatError = ResponseCode(rawValue: 1)
    public static let serverFailure = ResponseCode(rawValue: 2)
    public static let nameError = ResponseCode(rawValue: 3)
    public static let notImplemented = ResponseCode(rawValue: 4)
    public static let refused = ResponseCode(rawValue: 5)
    public static let notAuthoritative = ResponseCode(rawValue: 9)
    public static let badVersion = ResponseCode(rawValue: 16)
    public static let badCookie = ResponseCode(rawValue: 23)
}

extension ResponseCode: CustomStringConvertible {
    private static let names: [UInt16: String] = [
        0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 9: "NOTAUTH", 16: "BADVERS",
        23: "BADCOOKIE",
    ]
    /// The field's word: `NXDOMAIN`.
    public var description: String { Self.names[rawValue] ?? "RCODE\(rawValue)" }
}
