/// What kind of record is asked for or given. Types without a name here pass through as opaque bytes (RFC 3597).
public struct RecordType: RawRepresentable, Hashable, Sendable {
    public var rawValue: UInt16
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    public static let a = RecordType(rawValue: 1)
    public static let ns = RecordType(rawValue: 2)
    public static let cname = RecordType(rawValue: 5)
    public static let soa = RecordType(rawValue: 6)
    public static let ptr = RecordType(rawValue: 12)
    public static let hinfo = RecordType(rawValue: 13)
    public static let mx = RecordType(rawValue: 15)
    public static let txt = RecordType(rawValue: 16)
    public static let aaaa = RecordType(rawValue: 28)
    public static let srv = RecordType(rawValue: 33)
    public static let naptr = RecordType(rawValue: 35)
    public static let dname = RecordType(rawValue: 39)
    /// A pseudo-record: the message's EDNS part, never data.
    public static let opt = RecordType(rawValue: 41)
    public static let ds = RecordType(rawValue: 43)
    public static let rrsig = RecordType(rawValue: 46)
    public static let nsec = RecordType(rawValue: 47)
    public static let dnskey = RecordType(rawValue: 48)
    public static let nsec3 = RecordType(rawValue: 50)
    public static let svcb = RecordType(rawValue: 64)
    public static let https = RecordType(rawValue: 65)
    public static let tkey = RecordType(rawValue: 249)
    public static let tsig = RecordType(rawValue: 250)
    public static let ixfr = RecordType(rawValue: 251)
    public static let axfr = RecordType(rawValue: 252)
    public static let any = RecordType(rawValue: 255)
    public static let caa = RecordType(rawValue: 257)

    /// Types that only questions or the protocol itself have (RFC 6895 §3.1): 0, OPT and 128 to 255. No zone holds them.
    public var isMeta: Bool { rawValue == 0 || self == .opt || (128...255).contains(rawValue) }
}

extension RecordType: LosslessStringConvertible {
    private static let names: [(RecordType, String)] = [
        (.a, "A"), (.ns, "NS"), (.cname, "CNAME"), (.soa, "SOA"), (.ptr, "PTR"), (.hinfo, "HINFO"), (.mx, "MX"), (.txt, "TXT"),
        (.aaaa, "AAAA"), (.srv, "SRV"), (.naptr, "NAPTR"), (.dname, "DNAME"), (.opt, "OPT"), (.ds, "DS"), (.rrsig, "RRSIG"),
        (.nsec, "NSEC"), (.dnskey, "DNSKEY"), (.nsec3, "NSEC3"), (.svcb, "SVCB"), (.https, "HTTPS"), (.tkey, "TKEY"),
        (.tsig, "TSIG"), (.ixfr, "IXFR"), (.axfr, "AXFR"), (.any, "ANY"), (.caa, "CAA"),
    ]
    private static let byText = Dictionary(uniqueKeysWithValues: names.map { ($0.1, $0.0) })
    private static let byType = Dictionary(uniqueKeysWithValues: names)

    /// Reads a name such as `AAAA`, in either case, or `TYPE65534`.
    public init?(_ description: String) {
        let text = description.uppercased()
        if let known = Self.byText[text] {
            self = known
        } else if let number = genericNumber(text, after: "TYPE") {
            self.init(rawValue: number)
        } else {
            return nil
        }
    }

    public var description: String { Self.byType[self] ?? "TYPE\(rawValue)" }
}

/// Which tree of names is meant; all but one are history.
public struct RecordClass: RawRepresentable, Hashable, Sendable {
    public var rawValue: UInt16
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    public static let internet = RecordClass(rawValue: 1)
    public static let chaos = RecordClass(rawValue: 3)
    public static let none = RecordClass(rawValue: 254)
    public static let any = RecordClass(rawValue: 255)
}

extension RecordClass: LosslessStringConvertible {
    private static let names: [RecordClass: String] = [.internet: "IN", .chaos: "CH", .none: "NONE", .any: "ANY"]

    /// Reads `IN`, `CH`, `NONE`, `ANY` in either case, or `CLASS4711`.
    public init?(_ description: String) {
        let text = description.uppercased()
        if let known = Self.names.first(where: { $0.value == text })?.key {
            self = known
        } else if let number = genericNumber(text, after: "CLASS") {
            self.init(rawValue: number)
        } else {
            return nil
        }
    }

    public var description: String { Self.names[self] ?? "CLASS\(rawValue)" }
}

/// The number in `TYPE123` and `CLASS123` (RFC 3597 §5).
private func genericNumber(_ text: String, after word: String) -> UInt16? {
    guard text.hasPrefix(word), let number = UInt16(text.dropFirst(word.count)) else { return nil }
    return text == word + String(number) ? number : nil
}

/// How long an answer may be kept, in seconds: 0 to 2³¹ − 1. A number with the highest bit set means 0 (RFC 2181 §8).
public struct TimeToLive: Hashable, Comparable, Sendable, ExpressibleByIntegerLiteral, CustomStringConvertible {
    public let seconds: UInt32

    public init(seconds: UInt32) { self.seconds = seconds > UInt32(Int32.max) ? 0 : seconds }
    public init(integerLiteral value: UInt32) { self.init(seconds: value) }

    public static func < (a: Self, b: Self) -> Bool { a.seconds < b.seconds }
    public var description: String { String(seconds) }
}
