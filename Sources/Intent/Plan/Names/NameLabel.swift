/// A label that hosts and services may have: letters, digits, hyphens and underscores, 1 to 63 of them.
///
/// The DNS itself takes any bytes; a dot inside a label, as an object of another API server may have, would be a name that nobody
/// can ask for by writing it.
struct NameLabel {
    let bytes: [UInt8]

    init?(_ text: some StringProtocol) {
        let bytes = Array(text.utf8)
        guard (1...63).contains(bytes.count), bytes.allSatisfy(Self.isUsual) else { return nil }
        self.bytes = bytes
    }

    private static func isUsual(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
