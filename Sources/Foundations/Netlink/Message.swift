/// One message that came from the kernel.
public struct Message: Sendable {
    public var type: UInt16
    public var flags: NetlinkFlags
    public var sequence: UInt32
    /// What follows the header: a fixed struct, then attributes.
    public var payload: ArraySlice<UInt8>

    /// The attributes behind a fixed struct of `size` bytes; none when the payload is shorter.
    public func attributes(after size: Int) -> Attributes {
        Attributes(payload.dropFirst((size + 3) & ~3))
    }

    /// A number of the fixed struct, in the host's byte order; zero when the payload is shorter.
    public func read<Number: FixedWidthInteger & BitwiseCopyable>(_: Number.Type, at offset: Int) -> Number {
        payload.number(at: offset) ?? 0
    }

    /// Cuts a datagram into its messages. A header that promises more than there is ends the datagram.
    static func split(_ datagram: ArraySlice<UInt8>) -> [Message] {
        var messages: [Message] = []
        var rest = datagram
        while let length: UInt32 = rest.number(at: 0), length >= 16, Int(length) <= rest.count,
            let type: UInt16 = rest.number(at: 4), let flags: UInt16 = rest.number(at: 6),
            let sequence: UInt32 = rest.number(at: 8)
        {
            let body = rest.dropFirst(16).prefix(Int(length) - 16)
            messages.append(Message(type: type, flags: NetlinkFlags(rawValue: flags), sequence: sequence, payload: body))
            rest = rest.dropFirst((Int(length) + 3) & ~3)
        }
        return messages
    }
}

/// A sequence of attributes: of a message, or of a nested attribute.
public struct Attributes: Sequence, Sendable {
    private let bytes: ArraySlice<UInt8>

    public init(_ bytes: ArraySlice<UInt8>) { self.bytes = bytes }

    /// The first attribute of a type.
    public subscript(_ type: UInt16) -> Attribute? { first { $0.type == type } }

    public func makeIterator() -> Iterator { Iterator(rest: bytes) }

    public struct Iterator: IteratorProtocol {
        var rest: ArraySlice<UInt8>

        /// Ends at the first attribute whose length is shorter than its header or longer than what is left.
        public mutating func next() -> Attribute? {
            guard let length: UInt16 = rest.number(at: 0), length >= 4, Int(length) <= rest.count,
                let type: UInt16 = rest.number(at: 2)
            else { return nil }
            let value = rest.dropFirst(4).prefix(Int(length) - 4)
            rest = rest.dropFirst((Int(length) + 3) & ~3)
            // The two high bits are NLA_F_NESTED and NLA_F_NET_BYTEORDER.
            return Attribute(type: type & 0x3FFF, bytes: value)
        }
    }
}

/// One attribute: a type that its parent gives a meaning, and bytes.
public struct Attribute: Sendable {
    public var type: UInt16
    public var bytes: ArraySlice<UInt8>

    /// A number in the host's byte order; `nil` when the attribute has another size.
    public func number<Number: FixedWidthInteger & BitwiseCopyable>(_: Number.Type = Number.self) -> Number? {
        bytes.count == MemoryLayout<Number>.size ? bytes.number(at: 0) : nil
    }

    /// A number in network byte order; `nil` when the attribute has another size.
    public func bigEndian<Number: FixedWidthInteger & BitwiseCopyable>(_: Number.Type = Number.self) -> Number? {
        number(Number.self).map(Number.init(bigEndian:))
    }

    /// A string, without its terminating zero.
    public var text: String {
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }

    public var nested: Attributes { Attributes(bytes) }
}

extension ArraySlice<UInt8> {
    /// A number in the host's byte order, `offset` bytes from the slice's start; `nil` when it does not fit.
    func number<Number: FixedWidthInteger & BitwiseCopyable>(at offset: Int) -> Number? {
        guard offset >= 0, offset + MemoryLayout<Number>.size <= count else { return nil }
        return withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: Number.self) }
    }
}
