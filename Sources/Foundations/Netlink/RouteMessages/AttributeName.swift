public import Addressing

/// The names of one parent's attributes, each with its number.
protocol AttributeName: RawRepresentable where RawValue == UInt16 {}

extension MessageWriter {
    mutating func attribute<Number: FixedWidthInteger & BitwiseCopyable>(_ name: some AttributeName, _ number: Number?) {
        if let number { attribute(name.rawValue, number) }
    }

    mutating func attribute(_ name: some AttributeName, _ text: String?) {
        if let text { attribute(name.rawValue, text) }
    }

    mutating func attribute(_ name: some AttributeName, _ address: IPAddress?) {
        if let address { attribute(name.rawValue, bytes: address.bytes) }
    }

    mutating func attribute(_ name: some AttributeName, _ address: MACAddress?) {
        if let address { attribute(name.rawValue, bytes: address.bytes) }
    }

    mutating func nested(_ name: some AttributeName, _ body: (inout MessageWriter) -> Void) {
        nested(name.rawValue, body)
    }
}

extension Attributes {
    subscript(_ name: some AttributeName) -> Attribute? { self[name.rawValue] }
}

extension Attribute {
    /// An address of either family; `nil` for any size but 4 and 16 bytes.
    var address: IPAddress? { IPAddress(bytes: bytes) }

    /// `nil` for any size but six bytes.
    var mac: MACAddress? { MACAddress(bytes: bytes) }
}

/// A protocol family, as the first byte of every fixed struct says it.
public enum RouteFamily: UInt8, Sendable {
    /// `AF_UNSPEC`: both.
    case any = 0
    /// `AF_INET`
    case v4 = 2
    /// `AF_BRIDGE`: forwarding entries instead of neighbours.
    case bridge = 7
    /// `AF_INET6`
    case v6 = 10

    public init(_ family: IPFamily) {
        switch family {
        case .v4: self = .v4
        case .v6: self = .v6
        }
    }

    public var addresses: IPFamily? {
        switch self {
        case .v4: .v4
        case .v6: .v6
        case .any, .bridge: nil
        }
    }
}
