import Addressing
import DNS
import Testing

/// Records as lines: `name [ttl] TYPE data`, names without a dot at their end stand under the origin, `@` is the origin.
struct ZoneLines {
    let origin: DomainName

    init(_ origin: String) throws { self.origin = try #require(DomainName(origin)) }

    func name(_ text: some StringProtocol) throws -> DomainName {
        if text == "@" { return origin }
        let name = try #require(DomainName(String(text)), "\(text)")
        return text.hasSuffix(".") ? name : try #require(DomainName(labels: name.labels + origin.labels))
    }

    func records(_ lines: String) throws -> [Record] {
        try lines.split(separator: "\n").map { try record(String($0)) }
    }

    func record(_ line: String) throws -> Record {
        var words = line.split(separator: " ").map(String.init)
        let owner = try name(words.removeFirst())
        var ttl: TimeToLive = 5
        if let seconds = UInt32(words[0]) {
            ttl = TimeToLive(seconds: seconds)
            words.removeFirst()
        }
        return Record(owner, try data(words.removeFirst(), words), ttl: ttl)
    }

    private func data(_ type: String, _ words: [String]) throws -> RecordData {
        func number(_ index: Int) throws -> UInt16 { try #require(UInt16(words[index])) }
        switch type {
        case "A", "AAAA": return .address(try #require(IPAddress(words[0])))
        case "CNAME": return .cname(try name(words[0]))
        case "NS": return .ns(try name(words[0]))
        case "PTR": return .ptr(try name(words[0]))
        case "MX": return .mx(MailExchange(preference: try number(0), exchange: try name(words[1])))
        case "SRV":
            return .srv(
                ServiceLocation(
                    priority: try number(0), weight: try number(1), port: try number(2), target: try name(words[3])))
        case "TXT": return .text(words.joined(separator: " "))
        case "DS": return .opaque(.ds, Array(words[0].utf8))
        default:
            Issue.record("\(type) is not known to these lines")
            return .txt([])
        }
    }
}

extension Zone {
    /// A zone with an SOA and one name server of itself.
    static func sample(_ apex: String, _ lines: String = "", isComplete: Bool = true, passesOn: Bool = false) throws -> Zone {
        let reader = try ZoneLines(apex)
        let authority = StartOfAuthority(
            primary: try reader.name("ns.dns"), mailbox: try reader.name("hostmaster"), serial: 7, minimum: 3)
        var zone = Zone(
            reader.origin, authority: authority, nameServers: [try reader.name("ns.dns")], ttl: 30, isComplete: isComplete,
            passesOn: passesOn)
        let records = try reader.records(lines)
        #expect(zone.replace("sample", with: ZoneContent(records)).isEmpty)
        return zone
    }
}

/// Asks and reads what comes back.
struct Asking {
    var zones: Zones
    var circumstances = Circumstances(.udp)

    init(_ zones: Zone...) { self.zones = Zones(zones) }

    func bytes(_ query: [UInt8]) -> [UInt8] {
        var answering = Answering()
        return answering.answer(query, from: zones, circumstances).1
    }

    func outcome(_ query: Message) -> Outcome {
        var answering = Answering()
        return answering.answer(query.bytes(), from: zones, circumstances).0
    }

    func reply(_ query: Message) throws -> Message {
        let bytes = bytes(query.bytes())
        let message = try Message(bytes)
        #expect(message.header.isResponse && message.header.id == query.header.id)
        return message
    }

    /// `name TYPE` as a line.
    func reply(_ line: String, edns: EDNS? = nil) throws -> Message {
        let words = line.split(separator: " ")
        let question = Question(try #require(DomainName(String(words[0]))), try #require(RecordType(String(words[1]))))
        return try reply(.query(question, id: 4711, edns: edns))
    }

    /// The response code and the lines of each section: `NOERROR`, `= a. 5 IN A 192.0.2.1`, `~` for authorities, `+` for additionals.
    func lines(_ line: String, edns: EDNS? = nil) throws -> [String] {
        let message = try reply(line, edns: edns)
        return ["\(message.responseCode)"] + message.answers.map { "= \($0)" } + message.authorities.map { "~ \($0)" }
            + message.additionals.map { "+ \($0)" }
    }
}
