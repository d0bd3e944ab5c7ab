import Addressing

/// A rule's statement as a person would say it. ``Rule`` turns statements into the kernel's instructions.
public enum Statement: Hashable, Sendable {
    /// Goes on when the field compares so with the value.
    case match(Field, Comparison, FieldValue)
    /// Goes on when the name of an interface begins so.
    case begins(Field, with: String)
    /// Goes on when a packet to the source would leave by the link that this one came by, or when it would not. Only where the
    /// kernel knows the incoming link: prerouting, and on newer kernels input and forward.
    case reversePath(isThere: Bool)
    /// Goes on when any of the bits is set.
    case anyBit(Field, of: UInt32)
    /// Goes on when the packet is of TCP and does not ask for a connection: it belongs to one, or pretends to.
    case isWithinConnection
    /// Goes on when the fields together are in the set.
    case isIn([Field], set: String)
    case isNotIn([Field], set: String)
    /// The map's verdict for the fields decides; no element: goes on.
    case verdict(of: [Field], map: String)
    /// What `through` says of the fields is the key of `map`, whose verdict decides: two look-ups in one rule.
    ///
    /// The number in between passes through the packet's mark, which has its old value again before the verdict. The kernel does
    /// not need that, but `nft list` does: it aborts on a look-up whose key is another look-up's datum, because it does not know
    /// how long that is (`netlink_parse_concat_expr`, at least up to 1.1), and a table that people cannot list is no use to them.
    case chainedVerdict(of: [Field], through: String, map: String)
    /// Sends the connection to the address and port that the map gives for the fields.
    case destinationNAT(to: [Field], map: String)
    /// Sends a client where it was sent before, and begins its time anew. `kept` says, of the client's address and the fields,
    /// which endpoint that was, by a number; `endpoints` says, of the fields and the number, where it is. Goes on when either
    /// knows nothing.
    case keptDestinationNAT(of: [Field], kept: String, endpoints: String, timeout: Duration)
    /// Chooses an endpoint by chance: `choices` says, of the fields and a number below `count`, which, and `endpoints` where it
    /// is. The choice is written into `kept`, where there has to be nothing of this client; goes on when there is no room.
    /// Without `kept` it is not written down.
    case chosenDestinationNAT(
        of: [Field], below: UInt32, choices: String, kept: String?, endpoints: String, timeout: Duration)
    /// Takes out what `kept` says of the client's address and the fields.
    case forgetChoice(of: [Field], kept: String)
    /// Writes the fields into the set, or begins their time there anew; goes on also when there is no room.
    case remember([Field], set: String, timeout: Duration)
    /// Writes bits of the packet's mark; other bits stay.
    case setMark(UInt32, mask: UInt32)
    case masquerade(MasqueradeFlags)
    case reject(Rejection)
    case counter
    /// Goes on as long as not more packets come than this.
    case limit(perSecond: UInt64, burst: UInt32)
    /// Sends the packet, and the prefix with it, to whoever listens to the group of nfnetlink_log; nobody does: it is nothing.
    case log(group: UInt16, prefix: String)
    case untrack
    case decide(Verdict)
}

