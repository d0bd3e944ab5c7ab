internal import Addressing

extension RecordData {
    /// Reads the data of a record from the words behind its type.
    init(_ type: RecordType, _ words: inout ZoneFileWords, origin: DomainName) throws(ZoneFile.Fault) {
        if let word = words.peek, word.text == "\\#", !word.isQuoted {
            self = try Self.generic(type, &words)
            return
        }
        switch type {
        case .a: self = .a(try Self.address("an IPv4 address", &words, IPv4Address.init))
        case .aaaa: self = .aaaa(try Self.address("an IPv6 address", &words, IPv6Address.init))
        case .ns: self = .ns(try words.takeName(origin))
        case .cname: self = .cname(try words.takeName(origin))
        case .ptr: self = .ptr(try words.takeName(origin))
        case .dname: self = .opaque(.dname, try words.takeName(origin).wire)
        case .soa: self = .soa(try StartOfAuthority(&words, origin))
        case .mx: self = .mx(MailExchange(preference: try words.takeNumber("a preference"), exchange: try words.takeName(origin)))
        case .txt:
            var strings: [[UInt8]] = []
            repeat { strings.append(try words.takeString("a text")) } while words.peek != nil
            self = .txt(strings)
        case .hinfo:
            let (hardware, system) = (try words.takeString("the kind of machine"), try words.takeString("the operating system"))
            self = .opaque(.hinfo, [UInt8(hardware.count)] + hardware + [UInt8(system.count)] + system)
        case .srv:
            let (priority, weight) = (
                try words.takeNumber("a priority", UInt16.self), try words.takeNumber("a weight", UInt16.self)
            )
            let port = try words.takeNumber("a port", UInt16.self)
            self = .srv(ServiceLocation(priority: priority, weight: weight, port: port, target: try words.takeName(origin)))
        case .naptr: self = .naptr(try NamingAuthority(&words, origin))
        case .caa: self = .caa(try IssuePermission(&words))
        case .ds:
            let tag = try words.takeNumber("a key tag", UInt16.self)
            let numbers = [try words.takeNumber("an algorithm", UInt8.self), try words.takeNumber("a digest type", UInt8.self)]
            self = .opaque(.ds, [UInt8(tag >> 8), UInt8(tag & 255)] + numbers + (try words.takeHexadecimal()))
        case .svcb: self = .svcb(try ServiceBinding(&words, origin))
        case .https: self = .https(try ServiceBinding(&words, origin))
        default:
            guard let word = words.peek else { throw words.missing("the data, as \\# length hexadecimal,") }
            throw word.fault("data of the type \(type) is written as \\# length hexadecimal")
        }
    }

    private static func address<Address>(
        _ what: String, _ words: inout ZoneFileWords, _ read: (String) -> Address?
    ) throws(ZoneFile.Fault) -> Address {
        let word = try words.take(what)
        guard let address = read(word.text) else { throw word.fault("\(word.text) is not \(what)") }
        return address
    }

    /// RFC 3597 §5: of known types too.
    private static func generic(_ type: RecordType, _ words: inout ZoneFileWords) throws(ZoneFile.Fault) -> RecordData {
        let mark = try words.take("\\#")
        let count: UInt16 = try words.takeNumber("a length")
        let bytes = try words.takeHexadecimal()
        guard bytes.count == Int(count) else { throw mark.fault("\(bytes.count) bytes stand here, and the length says \(count)") }
        var cursor = Cursor(position: 0, end: bytes.count)
        do {
            return try RecordData(type, &cursor, bytes.span)
        } catch {
            throw mark.fault("this is no data of the type \(type): \(error.code)")
        }
    }
}

extension StartOfAuthority {
    fileprivate init(_ words: inout ZoneFileWords, _ origin: DomainName) throws(ZoneFile.Fault) {
        let (primary, mailbox) = (try words.takeName(origin), try words.takeName(origin))
        let serial: UInt32 = try words.takeNumber("a serial number")
        let (refresh, retry) = (try words.takeSeconds(), try words.takeSeconds())
        let (expire, minimum) = (try words.takeSeconds(), try words.takeSeconds())
        self.init(
            primary: primary, mailbox: mailbox, serial: serial, refresh: refresh, retry: retry, expire: expire, minimum: minimum)
    }
}

extension NamingAuthority {
    fileprivate init(_ words: inout ZoneFileWords, _ origin: DomainName) throws(ZoneFile.Fault) {
        let (order, preference) = (
            try words.takeNumber("an order", UInt16.self), try words.takeNumber("a preference", UInt16.self)
        )
        let (flags, services) = (try words.takeString("flags"), try words.takeString("services"))
        let expression = try words.takeString("an expression")
        self.init(
            order: order, preference: preference, flags: flags, services: services, expression: expression,
            replacement: try words.takeName(origin))
    }
}

extension IssuePermission {
    fileprivate init(_ words: inout ZoneFileWords) throws(ZoneFile.Fault) {
        let flags: UInt8 = try words.takeNumber("flags")
        guard let word = words.peek else { throw words.missing("a tag") }
        let tag = try words.takeString("a tag")
        guard !tag.isEmpty else { throw word.fault("a tag has one character at least") }
        self.init(flags: flags, tag: tag, value: try words.take("a value").bytes())
    }
}
