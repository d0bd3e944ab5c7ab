/// Cuts a stream of bytes into JSON documents, as a watch sends them: one after another, with or without white space between.
///
/// Only objects and arrays may stand at the top: that is all a watch sends, their end is certain, and a proxy's plain error
/// page is recognised at its first byte. After an error the stream is broken for good.
///
/// ```
///              { or [             depth 0
///   between ──────────► inside ──────────► one document, read by JSONReader
///      ▲ white space      │ ▲ "            │
///      └──────────────────┼─┼──────────────┘
///                         ▼ │
///                      in a string
/// ```
public struct JSONStream: Sendable {
    public let reader: JSONReader
    /// The longest document that is accepted, in bytes.
    public let limit: Int

    private var buffer: [UInt8] = []
    private var base = 0
    private var scanned = 0
    private var depth = 0
    private var isInString = false
    private var isEscaped = false
    private var failure: JSONError?

    /// - Parameter limit: etcd keeps objects up to 1.5 MiB; the default leaves room for what others store.
    public init(reader: JSONReader = JSONReader(), limit: Int = 16 << 20) {
        self.reader = reader
        self.limit = limit
    }

    /// How many bytes wait for the rest of their document.
    public var pending: Int { buffer.count }
}

extension JSONStream {
    /// Takes the next bytes and returns the documents that end in them. Repeated keys: the last wins.
    public mutating func feed(_ chunk: some Collection<UInt8>) throws(JSONError) -> [JSONValue] {
        if var failure {
            failure.code = .broken
            throw failure
        }
        do {
            return try advance(chunk)
        } catch {
            failure = error
            buffer = []
            throw error
        }
    }

    /// The stream is over: inside a document that is an error.
    public func finish() throws(JSONError) {
        if let failure { throw failure }
        guard buffer.isEmpty else {
            throw fault(.incomplete, at: buffer.count, "expected the rest of a document, found the end")
        }
    }

    private mutating func advance(_ chunk: some Collection<UInt8>) throws(JSONError) -> [JSONValue] {
        // The buffer is moved out, so that scanning it and changing our state do not exclude each other.
        var bytes = buffer
        buffer = []
        bytes.append(contentsOf: chunk)
        var documents: [JSONValue] = []
        var start = 0
        while scanned < bytes.count {
            if depth == 0 {
                scanned = firstOfDocument(bytes.span, from: scanned)
                start = scanned
                guard scanned < bytes.count else { break }
                let byte = bytes[scanned]
                guard byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") else {
                    throw fault(
                        .syntax, at: scanned,
                        "expected an object or an array in the stream, found byte 0x\(String(byte, radix: 16))")
                }
            }
            let isWhole = follow(bytes.span)
            guard scanned - start <= limit else {
                throw fault(.size, at: start + limit, "expected a document of at most \(limit) bytes")
            }
            guard isWhole else { break }
            documents.append(try document(bytes.span.extracting(start..<scanned), at: start))
            start = scanned
        }
        bytes.removeFirst(start)
        base += start
        scanned -= start
        buffer = bytes
        return documents
    }

    private func firstOfDocument(_ bytes: Span<UInt8>, from position: Int) -> Int {
        var position = position
        while position < bytes.count, isSpace(bytes[position]) { position += 1 }
        return position
    }

    /// Follows the document to its end, or to the end of the bytes; says whether it ended.
    ///
    /// The state is worked on in locals: every byte of every watch comes by here.
    private mutating func follow(_ bytes: Span<UInt8>) -> Bool {
        var (position, depth, isInString, isEscaped) = (scanned, depth, isInString, isEscaped)
        defer { (scanned, self.depth, self.isInString, self.isEscaped) = (position, depth, isInString, isEscaped) }
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            if isInString {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isInString = false
                }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""): isInString = true
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                depth -= 1
                if depth == 0 { return true }
            default: break
            }
        }
        return false
    }

    private func document(_ bytes: Span<UInt8>, at start: Int) throws(JSONError) -> JSONValue {
        do {
            return try reader.document(bytes).value
        } catch {
            var moved = error
            moved.offset += base + start
            throw moved
        }
    }

    private func fault(_ code: JSONError.Code, at position: Int, _ message: String) -> JSONError {
        JSONError(code: code, message: message, offset: base + position, line: 1, column: position + 1)
    }

    private func isSpace(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
    }
}
