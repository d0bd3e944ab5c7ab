/// The records of a zone as people write them: the master file format (RFC 1035 §5, RFC 2308 §4, RFC 3597 §5).
///
/// Understood are `$ORIGIN` and `$TTL`, comments, parentheses, `@`, blank owners, relative names, `\X` and `\DDD`, times such as
/// `1h30m`, and the generic form `\# length hexadecimal` for every type. `$INCLUDE` is not: a zone is one text.
public struct ZoneFile: Hashable, Sendable {
    /// In the order of the text.
    public var records: [Record] = []
    /// Where the aliases among the records stand: one of them and another's record at its name cannot both be served.
    public var aliases: [Alias] = []
    /// What cannot be read; nothing of an entry with a fault is among the records.
    public var faults = TextFaults()

    /// A mistake, and where.
    public struct Fault: Error, Hashable, Sendable {
        /// Both from 1; the column counts bytes.
        public var line: Int
        public var column: Int
        public var reason: String

        public init(line: Int, column: Int, _ reason: String) { (self.line, self.column, self.reason) = (line, column, reason) }
    }

    /// A CNAME record, and its line.
    public struct Alias: Hashable, Sendable {
        public var name: DomainName
        /// From 1.
        public var line: Int
    }

    /// Reads a text.
    ///
    /// - Parameters:
    ///   - apex: the zone's name: what relative names end in, and what all owners must be inside of.
    ///   - ttl: of records that have none, when the text has no `$TTL` before them.
    public init(_ text: String, of apex: DomainName, ttl: TimeToLive = 3600) {
        var reader = ZoneFileReader(apex: apex, ttl: ttl)
        var entries = ZoneFileEntries(text)
        while true {
            do {
                guard let entry = try entries.next() else { break }
                guard let record = try reader.read(entry) else { continue }
                records.append(record)
                if record.type == .cname { aliases.append(Alias(name: record.name, line: entry.line)) }
            } catch {
                faults.append(error)
            }
        }
    }
}

/// What is remembered from one entry to the next.
struct ZoneFileReader {
    let apex: DomainName
    private(set) var origin: DomainName
    private var ttl: TimeToLive
    private var owner: DomainName?

    init(apex: DomainName, ttl: TimeToLive) { (self.apex, origin, self.ttl) = (apex, apex, ttl) }

    /// - Returns: `nil` for an entry that is no record.
    mutating func read(_ entry: ZoneFileEntry) throws(ZoneFile.Fault) -> Record? {
        var words = ZoneFileWords(entry)
        if let first = words.peek, first.text.hasPrefix("$"), !first.isQuoted, !entry.beginsBlank {
            try direct(&words)
            return nil
        }
        let owner = try takeOwner(entry, &words)
        self.owner = owner
        let (ttl, type) = try takeKind(&words)
        let data = try RecordData(type, &words, origin: origin)
        try words.finish()
        return Record(owner, data, ttl: ttl)
    }

    private mutating func direct(_ words: inout ZoneFileWords) throws(ZoneFile.Fault) {
        let directive = try words.take("a directive")
        switch directive.text.uppercased() {
        case "$ORIGIN": origin = try words.takeName(origin)
        case "$TTL": ttl = try words.takeTime()
        case "$INCLUDE": throw directive.fault("$INCLUDE is not read here: a zone is one text; put the records into it")
        case "$GENERATE": throw directive.fault("$GENERATE is not read here; write the records out")
        default: throw directive.fault("\(directive.text) is unknown: $ORIGIN and $TTL are read")
        }
        try words.finish()
    }

    private func takeOwner(_ entry: ZoneFileEntry, _ words: inout ZoneFileWords) throws(ZoneFile.Fault) -> DomainName {
        if entry.beginsBlank {
            if let owner { return owner }
            throw ZoneFile.Fault(line: entry.line, column: 1, "a blank owner means that of the record before, and there is none")
        }
        guard let word = words.peek else { throw words.missing("an owner") }
        let owner = try words.takeName(origin)
        guard owner.isInside(apex) else { throw word.fault("\(owner) is not in the zone \(apex)") }
        return owner
    }

    /// TTL and class may be left out, and stand in either order.
    private func takeKind(_ words: inout ZoneFileWords) throws(ZoneFile.Fault) -> (TimeToLive, RecordType) {
        var (ttl, hasClass): (TimeToLive?, Bool) = (nil, false)
        while true {
            let word = try words.take("a record's type")
            if ttl == nil, let time = TimeToLive(masterFile: word.text) {
                ttl = time
            } else if !hasClass, let recordClass = RecordClass(word.text), RecordType(word.text) != .any {
                guard recordClass == .internet else { throw word.fault("records are of the class IN, not \(recordClass)") }
                hasClass = true
            } else if let type = RecordType(word.text) {
                guard !type.isMeta else { throw word.fault("no zone holds records of the type \(type)") }
                return (ttl ?? self.ttl, type)
            } else {
                throw word.fault("\(word.text) is no record type; a type without a name is written as TYPE123")
            }
        }
    }
}

extension TimeToLive {
    /// Seconds, or numbers with the units w, d, h, m and s, such as `1h30m`.
    init?(masterFile text: String) {
        guard let seconds = ZoneFileReader.seconds(text), seconds <= UInt32(Int32.max) else { return nil }
        self.init(seconds: seconds)
    }
}

extension ZoneFileReader {
    /// A time in seconds, up to 2³² − 1.
    static func seconds(_ text: String) -> UInt32? {
        var (total, number): (UInt64, UInt64?) = (0, nil)
        for byte in text.utf8 {
            if let digit = decimalDigit(byte) {
                number = (number ?? 0) * 10 + UInt64(digit)
            } else {
                let unit: UInt64
                switch lowercased(byte) {
                case UInt8(ascii: "w"): unit = 604_800
                case UInt8(ascii: "d"): unit = 86400
                case UInt8(ascii: "h"): unit = 3600
                case UInt8(ascii: "m"): unit = 60
                case UInt8(ascii: "s"): unit = 1
                default: return nil
                }
                guard let count = number else { return nil }
                (total, number) = (total + count * unit, nil)
            }
            // So that no sum is ever too large to be written.
            guard max(total, number ?? 0) <= UInt64(UInt32.max) else { return nil }
        }
        return text.isEmpty ? nil : UInt32(exactly: total + (number ?? 0))
    }
}
