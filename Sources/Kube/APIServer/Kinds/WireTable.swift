/// How the types of ``TypeTable`` are written in protobuf.
struct WireTable: Sendable {
    enum Field: Hashable, Sendable {
        /// - Parameter keepsZero: zero and empty are values of their own, not an absent field.
        case named(String, keepsZero: Bool)
        /// The fields of another type stand here, without a name of their own.
        case spliced(String)
    }

    /// By type, then by number.
    let types: [String: [UInt64: Field]]

    static let standard = WireTable(text: TypeTable.wireText)

    /// Reads the table's text: `Type: field field @7 field? +Other`, going on in indented lines.
    init(text: String) {
        var types: [String: [UInt64: Field]] = [:]
        var (type, number): (String, UInt64) = ("", 1)
        for line in text.split(separator: "\n") {
            var words = line.split(separator: " ")[...]
            if line.first != " ", let name = words.popFirst() { (type, number) = (String(name.dropLast()), 1) }
            for word in words {
                if word.first == "@", let next = UInt64(word.dropFirst()) {
                    number = next
                    continue
                }
                types[type, default: [:]][number] =
                    if word.first == "+" { .spliced(String(word.dropFirst())) } else if word.last == "?" {
                        .named(String(word.dropLast()), keepsZero: true)
                    } else { .named(String(word), keepsZero: false) }
                number += 1
            }
        }
        self.types = types
    }
}
