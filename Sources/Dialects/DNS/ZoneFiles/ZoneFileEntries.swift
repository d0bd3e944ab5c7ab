/// An entry of a zone file: a line, or several where parentheses join them.
struct ZoneFileEntry {
    /// Where it begins.
    var line: Int
    /// Nothing stands at the line's start: the owner is that of the record before.
    var beginsBlank: Bool
    var words: [Word]
    /// Where it ends.
    var end: (line: Int, column: Int)

    struct Word {
        /// With its escapes; quotes are taken off.
        var text: String
        var isQuoted: Bool
        var line: Int
        var column: Int

        func fault(_ reason: String) -> ZoneFile.Fault { ZoneFile.Fault(line: line, column: column, reason) }
    }
}

/// Cuts a zone file into entries.
struct ZoneFileEntries {
    private let bytes: [UInt8]
    private var position = 0
    private var line = 1
    private var lineStart = 0

    /// - Parameter text: whose lines end with LF or CR LF.
    init(_ text: String) {
        let all = Array(text.utf8)
        let hasPairs = all.contains(UInt8(ascii: "\r"))
        bytes = !hasPairs ? all : zip(all, all.dropFirst() + [0]).filter { $0 != (0x0D, 0x0A) }.map(\.0)
    }

    private var column: Int { position - lineStart + 1 }

    /// The next entry that has words; `nil` at the end. After a fault it goes on with the next line.
    mutating func next() throws(ZoneFile.Fault) -> ZoneFileEntry? {
        while position < bytes.count {
            var entry = ZoneFileEntry(line: line, beginsBlank: isBlank(bytes[position]), words: [], end: (line, column))
            do {
                try read(&entry)
            } catch {
                skipLine()
                throw error
            }
            if !entry.words.isEmpty { return entry }
        }
        return nil
    }

    private mutating func read(_ entry: inout ZoneFileEntry) throws(ZoneFile.Fault) {
        var open: ZoneFile.Fault?
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "\n"):
                entry.end = (line, column)
                newLine()
                if open == nil { return }
            case UInt8(ascii: ";"):
                while position < bytes.count, bytes[position] != UInt8(ascii: "\n") { position += 1 }
            case UInt8(ascii: "("):
                guard open == nil else { throw fault("a parenthesis inside another") }
                open = fault("this parenthesis is never closed")
                position += 1
            case UInt8(ascii: ")"):
                guard open != nil else { throw fault("a parenthesis that was never opened") }
                open = nil
                position += 1
            case UInt8(ascii: "\""): entry.words.append(try quoted())
            case let byte where isBlank(byte): position += 1
            default: entry.words.append(try plain())
            }
        }
        entry.end = (line, column)
        if let open { throw open }
    }

    private mutating func newLine() {
        position += 1
        (line, lineStart) = (line + 1, position)
    }

    private mutating func skipLine() {
        while position < bytes.count {
            if bytes[position] == UInt8(ascii: "\n") { return newLine() }
            position += 1
        }
    }

    private func fault(_ reason: String) -> ZoneFile.Fault { ZoneFile.Fault(line: line, column: column, reason) }
    private func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0D }

    private mutating func quoted() throws(ZoneFile.Fault) -> ZoneFileEntry.Word {
        let begin = (column, fault("this quote is never closed"))
        position += 1
        let start = position
        while position < bytes.count, bytes[position] != UInt8(ascii: "\"") {
            guard bytes[position] != UInt8(ascii: "\n") else { throw begin.1 }
            let isEscape = bytes[position] == UInt8(ascii: "\\") && position + 1 < bytes.count && bytes[position + 1] != 0x0A
            position += isEscape ? 2 : 1
        }
        guard position < bytes.count else { throw begin.1 }
        defer { position += 1 }
        return ZoneFileEntry.Word(
            text: String(decoding: bytes[start..<position], as: UTF8.self), isQuoted: true, line: line, column: begin.0)
    }

    /// Up to a blank or a special character; quotes inside, as in `alpn="h2,h3"`, belong to it.
    private mutating func plain() throws(ZoneFile.Fault) -> ZoneFileEntry.Word {
        let (start, begin) = (position, column)
        var text: [UInt8] = []
        while position < bytes.count {
            let byte = bytes[position]
            if isBlank(byte) || [0x0A, UInt8(ascii: ";"), UInt8(ascii: "("), UInt8(ascii: ")")].contains(byte) { break }
            if byte == UInt8(ascii: "\\") {
                guard position + 1 < bytes.count, bytes[position + 1] != 0x0A else {
                    throw fault("nothing stands behind this backslash")
                }
                text += bytes[position..<(position + 2)]
                position += 2
            } else if byte == UInt8(ascii: "\""), position > start {
                text += try quoted().text.utf8
            } else {
                text.append(byte)
                position += 1
            }
        }
        return ZoneFileEntry.Word(text: String(decoding: text, as: UTF8.self), isQuoted: false, line: line, column: begin)
    }
}

