/// Bytes of netlink messages in the making: headers, fixed structs and attribute trees, lengths filled in behind.
///
/// ```
/// ┌ nlmsghdr ┬ fixed struct ┬ attribute ┬ nested attribute ─────────────┐
/// │ len type │ ifinfomsg …  │ len type  │ len type ┬ attribute ┬ …      │   everything padded to 4 bytes (NLMSG_ALIGN)
/// └──────────┴──────────────┴───────────┴──────────┴───────────┴────────┘
/// ```
/// Numbers are written in the host's order unless the name says big-endian: rtnetlink speaks host order, nfnetlink network order.
public struct MessageWriter {
    public private(set) var bytes: [UInt8]

    public init(capacity: Int = 256) {
        bytes = []
        bytes.reserveCapacity(capacity)
    }

    public var count: Int { bytes.count }

    /// Forgets what was written and keeps the memory.
    public mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }
}

// MARK: - Messages

extension MessageWriter {
    /// The bytes of `nlmsghdr`.
    public static let headerSize = 16

    /// Writes one message; the body writes what follows the header.
    @inlinable
    public mutating func message(
        _ type: UInt16, flags: NetlinkFlags, sequence: UInt32, _ body: (inout MessageWriter) -> Void
    ) {
        let start = count
        append(UInt32(0))
        append(type)
        append(flags.rawValue)
        append(sequence)
        append(UInt32(0))
        body(&self)
        set(UInt32(count - start), at: start)
        pad()
    }

    /// Writes a message made elsewhere: the bytes that follow the header.
    public mutating func message(_ type: UInt16, flags: NetlinkFlags, sequence: UInt32, payload: [UInt8]) {
        message(type, flags: flags, sequence: sequence) { $0.append(bytes: payload) }
    }
}

extension MessageWriter {
    /// Adds flags to a message written before, such as the wish for an acknowledgement to the last of many.
    public mutating func addFlags(_ flags: NetlinkFlags, toMessageAt offset: Int) {
        let old = bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset + 6, as: UInt16.self) }
        set(old | flags.rawValue, at: offset + 6)
    }
}

// MARK: - Fixed parts

extension MessageWriter {
    /// A number in the host's byte order.
    @inlinable
    public mutating func append<Number: FixedWidthInteger & BitwiseCopyable>(_ number: Number) {
        withUnsafeBytes(of: number) { append(bytes: $0) }
    }

    @inlinable
    public mutating func append(bytes more: some Sequence<UInt8>) {
        appendRaw(more)
    }

    @usableFromInline
    mutating func appendRaw(_ more: some Sequence<UInt8>) { bytes.append(contentsOf: more) }

    @usableFromInline
    mutating func appendRaw(_ more: UnsafeRawBufferPointer) { bytes.append(contentsOf: more) }

    @inlinable
    public mutating func append(bytes more: UnsafeRawBufferPointer) { appendRaw(more) }

    /// Zeros up to the next multiple of four bytes.
    public mutating func pad() {
        while bytes.count & 3 != 0 { bytes.append(0) }
    }

    /// Overwrites a number written before.
    @usableFromInline
    mutating func set<Number: FixedWidthInteger & BitwiseCopyable>(_ number: Number, at offset: Int) {
        precondition(offset >= 0 && offset + MemoryLayout<Number>.size <= bytes.count, "a patch outside the written bytes")
        bytes.withUnsafeMutableBytes { $0.storeBytes(of: number, toByteOffset: offset, as: Number.self) }
    }
}

// MARK: - Attributes

extension MessageWriter {
    /// An attribute whose value the body writes. Its length, header included, must fit 16 bits.
    @inlinable
    public mutating func attribute(_ type: UInt16, _ body: (inout MessageWriter) -> Void) {
        let start = count
        append(UInt16(0))
        append(type)
        body(&self)
        let length = count - start
        precondition(length <= Int(UInt16.max), "a netlink attribute over 65,535 bytes")
        set(UInt16(truncatingIfNeeded: length), at: start)
        pad()
    }

    /// An attribute that holds attributes (`NLA_F_NESTED`).
    @inlinable
    public mutating func nested(_ type: UInt16, _ body: (inout MessageWriter) -> Void) {
        attribute(type | 0x8000, body)
    }

    /// A number in the host's byte order: what rtnetlink speaks.
    @inlinable
    public mutating func attribute<Number: FixedWidthInteger & BitwiseCopyable>(_ type: UInt16, _ number: Number) {
        attribute(type) { $0.append(number) }
    }

    /// A number in network byte order: what nfnetlink speaks.
    @inlinable
    public mutating func attribute<Number: FixedWidthInteger & BitwiseCopyable>(_ type: UInt16, bigEndian number: Number) {
        attribute(type) { $0.append(number.bigEndian) }
    }

    public mutating func attribute(_ type: UInt16, bytes: some Sequence<UInt8>) {
        attribute(type) { $0.append(bytes: bytes) }
    }

    /// A string with its terminating zero.
    public mutating func attribute(_ type: UInt16, _ text: String) {
        attribute(type) {
            $0.append(bytes: text.utf8)
            $0.append(UInt8(0))
        }
    }

    /// An attribute whose presence is its value.
    public mutating func attribute(flag type: UInt16) {
        attribute(type) { _ in }
    }
}
