import CLinux
import NFTables
import Netlink

extension Expression {
    /// Reads one instruction; what this version does not know becomes ``Expression/unknown(_:_:)``.
    init(reading element: Attributes) {
        let name = element[id(NFTA_EXPR_NAME)]?.text ?? ""
        let bytes = element[id(NFTA_EXPR_DATA)]?.bytes ?? []
        self = Self.known(name, Facts(Attributes(bytes))) ?? .unknown(name, Array(bytes))
    }

    private static func known(_ name: String, _ facts: Facts) -> Expression? {
        switch name {
        case "meta":
            guard let key = facts.number(NFTA_META_KEY).flatMap(MetaKey.init) else { return nil }
            if let register = facts.register(NFTA_META_SREG) { return .setMeta(key, from: register) }
            return facts.register(NFTA_META_DREG).map { .meta(key, into: $0) }
        case "payload":
            guard let register = facts.register(NFTA_PAYLOAD_DREG), let offset = facts.number(NFTA_PAYLOAD_OFFSET),
                let base = facts.number(NFTA_PAYLOAD_BASE).flatMap(PayloadBase.init), let length = facts.number(NFTA_PAYLOAD_LEN)
            else { return nil }
            return .payload(base, offset: offset, length: length, into: register)
        case "ct":
            guard let register = facts.register(NFTA_CT_DREG), let key = facts.number(NFTA_CT_KEY).flatMap(ConntrackKey.init)
            else { return nil }
            let direction = facts[NFTA_CT_DIRECTION]?.number(UInt8.self).flatMap(ConntrackDirection.init)
            return .conntrack(key, direction, into: register)
        case "fib":
            guard let register = facts.register(NFTA_FIB_DREG),
                let result = facts.number(NFTA_FIB_RESULT).flatMap(FIBResult.init),
                let flags = facts.number(NFTA_FIB_FLAGS)
            else { return nil }
            return .fib(result, FIBFlags(rawValue: flags), into: register)
        case "numgen":
            guard let register = facts.register(NFTA_NG_DREG), let modulus = facts.number(NFTA_NG_MODULUS),
                let mode = facts.number(NFTA_NG_TYPE).flatMap(NumgenMode.init)
            else { return nil }
            return .numgen(mode, modulus: modulus, offset: facts.number(NFTA_NG_OFFSET) ?? 0, into: register)
        case "immediate": return immediate(facts)
        case "cmp":
            guard let register = facts.register(NFTA_CMP_SREG),
                let operation = facts.number(NFTA_CMP_OP).flatMap(Comparison.init),
                let value = facts.value(NFTA_CMP_DATA)
            else { return nil }
            return .compare(register, operation, value)
        case "bitwise":
            // Only `mask and xor` (operation 0): shifts and the register operations of newer kernels are not ours.
            guard facts.number(NFTA_BITWISE_OP) ?? 0 == 0, let from = facts.register(NFTA_BITWISE_SREG),
                let into = facts.register(NFTA_BITWISE_DREG), let mask = facts.value(NFTA_BITWISE_MASK),
                let xor = facts.value(NFTA_BITWISE_XOR)
            else { return nil }
            return .bitwise(from: from, into: into, mask: mask, xor: xor)
        case "lookup": return lookup(facts)
        case "dynset":
            // With an expression of its own, such as a limit, an update is another statement.
            guard let operation = facts.number(NFTA_DYNSET_OP), facts.number(NFTA_DYNSET_FLAGS) ?? 0 == 0,
                facts[NFTA_DYNSET_EXPR] == nil, facts[NFTA_DYNSET_EXPRESSIONS] == nil,
                let set = facts[NFTA_DYNSET_SET_NAME]?.text,
                let key = facts.register(NFTA_DYNSET_SREG_KEY)
            else { return nil }
            if operation == NFT_DYNSET_OP_DELETE.rawValue {
                return .forget(set: set, key: key, data: facts.register(NFTA_DYNSET_SREG_DATA))
            }
            guard operation == NFT_DYNSET_OP_UPDATE.rawValue else { return nil }
            let timeout = facts[NFTA_DYNSET_TIMEOUT]?.bigEndian(UInt64.self) ?? 0
            return .update(
                set: set, key: key, data: facts.register(NFTA_DYNSET_SREG_DATA),
                timeout: timeout == 0 ? nil : .milliseconds(Int64(clamping: timeout)))
        case "nat": return translation(facts)
        case "masq":
            guard facts[NFTA_MASQ_REG_PROTO_MIN] == nil else { return nil }
            return .masquerade(MasqueradeFlags(rawValue: facts.number(NFTA_MASQ_FLAGS) ?? 0))
        case "reject":
            let code = facts[NFTA_REJECT_ICMP_CODE]?.number(UInt8.self) ?? 0
            switch facts.number(NFTA_REJECT_TYPE) {
            case NFT_REJECT_ICMP_UNREACH.rawValue: return .reject(.unreachable(code: code))
            case NFT_REJECT_TCP_RST.rawValue: return .reject(.tcpReset)
            case NFT_REJECT_ICMPX_UNREACH.rawValue: return .reject(.unreachableInet(code: code))
            default: return nil
            }
        case "counter": return .counter
        case "limit":
            guard facts.number(NFTA_LIMIT_TYPE) ?? 0 == NFT_LIMIT_PKTS.rawValue, facts.number(NFTA_LIMIT_FLAGS) ?? 0 == 0,
                let rate = facts[NFTA_LIMIT_RATE]?.bigEndian(UInt64.self),
                let unit = facts[NFTA_LIMIT_UNIT]?.bigEndian(UInt64.self)
            else { return nil }
            return .limit(rate: rate, unit: .seconds(Int64(clamping: unit)), burst: facts.number(NFTA_LIMIT_BURST) ?? 0)
        case "log":
            guard let group = facts[NFTA_LOG_GROUP]?.bigEndian(UInt16.self), facts[NFTA_LOG_LEVEL] == nil,
                facts.number(NFTA_LOG_SNAPLEN) ?? 0 == 0, (facts[NFTA_LOG_QTHRESHOLD]?.bigEndian(UInt16.self) ?? 0) == 0
            else { return nil }
            return .log(group: group, prefix: facts[NFTA_LOG_PREFIX]?.text ?? "")
        case "notrack": return .untrack
        default: return nil
        }
    }

