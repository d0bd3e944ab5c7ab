/// What is left of a set of records that does not fit whole.
public enum Truncation: Hashable, Sendable {
    /// Nothing: an incomplete set is never taken for a complete one (RFC 2181 §9).
    case wholeSets
    /// As many records as fit, with TC set: for clients that never ask again over TCP and are glad of some addresses.
    case records
}

extension Message {
    /// The message in wire form, names compressed.
    ///
    /// What does not fit is left out from the end of the message, by whole record sets unless said otherwise. TC is set when an
    /// answer or authority is missing, not when only additional records are (RFC 2181 §9). The OPT record always stays, without
    /// its options if need be.
    ///
    /// - Parameter limit: bytes, at least 512; more than 65,535 mean 65,535.
    public func bytes(limit: Int = Int(UInt16.max), _ truncation: Truncation = .wholeSets) -> [UInt8] {
        var writer = MessageWriter()
        let limit = min(max(limit, 512), Int(UInt16.max))
        return withUnsafeTemporaryAllocation(byteCount: limit, alignment: 8) { memory in
            let count = write(to: memory, with: &writer, limit: limit, truncation)
            return Array(memory[..<count])
        }
    }

    /// Writes the message into memory of at least 512 bytes.
    ///
    /// - Returns: how many bytes it has.
    public func write(
        to memory: UnsafeMutableRawBufferPointer, with writer: inout MessageWriter, limit: Int = Int(UInt16.max),
        _ truncation: Truncation = .wholeSets
    ) -> Int {
        writer.start(memory, limit: max(limit, 512))
        var header = header
        let options = writer.fits(edns) ? edns?.options ?? [] : []
        let reserved = edns.map { EDNS(udpSize: $0.udpSize, options: options).size } ?? 0
        writer.reserve(reserved)
        writer.header(header)
        var counts: [Int] = [0, 0, 0, 0]
        var isCut = false
        for question in questions {
            let mark = writer.count
            writer.question(question)
            if writer.isFull {
                writer.rollback(to: mark)
                isCut = true
                break
            }
            counts[0] += 1
        }
        for (section, records) in [answers, authorities, additionals].enumerated() where !isCut {
            counts[section + 1] = writer.records(records, truncation)
            isCut = counts[section + 1] < records.count
            if isCut, section < 2 { header.isTruncated = true }
        }
        if counts[0] < questions.count { header.isTruncated = true }
        writer.reserve(-reserved)
        if let edns {
            writer.edns(edns, options: options)
            counts[3] += 1
        }
        writer.patch(header.flags, at: 2)
        for (index, count) in counts.enumerated() { writer.patch(UInt16(clamping: count), at: 4 + 2 * index) }
        return writer.count
    }
}

extension MessageWriter {
    /// Twelve bytes; the counts are filled in at the end.
    mutating func header(_ header: Header) {
        short(header.id)
        short(header.flags)
        for _ in 0..<4 { short(0) }
    }

    mutating func question(_ question: Question) {
        name(question.name)
        short(question.type.rawValue)
        short(question.recordClass.rawValue)
    }

    /// An EDNS part leaves half of the room at least for what it goes with.
    fileprivate func fits(_ edns: EDNS?) -> Bool { (edns?.size ?? 0) <= room / 2 }

    /// Writes records until a set does not fit; records of one set stand together.
    ///
    /// - Returns: how many were written.
    fileprivate mutating func records(_ records: [Record], _ truncation: Truncation) -> Int {
        var done = 0
        var (setStart, setMark) = (0, count)
        for (index, record) in records.enumerated() {
            if index > 0, !record.isOfOneSet(with: records[index - 1]) { (setStart, setMark) = (index, count) }
            let mark = count
            self.record(record)
            if isFull {
                rollback(to: truncation == .records ? mark : setMark)
                return truncation == .records ? done : setStart
            }
            done += 1
        }
        return done
    }
}

extension Record {
    /// Records of one owner, class and type are one set (RFC 2181 §5).
    fileprivate func isOfOneSet(with other: Record) -> Bool {
        type == other.type && recordClass == other.recordClass && name == other.name
    }
}
