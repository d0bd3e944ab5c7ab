extension Message {
    /// Reads a message; bytes behind its last record are passed over.
    ///
    /// What is allocated is bounded by the bytes: the header's counts are believed only as far as records of the least size would
    /// fit, and no name is longer than 255 bytes however it is compressed.
    public init(_ bytes: Span<UInt8>) throws(MessageError) {
        var cursor = Cursor(position: 0, end: bytes.count)
        let counts = try SectionCounts(&cursor, bytes)
        self.init(counts.header)
        for _ in 0..<counts.questions {
            let name = try cursor.name(bytes)
            questions.append(
                Question(
                    name, RecordType(rawValue: try cursor.short(bytes)),
                    recordClass: RecordClass(rawValue: try cursor.short(bytes))))
        }
        for _ in 0..<counts.answers { answers.append(try Self.record(&cursor, bytes)) }
        for _ in 0..<counts.authorities { authorities.append(try Self.record(&cursor, bytes)) }
        for _ in 0..<counts.additionals {
            var ahead = cursor
            try ahead.skipName(bytes)
            guard try ahead.short(bytes) == RecordType.opt.rawValue else {
                additionals.append(try Self.record(&cursor, bytes))
                continue
            }
            guard edns == nil else { throw MessageError(.optTwice, at: cursor.position) }
            edns = try EDNS(&cursor, bytes)
        }
    }

    public init(_ bytes: [UInt8]) throws(MessageError) {
        try self.init(bytes.span)
    }

    private static func record(_ cursor: inout Cursor, _ bytes: Span<UInt8>) throws(MessageError) -> Record {
        let start = cursor.position
        let name = try cursor.name(bytes)
        let type = RecordType(rawValue: try cursor.short(bytes))
        guard type != .opt else { throw MessageError(.optPlace, at: start) }
        let recordClass = RecordClass(rawValue: try cursor.short(bytes))
        let ttl = TimeToLive(seconds: try cursor.long(bytes))
        let length = Int(try cursor.short(bytes))
        guard cursor.position + length <= cursor.end else { throw MessageError(.end, at: cursor.position) }
        var inside = Cursor(position: cursor.position, end: cursor.position + length)
        cursor.position += length
        // In a class of its own, or with the empty data of an update (RFC 2136), a type's form is another.
        let data: RecordData =
            recordClass == .internet ? try RecordData(type, &inside, bytes) : .opaque(type, inside.rest(bytes))
        return Record(name, data, ttl: ttl, recordClass: recordClass)
    }
}

/// The header with the counts behind it.
struct SectionCounts {
    var header: Header
    var questions: Int
    var answers: Int
    var authorities: Int
    var additionals: Int

    /// The least bytes of a question and of a record: a root name and the fixed fields.
    private static let (leastQuestion, leastRecord) = (5, 11)

    init(_ cursor: inout Cursor, _ bytes: Span<UInt8>) throws(MessageError) {
        header = Header(id: try cursor.short(bytes), flags: try cursor.short(bytes))
        questions = Int(try cursor.short(bytes))
        answers = Int(try cursor.short(bytes))
        authorities = Int(try cursor.short(bytes))
        additionals = Int(try cursor.short(bytes))
        let least = questions * Self.leastQuestion + (answers + authorities + additionals) * Self.leastRecord
        guard least <= cursor.end - cursor.position else { throw MessageError(.counts, at: 4) }
    }
}

extension EDNS {
    /// Reads an OPT record with its owner, which must be the root (RFC 6891 §6.1.2).
    init(_ cursor: inout Cursor, _ bytes: Span<UInt8>) throws(MessageError) {
        let start = cursor.position
        guard try cursor.byte(bytes) == 0 else { throw MessageError(.optOwner, at: start) }
        try cursor.skip(2)
        udpSize = try cursor.short(bytes)
        highResponseCode = try cursor.byte(bytes)
        version = try cursor.byte(bytes)
        flags = try cursor.short(bytes)
        let end = Int(try cursor.short(bytes)) + cursor.position
        guard end <= cursor.end else { throw MessageError(.end, at: cursor.position) }
        var inside = Cursor(position: cursor.position, end: end)
        options = try Self.options(&inside, bytes)
        cursor.position = end
    }

    static func options(_ cursor: inout Cursor, _ bytes: Span<UInt8>) throws(MessageError) -> [Option] {
        var options: [Option] = []
        while cursor.position < cursor.end {
            guard cursor.position + 4 <= cursor.end else { throw MessageError(.optOptions, at: cursor.position) }
            let code = Code(rawValue: try cursor.short(bytes))
            let length = Int(try cursor.short(bytes))
            guard cursor.position + length <= cursor.end else { throw MessageError(.optOptions, at: cursor.position) }
            options.append(Option(code, try cursor.run(bytes, count: length)))
        }
        return options
    }
}
