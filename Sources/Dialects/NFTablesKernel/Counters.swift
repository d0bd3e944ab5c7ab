import CLinux
public import NFTables
public import Netlink

/// What a counter has seen.
public struct Counted: Hashable, Sendable {
    public var packets: UInt64
    public var bytes: UInt64

    public init(packets: UInt64 = 0, bytes: UInt64 = 0) { (self.packets, self.bytes) = (packets, bytes) }

    public static func + (a: Self, b: Self) -> Self { Counted(packets: a.packets + b.packets, bytes: a.bytes + b.bytes) }
}

extension KernelTables {
    /// What the elements of a set have counted, by their keys; empty for a set that does not count.
    ///
    /// - Throws: `Errno.noSuchObject` without the table or the set.
    public func counters(of set: String, in table: Table.ID) throws(KernelError) -> [Value: Counted] {
        let messages = try list(NFT_MSG_GETSETELEM, of: table, "read the counters of \(table) \(set)") {
            $0.attribute(id(NFTA_SET_ELEM_LIST_TABLE), table.name)
            $0.attribute(id(NFTA_SET_ELEM_LIST_SET), set)
        }
        var counters: [Value: Counted] = [:]
        for message in messages {
            guard let elements = message.attributes(after: 4)[id(NFTA_SET_ELEM_LIST_ELEMENTS)] else { continue }
            for element in elements.nested {
                let facts = element.nested
                guard let key = facts[id(NFTA_SET_ELEM_KEY)]?.nested[id(NFTA_DATA_VALUE)],
                    let counted = facts[id(NFTA_SET_ELEM_EXPR)].flatMap({ Counted(expression: $0.nested) })
                else { continue }
                counters[Value(key.bytes)] = counted
            }
        }
        return counters
    }

    /// What the rules of a table have counted, by their comments: those of the same comment together.
    ///
    /// - Throws: `Errno.noSuchObject` without the table.
    public func ruleCounters(in table: Table.ID) throws(KernelError) -> [String: Counted] {
        let messages = try list(NFT_MSG_GETRULE, of: table, "read the counters of \(table)") {
            $0.attribute(id(NFTA_RULE_TABLE), table.name)
        }
        var counters: [String: Counted] = [:]
        for message in messages {
            let facts = message.attributes(after: 4)
            guard facts[id(NFTA_RULE_TABLE)]?.text == table.name, let comment = comment(facts[id(NFTA_RULE_USERDATA)]),
                let expressions = facts[id(NFTA_RULE_EXPRESSIONS)]
            else { continue }
            for expression in expressions.nested {
                guard let counted = Counted(expression: expression.nested) else { continue }
                counters[comment, default: Counted()] = counters[comment, default: Counted()] + counted
            }
        }
        return counters
    }
}

extension Counted {
    /// `nil` for what is no counter.
    fileprivate init?(expression: Attributes) {
        guard expression[id(NFTA_EXPR_NAME)]?.text == "counter", let data = expression[id(NFTA_EXPR_DATA)]?.nested else {
            return nil
        }
        self.init(
            packets: data[id(NFTA_COUNTER_PACKETS)]?.bigEndian() ?? 0, bytes: data[id(NFTA_COUNTER_BYTES)]?.bigEndian() ?? 0)
    }
}
