public import Addressing

/// What a field of a key or datum means: its size, its byte order and how nft writes it.
///
/// The raw values are nft's own type numbers (`enum datatypes` in nftables' `include/datatype.h`), which the kernel stores for
/// user space without looking at them: with them `nft list` can read our sets.
public enum FieldType: UInt32, Hashable, Sendable, CaseIterable {
    case integer = 4
    case ipv4Address = 7
    case ipv6Address = 8
    case etherAddress = 9
    case transportProtocol = 12
    case port = 13
    case mark = 19
    case interfaceIndex = 20
    case conntrackState = 26
    case conntrackStatus = 28
    case addressType = 38
    case interfaceName = 41

    /// nft's word in `type …`.
    public var name: String {
        switch self {
        case .integer: "integer"
        case .ipv4Address: "ipv4_addr"
        case .ipv6Address: "ipv6_addr"
        case .etherAddress: "ether_addr"
        case .transportProtocol: "inet_proto"
        case .port: "inet_service"
        case .mark: "mark"
        case .interfaceIndex: "iface_index"
        case .conntrackState: "ct_state"
        case .conntrackStatus: "ct_status"
        case .addressType: "fib_addrtype"
        case .interfaceName: "ifname"
        }
    }

    /// Bytes, without padding.
    public var size: Int {
        switch self {
        case .transportProtocol: 1
        case .port: 2
        case .etherAddress: 6
        case .ipv6Address, .interfaceName: 16
        case .integer, .ipv4Address, .mark, .interfaceIndex, .conntrackState, .conntrackStatus, .addressType: 4
        }
    }

    /// Bytes in a register: a multiple of four.
    public var paddedSize: Int { (size + 3) & ~3 }

    /// Numbers of the host's own making (marks, states, indices) lie in the host's byte order; what comes from packets in network order.
    public var isHostOrder: Bool {
        switch self {
        case .mark, .interfaceIndex, .conntrackState, .conntrackStatus, .addressType, .integer: true
        case .ipv4Address, .ipv6Address, .etherAddress, .transportProtocol, .port, .interfaceName: false
        }
    }
}

// MARK: - Fields with values

/// One field of a key or datum, with its value.
public enum FieldValue: Hashable, Sendable {
    case address(IPAddress)
    case mac(MACAddress)
    case transport(TransportProtocol)
    case port(UInt16)
    case mark(UInt32)
    case interfaceName(String)
    case interfaceIndex(UInt32)
    case number(UInt32)

    /// The unpadded bytes in the order the kernel compares.
    var bytes: [UInt8] {
        switch self {
        case .address(let address): address.bytes
        case .mac(let address): address.bytes
        case .transport(let transport): [transport.number]
        case .port(let port): [UInt8(port >> 8), UInt8(port & 255)]
        case .mark(let number), .interfaceIndex(let number), .number(let number): withUnsafeBytes(of: number) { Array($0) }
        case .interfaceName(let name): Array((Array(name.utf8) + Array(repeating: 0, count: 16)).prefix(16))
        }
    }
}

extension FieldValue {
    /// What there are most of goes there without an array of its own.
    fileprivate func append(to value: inout Value) {
        switch self {
        case .address(.v4(let address)): withUnsafeBytes(of: address.rawValue.bigEndian) { for byte in $0 { value.append(byte) } }
        case .transport(let transport): value.append(transport.number)
        case .port(let port):
            value.append(UInt8(port >> 8))
            value.append(UInt8(port & 255))
        case .address, .mac, .mark, .interfaceName, .interfaceIndex, .number: for byte in bytes { value.append(byte) }
        }
    }
}

extension Value {
    /// A key or datum of one field or of several: each field padded to four bytes.
    public init(_ fields: FieldValue...) { self.init(fields: fields) }

    public init(fields: [FieldValue]) {
        guard fields.count > 1 else {
            self.init(fields.first?.bytes ?? [])
            return
        }
        self.init()
        for field in fields {
            field.append(to: &self)
            while count & 3 != 0 { append(0) }
        }
    }

    /// The bytes of each field of a concatenation, without padding; `nil` when the sizes do not fit.
    func split(_ types: [FieldType]) -> [[UInt8]]? {
        let bytes = bytes
        guard types.count > 1 else { return types.first.map { bytes.count == $0.size } == true ? [bytes] : nil }
        guard bytes.count == types.reduce(0, { $0 + $1.paddedSize }) else { return nil }
        var offset = 0
        return types.map { type in
            defer { offset += type.paddedSize }
            return Array(bytes[offset..<offset + type.size])
        }
    }
}
