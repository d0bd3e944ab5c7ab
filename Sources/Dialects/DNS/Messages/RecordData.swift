public import Addressing

/// What a record says. The cases are the types whose inside is read; all others are opaque bytes, passed on as they came.
public enum RecordData: Hashable, Sendable {
    case a(IPv4Address)
    case aaaa(IPv6Address)
    case ns(DomainName)
    case cname(DomainName)
    case ptr(DomainName)
    case soa(StartOfAuthority)
    case mx(MailExchange)
    /// One or more strings of at most 255 bytes each.
    case txt([[UInt8]])
    case srv(ServiceLocation)
    case naptr(NamingAuthority)
    case caa(IssuePermission)
    case svcb(ServiceBinding)
    case https(ServiceBinding)
    /// Bytes of another type, at most 65,535, without compressed names.
    case opaque(RecordType, [UInt8])

    public var type: RecordType {
        switch self {
        case .a: .a
        case .aaaa: .aaaa
        case .ns: .ns
        case .cname: .cname
        case .ptr: .ptr
        case .soa: .soa
        case .mx: .mx
        case .txt: .txt
        case .srv: .srv
        case .naptr: .naptr
        case .caa: .caa
        case .svcb: .svcb
        case .https: .https
        case .opaque(let type, _): type
        }
    }

    public static func address(_ address: IPAddress) -> RecordData {
        switch address {
        case .v4(let address): .a(address)
        case .v6(let address): .aaaa(address)
        }
    }

    /// A TXT record of one text, cut into strings of at most 255 bytes.
    public static func text(_ text: String) -> RecordData {
        let bytes = Array(text.utf8)
        let cuts = stride(from: 0, to: max(bytes.count, 1), by: 255)
        return .txt(cuts.map { Array(bytes[$0..<min($0 + 255, bytes.count)]) })
    }
}

/// SOA (RFC 1035 §3.3.13). Times are in seconds.
public struct StartOfAuthority: Hashable, Sendable {
    public var primary: DomainName
    /// Whom to write to; the first dot stands for `@`.
    public var mailbox: DomainName
    public var serial: UInt32
    public var refresh: UInt32
    public var retry: UInt32
    public var expire: UInt32
    /// How long "there is no such thing" may be kept (RFC 2308 §4).
    public var minimum: UInt32

    public init(
        primary: DomainName, mailbox: DomainName, serial: UInt32, refresh: UInt32 = 7200, retry: UInt32 = 1800,
        expire: UInt32 = 86400, minimum: UInt32 = 5
    ) {
        (self.primary, self.mailbox, self.serial) = (primary, mailbox, serial)
        (self.refresh, self.retry, self.expire, self.minimum) = (refresh, retry, expire, minimum)
    }

    /// Of a zone that nobody has given one.
    public init(usualOf apex: DomainName) {
        self.init(primary: apex, mailbox: apex.child("hostmaster") ?? apex, serial: 1, minimum: Self.usualMinimum)
    }

    static let usualMinimum: UInt32 = 30
}

/// MX (RFC 1035 §3.3.9).
public struct MailExchange: Hashable, Sendable {
    public var preference: UInt16
    public var exchange: DomainName

    public init(preference: UInt16, exchange: DomainName) {
        (self.preference, self.exchange) = (preference, exchange)
    }
}

/// SRV (RFC 2782).
public struct ServiceLocation: Hashable, Sendable {
    public var priority: UInt16
    public var weight: UInt16
    public var port: UInt16
    /// The root says: there is decidedly no such service here.
    public var target: DomainName

    public init(priority: UInt16 = 0, weight: UInt16 = 100, port: UInt16, target: DomainName) {
        (self.priority, self.weight, self.port, self.target) = (priority, weight, port, target)
    }
}

/// NAPTR (RFC 3403 §4.1). Each string has at most 255 bytes.
public struct NamingAuthority: Hashable, Sendable {
    public var order: UInt16
    public var preference: UInt16
    public var flags: [UInt8]
    public var services: [UInt8]
    public var expression: [UInt8]
    public var replacement: DomainName

    public init(
        order: UInt16, preference: UInt16, flags: [UInt8], services: [UInt8], expression: [UInt8], replacement: DomainName
    ) {
        (self.order, self.preference, self.flags) = (order, preference, flags)
        (self.services, self.expression, self.replacement) = (services, expression, replacement)
    }
}

/// CAA (RFC 8659 §4.1).
public struct IssuePermission: Hashable, Sendable {
    public var flags: UInt8
    /// 1 to 255 bytes.
    public var tag: [UInt8]
    public var value: [UInt8]

    public init(flags: UInt8, tag: [UInt8], value: [UInt8]) {
        (self.flags, self.tag, self.value) = (flags, tag, value)
    }
}

/// SVCB and HTTPS (RFC 9460 §2.2).
public struct ServiceBinding: Hashable, Sendable {
    /// 0 makes it an alias.
    public var priority: UInt16
    /// The root stands for the owner itself.
    public var target: DomainName
    /// In strictly ascending order of their keys.
    public var parameters: [Parameter]

    public struct Parameter: Hashable, Sendable {
        public var key: UInt16
        public var value: [UInt8]

        public init(key: UInt16, value: [UInt8]) { (self.key, self.value) = (key, value) }
    }

    public init(priority: UInt16, target: DomainName, parameters: [Parameter] = []) {
        (self.priority, self.target, self.parameters) = (priority, target, parameters)
    }
}