    private static func immediate(_ facts: Facts) -> Expression? {
        guard let number = facts.number(NFTA_IMMEDIATE_DREG) else { return nil }
        if number == NFT_REG_VERDICT.rawValue {
            return facts[NFTA_IMMEDIATE_DATA]?.nested[id(NFTA_DATA_VERDICT)].flatMap { Verdict($0.nested) }.map(
                Expression.verdict)
        }
        guard let register = Register(kernelNumber: number), let value = facts.value(NFTA_IMMEDIATE_DATA) else { return nil }
        return .load(value, into: register)
    }

    private static func lookup(_ facts: Facts) -> Expression? {
        guard let set = facts[NFTA_LOOKUP_SET]?.text, let key = facts.register(NFTA_LOOKUP_SREG) else { return nil }
        let isInverted = (facts.number(NFTA_LOOKUP_FLAGS) ?? 0) & NFT_LOOKUP_F_INV.rawValue != 0
        guard let number = facts.number(NFTA_LOOKUP_DREG) else {
            return .lookup(set: set, key: key, into: .nowhere, isInverted: isInverted)
        }
        if number == NFT_REG_VERDICT.rawValue { return .lookup(set: set, key: key, into: .verdict, isInverted: isInverted) }
        return Register(kernelNumber: number).map { .lookup(set: set, key: key, into: .register($0), isInverted: isInverted) }
    }

    /// The kernel lists a range's end beside its start, and flags that follow from which registers are given.
    private static func translation(_ facts: Facts) -> Expression? {
        guard let kind = facts.number(NFTA_NAT_TYPE).flatMap(NATKind.init),
            let family = facts.number(NFTA_NAT_FAMILY).flatMap({ TableFamily(rawValue: UInt8(truncatingIfNeeded: $0)) })
        else { return nil }
        let address = facts.register(NFTA_NAT_REG_ADDR_MIN)
        let port = facts.register(NFTA_NAT_REG_PROTO_MIN)
        let implied: UInt32 = (address == nil ? 0 : 1) | (port == nil ? 0 : 2)
        guard facts.register(NFTA_NAT_REG_ADDR_MAX) ?? address == address, facts.register(NFTA_NAT_REG_PROTO_MAX) ?? port == port,
            (facts.number(NFTA_NAT_FLAGS) ?? 0) & ~implied == 0
        else { return nil }
        return .nat(kind, family, address: address, port: port)
    }
}

/// An instruction's attributes by their C enumerators.
private struct Facts {
    private let attributes: Attributes

    init(_ attributes: Attributes) { self.attributes = attributes }

    subscript(_ attribute: some RawRepresentable<UInt32>) -> Attribute? { attributes[id(attribute)] }

    func number(_ attribute: some RawRepresentable<UInt32>) -> UInt32? { self[attribute]?.bigEndian() }

    func register(_ attribute: some RawRepresentable<UInt32>) -> Register? {
        number(attribute).flatMap(Register.init(kernelNumber:))
    }

    func value(_ attribute: some RawRepresentable<UInt32>) -> Value? {
        self[attribute]?.nested[id(NFTA_DATA_VALUE)].map { Value($0.bytes) }
    }
}
