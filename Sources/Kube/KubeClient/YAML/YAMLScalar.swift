internal import KubeAPI

/// What a plain YAML scalar means to Kubernetes.
///
/// kubectl reads files through sigs.k8s.io/yaml, which is a fork of go-yaml v2, which follows YAML 1.1. So these are its
/// rules, and not those of YAML 1.2 nor of our YAML library:
///
/// | written | means |
/// |---|---|
/// | `y yes true on`, `n no false off` (lower, Title, UPPER) | boolean |
/// | nothing, `~`, `null` (three cases) | null |
/// | `12`, `+12`, `1_000`, `0x1f`, `0b101`, `0o17`, `017` | integer; a leading zero is octal |
/// | `089` | the double 89: not octal, but a float by its looks |
/// | `1.5`, `.5`, `1e3`, and integers beyond 64 bits | double; a whole one becomes an integer, as Go writes it |
/// | `.inf`, `.nan` | refused: JSON has no word for them |
/// | `2026-01-01`, `12:30`, everything else | string |
///
/// Everything in quotes and all block scalars are strings.
enum YAMLScalar {
    enum Unreadable: Error { case infinite }

    static func value(_ text: String) throws(Unreadable) -> JSONValue {
        switch text {
        case "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON": return .bool(true)
        case "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF": return .bool(false)
        case "", "~", "null", "Null", "NULL": return .null
        case ".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF":
            throw .infinite
        default: break
        }
        guard let first = text.utf8.first else { return .null }
        switch first {
        case UInt8(ascii: "."):
            return try isFloat(text) ? double(text) : .string(text)
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"):
            let plain = text.filter { $0 != "_" }
            if let number = integer(plain) { return .number(number) }
            return try isFloat(plain) ? double(plain) : .string(text)
        default:
            return .string(text)
        }
    }

    /// Go's `ParseInt` and `ParseUint` with base 0: the prefix says the base.
    private static func integer(_ text: String) -> JSONNumber? {
        var digits = Substring(text)
        let isNegative = digits.hasPrefix("-")
        let isSigned = isNegative || digits.hasPrefix("+")
        if isSigned { digits = digits.dropFirst() }
        let base: Int
        switch digits.prefix(2).lowercased() {
        case "0x": (base, digits) = (16, digits.dropFirst(2))
        case "0b": (base, digits) = (2, digits.dropFirst(2))
        case "0o": (base, digits) = (8, digits.dropFirst(2))
        default: base = digits.count > 1 && digits.first == "0" ? 8 : 10
        }
        // Swift's parser takes a sign of its own; a second one is no number.
        guard let first = digits.first, first != "-", first != "+", let magnitude = UInt64(digits, radix: base) else {
            return nil
        }
        if isNegative { return magnitude <= 1 << 63 ? JSONNumber(Int64(truncatingIfNeeded: 0 &- magnitude)) : nil }
        return isSigned && magnitude > Int64.max ? nil : JSONNumber(magnitude)
    }

    /// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
    private static func isFloat(_ text: String) -> Bool {
        var rest = text.utf8[...]
        func digits() -> Int {
            let run = rest.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }.count
            rest = rest.dropFirst(run)
            return run
        }
        func sign() {
            if rest.first == UInt8(ascii: "+") || rest.first == UInt8(ascii: "-") { rest = rest.dropFirst() }
        }
        sign()
        let whole = digits()
        if rest.first == UInt8(ascii: ".") {
            rest = rest.dropFirst()
            guard digits() + whole > 0 else { return false }
        } else if whole == 0 {
            return false
        }
        if rest.first == UInt8(ascii: "e") || rest.first == UInt8(ascii: "E") {
            rest = rest.dropFirst()
            sign()
            guard digits() > 0 else { return false }
        }
        return rest.isEmpty
    }

    private static func double(_ text: String) throws(Unreadable) -> JSONValue {
        guard let number = Double(text).flatMap(JSONNumber.init) else { throw .infinite }
        // Go writes a whole double without a point, so that 1.0 arrives as 1.
        return .number(number.integer.map(JSONNumber.init) ?? number)
    }
}
