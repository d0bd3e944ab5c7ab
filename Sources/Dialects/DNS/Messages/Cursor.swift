/// A place in a message from which the next field is read. Every read is checked against `end`, and names against the rules that
/// make them finite; nothing is allocated but what a field holds.
struct Cursor {
    var position: Int
    /// Where the message, or the record data being read, ends: at most the count of the bytes.
    var end: Int

    /// A name may not need more jumps than it can have labels.
    static let mostPointers = 126

    mutating func byte(_ bytes: Span<UInt8>) throws(MessageError) -> UInt8 {
        guard position < end else { throw MessageError(.end, at: position) }
        defer { position += 1 }
        return bytes[position]
    }

    mutating func short(_ bytes: Span<UInt8>) throws(MessageError) -> UInt16 {
        guard position + 2 <= end else { throw MessageError(.end, at: position) }
        defer { position += 2 }
        return UInt16(bytes[position]) << 8 | UInt16(bytes[position + 1])
    }

    mutating func long(_ bytes: Span<UInt8>) throws(MessageError) -> UInt32 {
        UInt32(try short(bytes)) << 16 | UInt32(try short(bytes))
    }

    mutating func run(_ bytes: Span<UInt8>, count: Int) throws(MessageError) -> [UInt8] {
        guard position + count <= end else { throw MessageError(.end, at: position) }
        defer { position += count }
        return [UInt8](bytes, position..<(position + count))
    }

    /// Everything up to the end.
    mutating func rest(_ bytes: Span<UInt8>) -> [UInt8] {
        defer { position = end }
        return [UInt8](bytes, position..<end)
    }

    /// A string with its length before it.
    mutating func string(_ bytes: Span<UInt8>) throws(MessageError) -> [UInt8] {
        try run(bytes, count: Int(try byte(bytes)))
    }

    mutating func skip(_ count: Int) throws(MessageError) {
        guard position + count <= end else { throw MessageError(.end, at: position) }
        position += count
    }

    /// Passes over a name without looking where its pointer leads.
    mutating func skipName(_ bytes: Span<UInt8>) throws(MessageError) {
        let start = position
        while true {
            let length = Int(try byte(bytes))
            switch length {
            case 0: return
            case 1...DomainName.longestLabel: try skip(length)
            case 0xC0...: return try skip(1)
            default: throw MessageError(.label, at: position - 1)
            }
            guard position - start < DomainName.longestName else { throw MessageError(.nameLength, at: start) }
        }
    }

    /// Reads a name (RFC 1035 §4.1.4).
    ///
    /// A pointer must lead to a place before everything that was read of this name so far, and behind the header: so no name is
    /// endless. What stands at this place itself must end before `end`.
    mutating func name(_ bytes: Span<UInt8>, mayPoint: Bool = true) throws(MessageError) -> DomainName {
        var wire: [UInt8] = []
        let start = position
        var (place, limit, lowest) = (position, end, position)
        var pointers = 0
        while true {
            guard place < limit else { throw MessageError(.end, at: place) }
            let length = Int(bytes[place])
            if length == 0 {
                wire.append(0)
                if pointers == 0 { position = place + 1 }
                return DomainName(checked: wire)
            }
            if length <= DomainName.longestLabel {
                guard place + 1 + length < limit else { throw MessageError(.end, at: place) }
                guard wire.count + length + 2 <= DomainName.longestName else { throw MessageError(.nameLength, at: start) }
                for index in place...(place + length) { wire.append(bytes[index]) }
                place += 1 + length
            } else {
                guard length >= 0xC0 else { throw MessageError(.label, at: place) }
                guard mayPoint else { throw MessageError(.pointerForbidden, at: place) }
                guard place + 2 <= limit else { throw MessageError(.end, at: place) }
                let target = (length & 0x3F) << 8 | Int(bytes[place + 1])
                guard target < lowest, target >= Header.size else { throw MessageError(.pointer, at: place) }
                if pointers == 0 { position = place + 2 }
                pointers += 1
                guard pointers <= Self.mostPointers else { throw MessageError(.pointers, at: start) }
                (place, limit, lowest) = (target, bytes.count, target)
            }
        }
    }
}

extension [UInt8] {
    init(_ bytes: Span<UInt8>, _ range: Range<Int>) {
        self.init(unsafeUninitializedCapacity: range.count) { buffer, count in
            for index in range { buffer[index - range.lowerBound] = bytes[index] }
            count = range.count
        }
    }
}
