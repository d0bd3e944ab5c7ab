public import Addressing

/// Which route table is asked for which packets; the lowest priority is asked first.
public struct Rule: Hashable, Sendable {
    public var family: IPFamily
    public var priority: UInt32
    public var from: IPPrefix?
    public var to: IPPrefix?
    public var mark: Mark?
    /// The link a packet came in by.
    public var incoming: String?
    public var table: UInt32
    /// Who made the rule (`FRA_PROTOCOL`).
    public var proto: UInt8

    /// A packet mark under a mask.
    public struct Mark: Hashable, Sendable {
        public var value: UInt32
        public var mask: UInt32

        public init(_ value: UInt32, mask: UInt32 = .max) {
            self.value = value
            self.mask = mask
        }
    }

    public init(
        _ family: IPFamily, priority: UInt32, from: IPPrefix? = nil, to: IPPrefix? = nil, mark: Mark? = nil,
        incoming: String? = nil, table: UInt32, proto: UInt8
    ) {
        self.family = family
        self.priority = priority
        self.from = from
        self.to = to
        self.mark = mark
        self.incoming = incoming
        self.table = table
        self.proto = proto
    }
}

extension Rule: CustomStringConvertible {
    public var description: String {
        var words = ["rule \(priority) \(family.name)"]
        if let from { words.append("from \(from)") }
        if let to { words.append("to \(to)") }
        if let mark { words.append("fwmark \(mark)") }
        if let incoming { words.append("iif \(incoming)") }
        words.append("table \(table) proto \(proto)")
        return words.joined(separator: " ")
    }
}

extension Rule.Mark: CustomStringConvertible {
    public var description: String { "0x\(String(value, radix: 16))/0x\(String(mask, radix: 16))" }
}
