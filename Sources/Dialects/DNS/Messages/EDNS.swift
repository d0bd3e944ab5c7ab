public import Addressing

/// The extension part of a message, its OPT pseudo-record (RFC 6891).
public struct EDNS: Hashable, Sendable {
    /// The largest UDP message the sender can take, in bytes; below 512 means 512.
    public var udpSize: UInt16
    public var version: UInt8
    /// The upper eight bits of the response code.
    var highResponseCode: UInt8
    /// All sixteen flags; DO is the highest (RFC 3225).
    public var flags: UInt16
    /// In the order in which they stand, unknown ones too.
    public var options: [Option]

    public init(udpSize: UInt16 = 1232, version: UInt8 = 0, isDNSSECWanted: Bool = false, options: [Option] = []) {
        (self.udpSize, self.version, highResponseCode, flags) = (udpSize, version, 0, isDNSSECWanted ? 0x8000 : 0)
        self.options = options
    }

    /// DO: the sender wants signatures.
    public var isDNSSECWanted: Bool { flags & 0x8000 != 0 }

    /// Bytes in a message: root, type, class, TTL, length, then the options.
    var size: Int { 11 + options.reduce(0) { $0 + 4 + $1.data.count } }

    public struct Option: Hashable, Sendable {
        public var code: Code
        /// At most 65,535 bytes less what else is in the message.
        public var data: [UInt8]

        public init(_ code: Code, _ data: [UInt8]) { (self.code, self.data) = (code, data) }
    }

    public struct Code: RawRepresentable, Hashable, Sendable {
        public var rawValue: UInt16
        public init(rawValue: UInt16) { self.rawValue = rawValue }

        /// RFC 5001
        public static let nameServerIdentifier = Code(rawValue: 3)
        /// RFC 7871
        public static let clientSubnet = Code(rawValue: 8)
        /// RFC 7873
        public static let cookie = Code(rawValue: 10)
        /// RFC 7830
        public static let padding = Code(rawValue: 12)
        /// RFC 8914
        public static let extendedError = Code(rawValue: 15)
    }
}

// MARK: - Options that are understood

extension EDNS.Option {
    /// The network a resolver asks for; `nil` when the option is another or malformed (RFC 7871 §6).
    public var clientSubnet: ClientSubnet? {
        guard code == .clientSubnet, data.count >= 4, data[0] == 0, data[1] == 1 || data[1] == 2 else { return nil }
        let family: IPFamily = data[1] == 1 ? .v4 : .v6
        let (source, scope) = (Int(data[2]), Int(data[3]))
        let bytes = data[4...]
        guard source <= family.bitWidth, scope <= family.bitWidth, bytes.count == (source + 7) / 8 else { return nil }
        let full = Array(bytes) + Array(repeating: 0, count: family.bitWidth / 8 - bytes.count)
        guard let address = IPAddress(bytes: full) else { return nil }
        let prefix = IPPrefix(address, length: source)
        // Bits behind the length must be zero.
        return prefix.address == address ? ClientSubnet(source: prefix, scope: scope) : nil
    }

    public static func clientSubnet(_ subnet: ClientSubnet) -> EDNS.Option {
        let (prefix, family) = (subnet.source, UInt8(subnet.source.family == .v4 ? 1 : 2))
        let bytes = prefix.address.bytes.prefix((prefix.length + 7) / 8)
        return EDNS.Option(.clientSubnet, [0, family, UInt8(prefix.length), UInt8(clamping: subnet.scope)] + bytes)
    }

    /// Client's and server's part; `nil` when the option is another or malformed (RFC 7873 §4).
    public var cookie: (client: [UInt8], server: [UInt8])? {
        guard code == .cookie, data.count == 8 || (16...40).contains(data.count) else { return nil }
        return (Array(data[..<8]), Array(data[8...]))
    }

    /// So many zero bytes.
    public static func padding(_ count: Int) -> EDNS.Option { EDNS.Option(.padding, Array(repeating: 0, count: count)) }

    /// Why, in a number and a text; `nil` when the option is another or malformed (RFC 8914 §2).
    public var extendedError: ExtendedError? {
        guard code == .extendedError, data.count >= 2 else { return nil }
        return ExtendedError(rawValue: UInt16(data[0]) << 8 | UInt16(data[1]), text: String(decoding: data[2...], as: UTF8.self))
    }

    public static func extendedError(_ error: ExtendedError) -> EDNS.Option {
        EDNS.Option(.extendedError, [UInt8(error.rawValue >> 8), UInt8(truncatingIfNeeded: error.rawValue)] + error.text.utf8)
    }
}

/// EDNS client subnet (RFC 7871).
public struct ClientSubnet: Hashable, Sendable {
    public var source: IPPrefix
    /// 0 in queries: bits of the address for which an answer holds.
    public var scope: Int

    public init(source: IPPrefix, scope: Int = 0) { (self.source, self.scope) = (source, scope) }
}

/// A reason beside the response code (RFC 8914 §4).
public struct ExtendedError: Hashable, Sendable {
    public var rawValue: UInt16
    public var text: String

    public init(rawValue: UInt16, text: String = "") { (self.rawValue, self.text) = (rawValue, text) }

    public static let other = ExtendedError(rawValue: 0)
    public static let staleAnswer = ExtendedError(rawValue: 3)
    public static let blocked = ExtendedError(rawValue: 15)
    public static let prohibited = ExtendedError(rawValue: 18)
    public static let notReady = ExtendedError(rawValue: 14)
    public static let notAuthoritative = ExtendedError(rawValue: 20)
    public static let notSupported = ExtendedError(rawValue: 21)
    public static let noReachableAuthority = ExtendedError(rawValue: 22)
    public static let networkError = ExtendedError(rawValue: 23)
}
