import Addressing
import DNS

/// Messages by chance, of all kinds of data, whose names often share their ends.
enum RandomMessage {
    static let kinds = 0..<15

    static func make(_ dice: inout SeededDice) -> Message {
        var message = Message(Header(id: UInt16(dice.below(65536)), flags: UInt16(dice.below(65536))))
        message.questions = (0..<(dice.chance(10) ? dice.below(3) : 1)).map { _ in
            Question(name(&dice), RecordType(rawValue: UInt16(dice.below(300))))
        }
        message.answers = records(&dice)
        message.authorities = records(&dice)
        message.additionals = records(&dice)
        if dice.chance(2) {
            var edns = EDNS(udpSize: UInt16(dice.below(65536)), version: UInt8(dice.below(2)), isDNSSECWanted: dice.chance(2))
            edns.options = (0..<dice.below(3)).map { _ in
                EDNS.Option(EDNS.Code(rawValue: UInt16(dice.below(20))), dice.bytes(dice.below(20)))
            }
            message.edns = edns
        }
        return message
    }

    static func name(_ dice: inout SeededDice) -> DomainName {
        let ends = ["", "example", "example.org", "EXAMPLE.org", "svc.cluster.local", "x.svc.cluster.local"]
        var name = DomainName(ends[dice.below(ends.count)]) ?? .root
        for _ in 0..<dice.below(3) {
            let label = dice.chance(8) ? dice.bytes(1 + dice.below(63)) : [UInt8(ascii: "a") + UInt8(dice.below(3))]
            name = name.child(label) ?? name
        }
        return name
    }

    private static func records(_ dice: inout SeededDice) -> [Record] {
        (0..<dice.below(4)).map { _ in
            let data = data(kinds.randomElement(using: &dice) ?? 0, &dice)
            return Record(name(&dice), data, ttl: TimeToLive(seconds: UInt32(dice.below(100_000))))
        }
    }

    static func data(_ kind: Int, _ dice: inout SeededDice) -> RecordData {
        func number() -> UInt16 { UInt16(dice.below(65536)) }
        func string() -> [UInt8] { dice.bytes(dice.below(dice.chance(10) ? 256 : 12)) }
        switch kind {
        case 0: return .a(IPv4Address(rawValue: UInt32(truncatingIfNeeded: dice.next())))
        case 1: return .aaaa(IPv6Address(rawValue: UInt128(dice.next()) << 64 | UInt128(dice.next())))
        case 2: return .ns(name(&dice))
        case 3: return .cname(name(&dice))
        case 4: return .ptr(name(&dice))
        case 5:
            return .soa(
                StartOfAuthority(
                    primary: name(&dice), mailbox: name(&dice), serial: UInt32(number()), refresh: 1, retry: 2, expire: .max,
                    minimum: 3))
        case 6: return .mx(MailExchange(preference: number(), exchange: name(&dice)))
        case 7: return .txt((0...dice.below(3)).map { _ in string() })
        case 8:
            return .srv(ServiceLocation(priority: number(), weight: number(), port: number(), target: name(&dice)))
        case 9:
            return .naptr(
                NamingAuthority(
                    order: number(), preference: number(), flags: string(), services: string(), expression: string(),
                    replacement: name(&dice)))
        case 10: return .caa(IssuePermission(flags: UInt8(dice.below(256)), tag: [105] + string().prefix(20), value: string()))
        case 11, 12:
            let keys = Set((0..<dice.below(4)).map { _ in number() }).sorted()
            let binding = ServiceBinding(
                priority: number(), target: name(&dice),
                parameters: keys.map { .init(key: $0, value: string()) })
            return kind == 11 ? .svcb(binding) : .https(binding)
        case 13:
            let types: [RecordType] = [.ds, .rrsig, .nsec, .dnskey, .nsec3, RecordType(rawValue: 65280)]
            return .opaque(types[dice.below(types.count)], string())
        default: return .opaque(RecordType(rawValue: 18), [0, 1] + name(&dice).wire)
        }
    }
}

/// Small damages, as a broken or hostile sender makes them.
enum Mutation {
    static func of(_ original: [UInt8], _ dice: inout SeededDice) -> [UInt8] {
        var bytes = original
        for _ in 0...dice.below(4) where !bytes.isEmpty {
            let place = dice.below(bytes.count)
            switch dice.below(7) {
            case 0: bytes[place] = UInt8(dice.below(256))
            case 1: bytes[place] ^= 1 << UInt8(dice.below(8))
            case 2: bytes[place] = 0xC0
            case 3: bytes = Array(bytes[..<place])
            case 4: bytes.insert(contentsOf: dice.bytes(1 + dice.below(4)), at: place)
            case 5: bytes.remove(at: place)
            default:
                // A pointer to anywhere.
                bytes[place] = 0xC0 | UInt8(dice.below(2))
                if place + 1 < bytes.count { bytes[place + 1] = UInt8(dice.below(256)) }
            }
        }
        return bytes
    }
}
