/// An amount of a resource, such as `100m`, `1.5Gi`, `2e3`. Only its form and sign are of interest here.
enum Quantity {
    static let wording = """
        quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'
        """

    /// -1, 0 or 1; `nil` for what is no quantity.
    static func sign(of text: String) -> Int? {
        var rest = text.utf8[...]
        var sign = 1
        if rest.first == UInt8(ascii: "-") { sign = -1 }
        if rest.first == UInt8(ascii: "-") || rest.first == UInt8(ascii: "+") { rest = rest.dropFirst() }
        let digits = rest.prefix { isDigit($0) || $0 == UInt8(ascii: ".") }
        let points = digits.count { $0 == UInt8(ascii: ".") }
        guard points <= 1, digits.count > points else { return nil }
        let suffix = String(decoding: rest.dropFirst(digits.count), as: UTF8.self)
        guard suffixes.contains(suffix) || isExponent(suffix) else { return nil }
        return digits.contains { isDigit($0) && $0 != UInt8(ascii: "0") } ? sign : 0
    }

    private static let suffixes: Set = [
        "", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei",
    ]

    private static func isExponent(_ text: String) -> Bool {
        guard let first = text.utf8.first, first | 0x20 == UInt8(ascii: "e") else { return false }
        var rest = text.utf8.dropFirst()
        if rest.first == UInt8(ascii: "-") || rest.first == UInt8(ascii: "+") { rest = rest.dropFirst() }
        return !rest.isEmpty && rest.allSatisfy(isDigit)
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
}
