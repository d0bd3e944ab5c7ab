public import Addressing

/// A rule that chooses a route table: `RTM_NEWRULE`, struct `fib_rule_hdr`.
public struct RuleMessage: RouteObject {
    /// `RTM_NEWRULE`
    public static var newType: UInt16 { 32 }

    /// `family`
    public var family: RouteFamily
    /// `FRA_PRIORITY`
    public var priority: UInt32 = 0
    /// `FRA_SRC`
    public var from: IPPrefix?
    /// `FRA_DST`
    public var to: IPPrefix?
    /// `FRA_IIFNAME`
    public var incoming: String?
    /// `FRA_FWMARK`
    public var mark: UInt32?
    /// `FRA_FWMASK`
    public var mask: UInt32?
    /// `FRA_TABLE`
    public var table: UInt32 = 0
    /// `action`: `FR_ACT_TO_TBL` is 1.
    public var action: UInt8 = 1
    /// `FRA_PROTOCOL`: who made the rule.
    public var proto: UInt8?
    /// The rule has selectors or an effect that this struct has no field for.
    public private(set) var hasMore = false

    public init(_ family: RouteFamily) { self.family = family }
}

extension RuleMessage {
    static let structSize = 12
    /// `FIB_RULE_INVERT`. The other flags say what became of the rule, such as that its link is not there.
    static let inverted: UInt32 = 0x2

    public init?(_ message: Message) {
        guard message.type == Self.newType, message.payload.count >= Self.structSize,
            let family = RouteFamily(rawValue: message.read(UInt8.self, at: 0)), family.addresses != nil
        else { return nil }
        self.family = family
        table = UInt32(message.read(UInt8.self, at: 4))
        action = message.read(UInt8.self, at: 7)
        hasMore = message.read(UInt8.self, at: 3) != 0 || message.read(UInt32.self, at: 8) & Self.inverted != 0
        let lengths = (to: message.read(UInt8.self, at: 1), from: message.read(UInt8.self, at: 2))
        for attribute in message.attributes(after: Self.structSize) {
            switch Name(rawValue: attribute.type) {
            case .to: to = Self.prefix(attribute, length: lengths.to)
            case .from: from = Self.prefix(attribute, length: lengths.from)
            case .incoming: incoming = attribute.text
            case .priority: priority = attribute.number() ?? 0
            case .mark: mark = attribute.number()
            case .mask: mask = attribute.number()
            case .table: table = attribute.number() ?? table
            case .proto: proto = attribute.number()
            // Said of every rule, and at their defaults no selectors.
            case .suppressLength, .suppressGroup: if attribute.number(UInt32.self) != .max { hasMore = true }
            case .pad: break
            case nil: hasMore = true
            }
        }
    }

    private static func prefix(_ attribute: Attribute, length: UInt8) -> IPPrefix? {
        guard let address = attribute.address, Int(length) <= address.family.bitWidth else { return nil }
        return IPPrefix(address, length: Int(length))
    }

    public func write(into writer: inout MessageWriter) {
        writer.append(family.rawValue)
        writer.append(UInt8(clamping: to?.length ?? 0))
        writer.append(UInt8(clamping: from?.length ?? 0))
        writer.append(UInt8(0))  // tos
        writer.append(UInt8(exactly: table) ?? 0)
        writer.append(UInt16(0))
        writer.append(action)
        writer.append(UInt32(0))  // flags
        // A filter is the header alone.
        guard table != 0 else { return }
        writer.attribute(Name.to, to?.address)
        writer.attribute(Name.from, from?.address)
        writer.attribute(Name.incoming, incoming)
        writer.attribute(Name.priority, priority)
        writer.attribute(Name.mark, mark)
        writer.attribute(Name.mask, mask)
        writer.attribute(Name.table, table)
        writer.attribute(Name.proto, proto)
    }

    /// A filter: all rules of a family.
    public static func all(_ family: RouteFamily) -> RuleMessage {
        var filter = RuleMessage(family)
        filter.action = 0
        return filter
    }

    private enum Name: UInt16, AttributeName {
        /// `FRA_DST`
        case to = 1
        /// `FRA_SRC`
        case from = 2
        /// `FRA_IIFNAME`
        case incoming = 3
        /// `FRA_PRIORITY`
        case priority = 6
        /// `FRA_FWMARK`
        case mark = 10
        /// `FRA_SUPPRESS_IFGROUP`
        case suppressGroup = 13
        /// `FRA_SUPPRESS_PREFIXLEN`
        case suppressLength = 14
        /// `FRA_TABLE`
        case table = 15
        /// `FRA_FWMASK`
        case mask = 16
        /// `FRA_PAD`
        case pad = 18
        /// `FRA_PROTOCOL`
        case proto = 21
    }
}
