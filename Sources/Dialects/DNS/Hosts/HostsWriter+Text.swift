internal import Addressing

extension HostsWriter {
    /// Reads lines as `/etc/hosts` has them (hosts(5)): an address, then its names; the first is the one that the address is told to
    /// have. Lines end with LF or CR LF.
    ///
    /// - Returns: what cannot be read; all else is.
    public mutating func read(_ text: String) -> TextFaults {
        var reader = HostsReader()
        let bytes = text.utf8.span
        var start = 0
        while start < bytes.count {
            var end = start
            while end < bytes.count, bytes[end] != UInt8(ascii: "\n") { end += 1 }
            reader.read(bytes, start..<end, into: &self)
            start = end + 1
        }
        return reader.faults
    }
}

/// What is remembered from one line to the next.
private struct HostsReader {
    var faults = TextFaults()
    private var line = 0
    /// The last address, and where it stands.
    private var last: (address: IPAddress, word: Range<Int>)?
    /// A name's wire form.
    private var wire: [UInt8] = []

    mutating func read(_ bytes: Span<UInt8>, _ range: Range<Int>, into writer: inout HostsWriter) {
        line += 1
        var (position, address, names): (Int, IPAddress?, Int) = (range.lowerBound, nil, 0)
        while let word = Self.word(bytes, &position, range.upperBound) {
            guard let address else {
                address = readAddress(bytes, word)
                if address == nil {
                    return fault(range, word, "\(Self.text(bytes, word)) is no address; a line is an address and then its names")
                }
                continue
            }
            if readName(bytes, word) {
                writer.add(address, wire, isFirst: names == 0)
                names += 1
            } else {
                fault(range, word, "\(Self.text(bytes, word)) is no name")
                names = max(names, 1)
            }
        }
        if address != nil, names == 0, let word = last?.word {
            fault(range, word, "no name stands behind \(Self.text(bytes, word))")
        }
    }

    private mutating func fault(_ line: Range<Int>, _ word: Range<Int>, _ reason: @autoclosure () -> String) {
        faults.append(ZoneFile.Fault(line: self.line, column: word.lowerBound - line.lowerBound + 1, reason()))
    }

    /// The next word before a comment; `nil` at the line's end.
    private static func word(_ bytes: Span<UInt8>, _ position: inout Int, _ end: Int) -> Range<Int>? {
        func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0D }
        while position < end, isBlank(bytes[position]) { position += 1 }
        let start = position
        while position < end, !isBlank(bytes[position]), bytes[position] != UInt8(ascii: "#") { position += 1 }
        return start < position ? start..<position : nil
    }

    private static func text(_ bytes: Span<UInt8>, _ range: Range<Int>) -> String {
        bytes.extracting(range).withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) }
    }

    private mutating func readAddress(_ bytes: Span<UInt8>, _ word: Range<Int>) -> IPAddress? {
        if let last, last.word.count == word.count, zip(last.word, word).allSatisfy({ bytes[$0] == bytes[$1] }) {
            self.last?.word = word
            return last.address
        }
        guard let address = IPAddress(Self.text(bytes, word)) else { return nil }
        last = (address, word)
        return address
    }

    /// - Returns: whether it is one; then ``wire`` is its form.
    private mutating func readName(_ bytes: Span<UInt8>, _ word: Range<Int>) -> Bool {
        if !DomainName.readPlain(bytes.extracting(word), into: &wire) {
            // One with escapes, or none.
            guard let name = DomainName(Self.text(bytes, word)) else { return false }
            wire = name.wire
        }
        return wire.count > 1
    }
}
