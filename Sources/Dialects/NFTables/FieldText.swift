import Addressing

/// A key or datum as nft writes it.
func concatenationText(_ value: Value, _ types: [FieldType]) -> String {
    guard let fields = value.split(types) else { return value.description }
    return zip(fields, types).map { fieldText($0, $1) }.joined(separator: " . ")
}

/// One field as nft writes it.
func fieldText(_ bytes: [UInt8], _ type: FieldType) -> String {
    switch type {
    case .ipv4Address, .ipv6Address: IPAddress(bytes: bytes)?.description ?? Value(bytes).description
    case .etherAddress: MACAddress(bytes: bytes)?.description ?? Value(bytes).description
    case .transportProtocol: protocolName(bytes[0])
    case .port: "\(UInt16(bytes[0]) << 8 | UInt16(bytes[1]))"
    case .mark: "0x" + padded(hostNumber(bytes))
    case .integer, .interfaceIndex: "\(hostNumber(bytes))"
    case .conntrackState: flagText(hostNumber(bytes), conntrackStates)
    case .conntrackStatus: flagText(hostNumber(bytes), conntrackStatuses)
    case .addressType: addressTypes[hostNumber(bytes)] ?? "\(hostNumber(bytes))"
    case .interfaceName: "\"" + String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self) + "\""
    }
}

func hostNumber(_ bytes: [UInt8]) -> UInt32 {
    var number: UInt32 = 0
    withUnsafeMutableBytes(of: &number) { $0.copyBytes(from: bytes.prefix(4)) }
    return number
}

/// Eight hexadecimal digits: nft writes marks at full width.
func padded(_ number: UInt32) -> String {
    let digits = String(number, radix: 16)
    return String(repeating: "0", count: 8 - digits.count) + digits
}

private func protocolName(_ number: UInt8) -> String {
    switch number {
    case 1: "icmp"
    case 58: "ipv6-icmp"
    default: TransportProtocol(number: number)?.rawValue.lowercased() ?? "\(number)"
    }
}

func flagText(_ number: UInt32, _ names: [(UInt32, String)]) -> String {
    let known = names.filter { number & $0.0 != 0 }
    return known.isEmpty ? "\(number)" : known.map(\.1).joined(separator: ",")
}

let conntrackStates: [(UInt32, String)] = [(1, "invalid"), (2, "established"), (4, "related"), (8, "new"), (64, "untracked")]
let conntrackStatuses: [(UInt32, String)] = [
    (1, "expected"), (2, "seen-reply"), (4, "assured"), (8, "confirmed"), (16, "snat"), (32, "dnat"), (512, "dying"),
]
private let addressTypes: [UInt32: String] = [1: "unicast", 2: "local", 3: "broadcast", 4: "anycast", 5: "multicast"]

/// `3h`, `1m30s`, `500ms`: the units nft prints.
func timeText(_ duration: Duration) -> String {
    let (seconds, attoseconds) = duration.components
    let milliseconds = attoseconds / 1_000_000_000_000_000
    let parts = [
        (seconds / 86400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s"), (milliseconds, "ms"),
    ]
    let text = parts.filter { $0.0 != 0 }.map { "\($0.0)\($0.1)" }.joined()
    return text.isEmpty ? "0s" : text
}

/// Bits of TCP's flags (RFC 9293 §3.1).
enum TCPFlags {
    static let syn: UInt8 = 2
    /// FIN, SYN, RST and ACK: those that say where in its life a connection is.
    static let turning: UInt8 = 0x17
    static let names: [(UInt32, String)] = [
        (1, "fin"), (2, "syn"), (4, "rst"), (8, "psh"), (16, "ack"), (32, "urg"), (64, "ecn"), (128, "cwr"),
    ]
}