// MARK: - Words

/// The words of an entry, taken one after the other.
struct ZoneFileWords {
    private let entry: ZoneFileEntry
    private var next = 0

    init(_ entry: ZoneFileEntry) { self.entry = entry }

    var peek: ZoneFileEntry.Word? { next < entry.words.count ? entry.words[next] : nil }

    func missing(_ what: String) -> ZoneFile.Fault {
        ZoneFile.Fault(line: entry.end.line, column: entry.end.column, "\(what) is missing here")
    }

    mutating func take(_ what: String) throws(ZoneFile.Fault) -> ZoneFileEntry.Word {
        guard let word = peek else { throw missing(what) }
        next += 1
        return word
    }

    func finish() throws(ZoneFile.Fault) {
        if let word = peek { throw word.fault("\(word.text) is too much: the entry is complete before it") }
    }

    mutating func takeName(_ origin: DomainName) throws(ZoneFile.Fault) -> DomainName {
        let word = try take("a name")
        if word.text == "@", !word.isQuoted { return origin }
        guard let name = DomainName(word.text) else {
            throw word.fault("\(word.text) is no name: labels have 1 to 63 characters, a name 255 in all")
        }
        if Self.isAbsolute(word.text) { return name }
        guard let whole = DomainName(labels: name.labels + origin.labels) else {
            throw word.fault("\(word.text) is too long a name with \(origin) behind it")
        }
        return whole
    }

    /// Whether a name ends with a dot that is none of its label's.
    private static func isAbsolute(_ text: String) -> Bool {
        guard text.hasSuffix(".") else { return false }
        return text.utf8.dropLast().reversed().prefix { $0 == UInt8(ascii: "\\") }.count.isMultiple(of: 2)
    }

    /// A time of an SOA record, which has all 32 bits.
    mutating func takeSeconds() throws(ZoneFile.Fault) -> UInt32 {
        let word = try take("a time")
        guard let seconds = ZoneFileReader.seconds(word.text) else {
            throw word.fault("\(word.text) is no time: seconds up to 4294967295, or such as 1h30m")
        }
        return seconds
    }

    mutating func takeTime() throws(ZoneFile.Fault) -> TimeToLive {
        let word = try take("a time")
        guard let time = TimeToLive(masterFile: word.text) else {
            throw word.fault("\(word.text) is no time: seconds up to 2147483647, or such as 1h30m")
        }
        return time
    }

    mutating func takeNumber<Number: FixedWidthInteger>(_ what: String, _ type: Number.Type = Number.self) throws(ZoneFile.Fault)
        -> Number
    {
        let word = try take(what)
        guard word.text.utf8.allSatisfy({ decimalDigit($0) != nil }), let number = Number(word.text) else {
            throw word.fault("\(what) is a number from 0 to \(Number.max), not \(word.text)")
        }
        return number
    }

    /// A character string (RFC 1035 §5.1): at most 255 bytes.
    mutating func takeString(_ what: String) throws(ZoneFile.Fault) -> [UInt8] {
        let word = try take(what)
        let bytes = try word.bytes()
        guard bytes.count <= 255 else { throw word.fault("a string of \(bytes.count) bytes; one holds 255: cut it into several") }
        return bytes
    }

    /// All that is left, as hexadecimal digits in pairs.
    mutating func takeHexadecimal() throws(ZoneFile.Fault) -> [UInt8] {
        var digits: [UInt8] = []
        let first = peek
        while let word = peek {
            next += 1
            for character in word.text {
                guard let digit = character.hexDigitValue else { throw word.fault("\(character) is no hexadecimal digit") }
                digits.append(UInt8(digit))
            }
        }
        guard digits.count.isMultiple(of: 2) else {
            throw first?.fault("an odd number of hexadecimal digits") ?? missing("hexadecimal digits")
        }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
}

extension ZoneFileEntry.Word {
    /// Without its escapes.
    func bytes() throws(ZoneFile.Fault) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\\") {
                guard let escaped = DomainName.escaped(&rest) else { throw fault("an escape is \\X, or \\DDD up to \\255") }
                bytes.append(escaped)
            } else {
                bytes.append(byte)
            }
        }
        return bytes
    }
}
