internal import Addressing

extension RecordData: CustomStringConvertible {
    /// The data in master file form; opaque data as `\# length hexadecimal` (RFC 3597 §5).
    public var description: String {
        switch self {
        case .a(let address): address.description
        case .aaaa(let address): address.description
        case .ns(let name), .cname(let name), .ptr(let name): name.description
        case .soa(let soa):
            "\(soa.primary) \(soa.mailbox) \(soa.serial) \(soa.refresh) \(soa.retry) \(soa.expire) \(soa.minimum)"
        case .mx(let mail): "\(mail.preference) \(mail.exchange)"
        case .txt(let strings): strings.map(quoted).joined(separator: " ")
        case .srv(let service): "\(service.priority) \(service.weight) \(service.port) \(service.target)"
        case .naptr(let rule):
            "\(rule.order) \(rule.preference) \(quoted(rule.flags)) \(quoted(rule.services)) \(quoted(rule.expression)) "
                + rule.replacement.description
        case .caa(let permission):
            "\(permission.flags) \(presentation(of: permission.tag, special: "\".;\\()@$")) \(quoted(permission.value))"
        case .svcb(let binding), .https(let binding):
            (["\(binding.priority) \(binding.target)"] + binding.parameters.map { "key\($0.key)=\(quoted($0.value))" })
                .joined(separator: " ")
        case .opaque(_, let bytes): bytes.isEmpty ? "\\# 0" : "\\# \(bytes.count) \(hexadecimal(bytes))"
        }
    }
}

private func quoted(_ bytes: [UInt8]) -> String { "\"\(presentation(of: bytes, special: "\"\\", keepsBlanks: true))\"" }

private func hexadecimal(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}
