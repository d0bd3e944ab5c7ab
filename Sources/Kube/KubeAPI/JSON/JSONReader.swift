/// Reads JSON strictly by RFC 8259, and refuses what different parsers read differently: bad UTF-8, half surrogate pairs,
/// numbers beyond 64 bits or a double.
///
/// A key that is there twice is not refused here: the last one wins, as in kube-apiserver, and its path is reported, so that
/// the caller can ignore it, warn or refuse, which are the three answers of Kubernetes' field validation.
/// ``value(_:)`` refuses.
public struct JSONReader: Hashable, Sendable {
    /// How deep arrays and objects may be nested.
    public let depth: Int

    /// - Parameter depth: at most 4096: values are read, compared and freed by recursion.
    public init(depth: Int = 512) {
        precondition((1...4096).contains(depth), "a nesting limit that the stack does not bear")
        self.depth = depth
    }

    public struct Document: Hashable, Sendable {
        public var value: JSONValue
        /// Where a key was repeated, in the order of reading.
        public var duplicates: [FieldPath]
    }
}

extension JSONReader {
    /// Reads one value with nothing but white space around it, and notes repeated keys.
    public func document(_ bytes: Span<UInt8>) throws(JSONError) -> Document {
        var scanner = JSONScanner(depthLimit: depth)
        do {
            let value = try scanner.document(bytes)
            return Document(value: value, duplicates: scanner.duplicates.map(FieldPath.init(elements:)))
        } catch {
            throw error.located(in: bytes)
        }
    }

    public func document(_ bytes: [UInt8]) throws(JSONError) -> Document {
        try document(bytes.span)
    }

    /// Reads one value with nothing but white space around it; a repeated key is an error.
    public func value(_ bytes: Span<UInt8>) throws(JSONError) -> JSONValue {
        var scanner = JSONScanner(depthLimit: depth)
        scanner.refusesDuplicates = true
        do {
            return try scanner.document(bytes)
        } catch {
            throw error.located(in: bytes)
        }
    }

    public func value(_ bytes: [UInt8]) throws(JSONError) -> JSONValue {
        try value(bytes.span)
    }

    public func value(_ text: String) throws(JSONError) -> JSONValue {
        try value(Array(text.utf8))
    }
}
