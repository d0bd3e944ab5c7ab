/// Percent-encoding of URLs (RFC 3986 §2.1), as far as paths and queries of the API need it.
enum Percent {
    /// - Parameter plusIsSpace: in queries, where Go's clients write a space as `+`.
    /// - Returns: `nil` when an escape is broken or the result is not UTF-8.
    static func decoded(_ text: some StringProtocol, plusIsSpace: Bool = false) -> String? {
        guard text.utf8.contains(where: { $0 == UInt8(ascii: "%") || $0 == UInt8(ascii: "+") }) else { return String(text) }
        var bytes: [UInt8] = []
        var rest = text.utf8.makeIterator()
        while let byte = rest.next() {
            switch byte {
            case UInt8(ascii: "%"):
                guard let high = rest.next().flatMap(digit), let low = rest.next().flatMap(digit) else { return nil }
                bytes.append(high << 4 | low)
            case UInt8(ascii: "+") where plusIsSpace: bytes.append(UInt8(ascii: " "))
            default: bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

/// The parameters of a URL's query. A name that is there twice keeps all its values: `command=ls&command=-l`.
struct Query: Hashable, Sendable {
    private var values: [String: [String]] = [:]

    /// - Throws: 400 for an escape that is none.
    init(_ text: String?) throws(Status) {
        for pair in (text ?? "").split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let value = parts.count > 1 ? parts[1] : ""
            guard let name = Percent.decoded(parts[0], plusIsSpace: true),
                let decoded = Percent.decoded(value, plusIsSpace: true)
            else { throw .badRequest("the query holds an escape that is none: \(pair)") }
            values[name, default: []].append(decoded)
        }
    }

    /// The first value; `nil` when absent or empty, which Kubernetes takes for the same.
    subscript(_ name: String) -> String? { values[name]?.first.flatMap { $0.isEmpty ? nil : $0 } }

    func all(_ name: String) -> [String] { values[name] ?? [] }

    /// Go's idea of a boolean in a query: present without a value is true.
    func bool(_ name: String) throws(Status) -> Bool {
        guard let text = values[name]?.first else { return false }
        switch text {
        case "", "1", "t", "T", "true", "TRUE", "True": return true
        case "0", "f", "F", "false", "FALSE", "False": return false
        default: throw .badRequest("\(name) must be true or false, not \"\(text)\"")
        }
    }

    func integer(_ name: String) throws(Status) -> Int64? {
        guard let text = self[name] else { return nil }
        guard let number = Int64(text) else { throw .badRequest("\(name) must be an integer, not \"\(text)\"") }
        return number
    }
}
