internal import Addressing

extension RecordData {
    /// Reads the data of a record from the cursor to its end, which is the end of the data; all of it must be used.
    init(_ type: RecordType, _ cursor: inout Cursor, _ bytes: Span<UInt8>) throws(MessageError) {
        let start = cursor.position
        self = try Self.read(type, &cursor, bytes)
        guard cursor.position == cursor.end else { throw MessageError(.dataLength, at: start) }
    }

    private static func read(
        _ type: RecordType, _ cursor: inout Cursor, _ bytes: Span<UInt8>
    ) throws(MessageError) -> RecordData {
        switch type {
        case .a: return .a(IPv4Address(rawValue: try cursor.long(bytes)))
        case .aaaa:
            var number: UInt128 = 0
            for _ in 0..<4 { number = number << 32 | UInt128(try cursor.long(bytes)) }
            return .aaaa(IPv6Address(rawValue: number))
        case .ns: return .ns(try cursor.name(bytes))
        case .cname: return .cname(try cursor.name(bytes))
        case .ptr: return .ptr(try cursor.name(bytes))
        case .soa: return .soa(try StartOfAuthority(&cursor, bytes))
        case .mx: return .mx(MailExchange(preference: try cursor.short(bytes), exchange: try cursor.name(bytes)))
        case .txt: return .txt(try strings(&cursor, bytes))
        // Written uncompressed (RFC 2782), but senders of old compress and receivers must understand (RFC 3597 §4).
        case .srv:
            let (priority, weight, port) = (try cursor.short(bytes), try cursor.short(bytes), try cursor.short(bytes))
            return .srv(ServiceLocation(priority: priority, weight: weight, port: port, target: try cursor.name(bytes)))
        case .naptr: return .naptr(try NamingAuthority(&cursor, bytes))
        case .caa: return .caa(try IssuePermission(&cursor, bytes))
        case .svcb: return .svcb(try ServiceBinding(&cursor, bytes))
        case .https: return .https(try ServiceBinding(&cursor, bytes))
        default: return .opaque(type, try opaque(type, &cursor, bytes))
        }
    }

    /// One string at least.
    private static func strings(_ cursor: inout Cursor, _ bytes: Span<UInt8>) throws(MessageError) -> [[UInt8]] {
        var strings: [[UInt8]] = []
        repeat { strings.append(try cursor.string(bytes)) } while cursor.position < cursor.end
        return strings
    }
}

// MARK: - Opaque

extension RecordData {
    /// A field of an old type, as far as it must be known to pass the type on.
    private enum Field {
        case bytes(Int)
        case name
        case rest
    }

    /// Types whose data may come with compressed names though we do not read them (RFC 3597 §4): MD, MF, MB, MG, MR, MINFO, RP,
    /// AFSDB, RT, SIG, PX, NXT, KX. A pointer kept as bytes would lead astray in another message.
    private static let layouts: [UInt16: [Field]] = [
        3: [.name], 4: [.name], 7: [.name], 8: [.name], 9: [.name], 14: [.name, .name], 17: [.name, .name],
        18: [.bytes(2), .name], 21: [.bytes(2), .name], 24: [.bytes(18), .name, .rest], 26: [.bytes(2), .name, .name],
        30: [.name, .rest], 36: [.bytes(2), .name],
    ]

    private static func opaque(_ type: RecordType, _ cursor: inout Cursor, _ bytes: Span<UInt8>) throws(MessageError) -> [UInt8] {
        guard let layout = layouts[type.rawValue] else { return cursor.rest(bytes) }
        var data: [UInt8] = []
        for field in layout {
            switch field {
            case .bytes(let count): data += try cursor.run(bytes, count: count)
            case .name: data += try cursor.name(bytes).wire
            case .rest: data += cursor.rest(bytes)
            }
        }
        return data
    }
}

// MARK: - Records of several fields

extension StartOfAuthority {
    fileprivate init(_ cursor: inout Cursor, _ bytes: Span<UInt8>) throws(MessageError) {
        primary = try cursor.name(bytes)
        mailbox = try cursor.name(bytes)
        serial = try cursor.long(bytes)
        refresh = try cursor.long(bytes)
        retry = try cursor.long(bytes)
        expire = try cursor.long(bytes)
        minimum = try cursor.long(bytes)
    }
}

extension NamingAuthority {
    fileprivate init(_ cursor: inout Cursor, _ bytes: Span<UInt8>) throws(MessageError) {
        order = try cursor.short(bytes)
        preference = try cursor.short(bytes)
        flags = try cursor.string(bytes)
        services = try cursor.string(bytes)
        expression = try cursor.string(bytes)
        replacement = try cursor.name(bytes)
    }
}

extension IssuePermission {
    fileprivate init(_ cursor: inout Cursor, _ bytes: Span<UInt8>) throws(MessageError) {
        let start = cursor.position
        flags = try cursor.byte(bytes)
        tag = try cursor.string(bytes)
        guard !tag.isEmpty else { throw MessageError(.dataLength, at: start) }
        value = cursor.rest(bytes)
    }
}

extension ServiceBinding {
    fileprivate init(_ cursor: inout Cursor, _ bytes: Span<UInt8>) throws(MessageError) {
        priority = try cursor.short(bytes)
        // RFC 9460 §2.2: uncompressed, and keys strictly ascending or the record is malformed.
        target = try cursor.name(bytes, mayPoint: false)
        parameters = []
        while cursor.position < cursor.end {
            let start = cursor.position
            let key = try cursor.short(bytes)
            if let last = parameters.last, last.key >= key { throw MessageError(.parameters, at: start) }
            parameters.append(Parameter(key: key, value: try cursor.run(bytes, count: Int(try cursor.short(bytes)))))
        }
    }
}

extension RecordData {
    /// Data from its wire form with names in full; opaque when it has not the form of its type.
    init(_ type: RecordType, wire: [UInt8]) {
        var cursor = Cursor(position: 0, end: wire.count)
        self = (try? RecordData(type, &cursor, wire.span)) ?? .opaque(type, wire)
    }
}
