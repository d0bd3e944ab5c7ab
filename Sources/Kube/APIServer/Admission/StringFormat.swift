import Addressing

/// The formats of strings that are checked; others say nothing, as in Kubernetes.
enum StringFormat: String, CaseIterable {
    case dateTime = "date-time"
    case date
    case ipv4, ipv6, cidr, uuid, hostname, byte

    func holds(_ text: String) -> Bool {
        switch self {
        case .dateTime: Timestamp(text) != nil
        case .date: text.utf8.count == 10 && Timestamp("\(text)T00:00:00Z") != nil
        case .ipv4: IPAddress(text)?.family == .v4
        case .ipv6: IPAddress(text)?.family == .v6
        case .cidr: InterfaceAddress(text) != nil
        case .uuid: Self.isUUID(text)
        case .hostname: !text.isEmpty && text.utf8.count <= 253 && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
        case .byte: isBase64(text)
        }
    }

    private static func isUUID(_ text: String) -> Bool {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        return parts.map(\.utf8.count) == [8, 4, 4, 4, 12] && parts.allSatisfy { $0.allSatisfy(\.isHexDigit) }
    }
}

/// Padded base64 of the standard alphabet (RFC 4648 §4); line breaks are allowed, as Go allows them.
func isBase64(_ text: String) -> Bool {
    var count = 0
    var padding = 0
    for byte in text.utf8 where byte != 0x0A && byte != 0x0D {
        count += 1
        switch byte {
        case UInt8(ascii: "="): padding += 1
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "/"):
            if padding > 0 { return false }
        default: return false
        }
    }
    return count % 4 == 0 && padding <= 2
}
