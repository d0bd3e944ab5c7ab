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
    /// Writes bits of the packet's mark; other bits stay.
    case setMark(UInt32, mask: UInt32)
    case masquerade(MasqueradeFlags)
    case reject(Rejection)
    case counter
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
        case .setMark(let mark, let mask):
            [
                .meta(.mark, into: .first),
                .bitwise(from: .first, into: .first, mask: Value(.number(~mask)), xor: Value(.number(mark & mask))),
                .setMeta(.mark, from: .first),
            ]
        case .masquerade(let flags): [.masquerade(flags)]
        case .reject(let rejection): [.reject(rejection)]
        case .counter: [.counter]
        case .untrack: [.untrack]
        case .decide(let verdict): [.verdict(verdict)]
        }
    }
}

/// Loads the fields side by side, each padded to four bytes, as a concatenated key wants them.
private func concatenated(_ fields: [Field], _ family: TableFamily) -> [Expression] {
    var register = Register.first
    return fields.map { field in
        defer { register = register.after(bytes: field.type(in: family).size) }
        return field.load(in: family, into: register)
    }
}
