/// A query as a server needs it: where its parts are in the packet, without copying them.
public struct Query: Sendable {
    public let header: Header
    public let type: RecordType
    public let recordClass: RecordClass
    /// Where the question ends in the packet; it begins behind the header.
    let questionEnd: Int
    /// The EDNS part; `nil` when the sender knows none.
    public internal(set) var edns: Extension?

    /// The fixed fields of an OPT record, and where its options stand.
    public struct Extension: Hashable, Sendable {
        public var udpSize: UInt16
        public var version: UInt8
        public var isDNSSECWanted: Bool
        /// Bytes of the packet.
        public var options: Range<Int>
    }

    /// The name that is asked for, in the case of the question.
    ///
    /// - Parameter bytes: the packet that the query was read from.
    public func name(in bytes: Span<UInt8>) -> DomainName {
        var cursor = Cursor(position: Header.size, end: questionEnd)
        return (try? cursor.name(bytes, mayPoint: false)) ?? .root
    }

    public func question(in bytes: Span<UInt8>) -> Question {
        Question(name(in: bytes), type, recordClass: recordClass)
    }

    /// The options in the order of the packet.
    public func options(in bytes: Span<UInt8>) -> [EDNS.Option] {
        guard let edns else { return [] }
        var cursor = Cursor(position: edns.options.lowerBound, end: edns.options.upperBound)
        return (try? EDNS.options(&cursor, bytes)) ?? []
    }
}

// MARK: - Reading

extension Query {
    /// Why a packet is not a query that can be answered from names, and what to say to it.
    enum Refusal: Error {
        /// Nothing: it is no query at all, and an answer could travel in circles.
        case silence
        /// Only the header can be trusted.
        case bare(Header, ResponseCode)
    }

    /// Reads a query: one question without compression, at most one OPT record, and nothing that runs past the packet.
    ///
    /// Other records are passed over; only where they end is looked at.
    ///
    /// - Parameter key: becomes the name that is asked for.
    init(reading bytes: Span<UInt8>, _ key: inout NameKey) throws(Refusal) {
        var cursor = Cursor(position: 0, end: bytes.count)
        guard bytes.count >= Header.size,
            let id = try? cursor.short(bytes), let flags = try? cursor.short(bytes)
        else { throw .silence }
        let header = Header(id: id, flags: flags)
        guard !header.isResponse else { throw .silence }
        guard header.opcode == .query else { throw .bare(header, .notImplemented) }
        do {
            try self.init(header, bytes, &key)
        } catch {
            throw .bare(header, .formatError)
        }
    }

    private init(_ header: Header, _ bytes: Span<UInt8>, _ key: inout NameKey) throws(MessageError) {
        var cursor = Cursor(position: 0, end: bytes.count)
        let counts = try SectionCounts(&cursor, bytes)
        // RFC 9619: exactly one.
        guard counts.questions == 1 else { throw MessageError(.counts, at: 4) }
        try key.read(bytes, at: Header.size)
        cursor.position += key.count
        type = RecordType(rawValue: try cursor.short(bytes))
        recordClass = RecordClass(rawValue: try cursor.short(bytes))
        questionEnd = cursor.position
        self.header = header
        for _ in 0..<(counts.answers + counts.authorities) { _ = try Self.skipRecord(&cursor, bytes, mayBeOPT: false) }
        for _ in 0..<counts.additionals {
            let start = cursor.position
            guard let found = try Self.skipRecord(&cursor, bytes, mayBeOPT: true) else { continue }
            guard edns == nil else { throw MessageError(.optTwice, at: start) }
            edns = found
        }
    }

    /// Passes over a record, and gives what an OPT record says.
    private static func skipRecord(
        _ cursor: inout Cursor, _ bytes: Span<UInt8>, mayBeOPT: Bool
    ) throws(MessageError) -> Extension? {
        let start = cursor.position
        try cursor.skipName(bytes)
        let isRoot = cursor.position == start + 1
        let type = try cursor.short(bytes)
        let (size, high, low) = (try cursor.short(bytes), try cursor.short(bytes), try cursor.short(bytes))
        let length = Int(try cursor.short(bytes))
        let options = cursor.position..<(cursor.position + length)
        try cursor.skip(length)
        guard type == RecordType.opt.rawValue else { return nil }
        guard mayBeOPT else { throw MessageError(.optPlace, at: start) }
        guard isRoot else { throw MessageError(.optOwner, at: start) }
        var inside = Cursor(position: options.lowerBound, end: options.upperBound)
        while inside.position < inside.end {
            try inside.skip(2)
            try inside.skip(Int(try inside.short(bytes)))
        }
        return Extension(
            udpSize: size, version: UInt8(truncatingIfNeeded: high), isDNSSECWanted: low & 0x8000 != 0, options: options)
    }
}