extension Statement {
    /// The instructions, in a table of this family.
    func lowered(in family: TableFamily) -> [Expression] {
        switch self {
        case .match(let field, let comparison, let value):
            [field.load(in: family, into: .first), .compare(.first, comparison, Value(value))]
        case .begins(let field, let prefix):
            [field.load(in: family, into: .first), .compare(.first, .equal, Value(Array(prefix.utf8)))]
        case .reversePath(let isThere):
            [
                .fib(.outputInterface, [.source, .inputInterface, .presence], into: .first),
                // The kernel fills the register's first byte and clears the others; nft compares all four.
                .compare(.first, .equal, Value([isThere ? 1 : 0, 0, 0, 0])),
            ]
        case .anyBit(let field, let bits):
            [
                field.load(in: family, into: .first),
                .bitwise(from: .first, into: .first, mask: Value(.number(bits)), xor: Value(.number(0))),
                .compare(.first, .notEqual, Value(.number(0))),
            ]
        case .isWithinConnection:
            [
                .meta(.transportProtocol, into: .first), .compare(.first, .equal, Value(.transport(.tcp))),
                .payload(.transport, offset: 13, length: 1, into: .first),
                .bitwise(from: .first, into: .first, mask: Value([TCPFlags.turning]), xor: Value([0])),
                .compare(.first, .notEqual, Value([TCPFlags.syn])),
            ]
        case .isIn(let fields, let set):
            concatenated(fields, family) + [.lookup(set: set, key: .first, into: .nowhere, isInverted: false)]
        case .isNotIn(let fields, let set):
            concatenated(fields, family) + [.lookup(set: set, key: .first, into: .nowhere, isInverted: true)]
        case .verdict(let fields, let map):
            concatenated(fields, family) + [.lookup(set: map, key: .first, into: .verdict, isInverted: false)]
        case .chainedVerdict(let fields, let through, let map):
            concatenated(fields, family) + [
                .meta(.mark, into: .last),
                .lookup(set: through, key: .first, into: .register(.first), isInverted: false),
                .setMeta(.mark, from: .first),
                .meta(.mark, into: .first),
                .setMeta(.mark, from: .last),
                .lookup(set: map, key: .first, into: .verdict, isInverted: false),
            ]
        case .destinationNAT(let fields, let map):
            concatenated(fields, family) + [
                .lookup(set: map, key: .first, into: .register(.first), isInverted: false),
                .nat(.destination, family, address: .first, port: Register.first.after(bytes: family == .ip6 ? 16 : 4)),
            ]
        case .keptDestinationNAT(let fields, let kept, let endpoints, let timeout):
            translation(in: family, of: fields, endpoints) { key, choice in
                key + [
                    .lookup(set: kept, key: .first, into: .register(choice), isInverted: false),
                    .setMeta(.mark, from: choice), .meta(.mark, into: choice),
                ]
            } keeping: { choice in
                [.update(set: kept, key: .first, data: choice, timeout: timeout)]
            }
        case .chosenDestinationNAT(let fields, let count, let choices, let kept, let endpoints, let timeout):
            translation(in: family, of: fields, endpoints) { key, choice in
                concatenated(fields + [.random(below: count)], family) + [
                    .lookup(set: choices, key: .first, into: .register(.first), isInverted: false),
                    .setMeta(.mark, from: .first),
                ] + key + [.meta(.mark, into: choice)]
            } keeping: { choice in
                kept.map { [.update(set: $0, key: .first, data: choice, timeout: timeout)] } ?? []
            }
        case .forgetChoice(let fields, let kept):
            concatenated([.sourceAddress] + fields, family) + [.forget(set: kept, key: .first, data: .first)]
        case .remember(let fields, let set, let timeout):
            concatenated(fields, family) + [.update(set: set, key: .first, data: nil, timeout: timeout)]
        case .setMark(let mark, let mask):
            [
                .meta(.mark, into: .first),
                .bitwise(from: .first, into: .first, mask: Value(.number(~mask)), xor: Value(.number(mark & mask))),
                .setMeta(.mark, from: .first),
            ]
        case .masquerade(let flags): [.masquerade(flags)]
        case .reject(let rejection): [.reject(rejection)]
        case .counter: [.counter]
        case .limit(let rate, let burst): [.limit(rate: rate, unit: .seconds(1), burst: burst)]
        case .log(let group, let prefix): [.log(group: group, prefix: prefix)]
        case .untrack: [.untrack]
        case .decide(let verdict): [.verdict(verdict)]
        }
    }
}

/// The client's address and what it asked for, side by side; an endpoint's number comes behind.
///
/// The number goes through the packet's mark, as in ``Statement/chainedVerdict(of:through:map:)``, and for the same reason; the
/// mark has its old value again before anything is looked up that may not be there. In IPv6 all sixteen registers are used: ten
/// for the key, one for the number, and five for the address and port it leads to, where the mark was kept.
///
/// - Parameters:
///   - choosing: loads the key and the number, which is then also in the mark.
///   - keeping: what is done before the translation, when it is known where the number leads.
private func translation(
    in family: TableFamily, of fields: [Field], _ endpoints: String,
    _ choosing: (_ key: [Expression], _ choice: Register) -> [Expression],
    keeping: (_ choice: Register) -> [Expression]
) -> [Expression] {
    let size = family == .ip6 ? 16 : 4
    let key = [.sourceAddress] + fields
    let choice = key.reduce(Register.first) { $0.after(bytes: $1.type(in: family).size) }
    let target = choice.after(bytes: 4)
    return [.meta(.mark, into: .last)] + choosing(concatenated(key, family), choice) + [
        .setMeta(.mark, from: .last),
        .lookup(set: endpoints, key: Register.first.after(bytes: size), into: .register(target), isInverted: false),
    ] + keeping(choice) + [
        .nat(.destination, family, address: target, port: target.after(bytes: size))
    ]
}

/// Loads the fields side by side, each padded to four bytes, as a concatenated key wants them.
private func concatenated(_ fields: [Field], _ family: TableFamily) -> [Expression] {
    var register = Register.first
    return fields.map { field in
        defer { register = register.after(bytes: field.type(in: family).size) }
        return field.load(in: family, into: register)
    }
}
