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
        var counters: [String: Counted] = [:]
        for facts in try ruleFacts(in: table) {
            guard let comment = comment(facts[id(NFTA_RULE_USERDATA)]), let counted = counted(facts) else { continue }
            counters[comment, default: Counted()] = counters[comment, default: Counted()] + counted
        }
        return counters
    }

    /// What the rules of a table have counted, by chain and in their order; `nil` for a rule that does not count.
    ///
    /// - Throws: `Errno.noSuchObject` without the table.
    public func ruleCounts(in table: Table.ID) throws(KernelError) -> [String: [Counted?]] {
        var counts: [String: [Counted?]] = [:]
        for facts in try ruleFacts(in: table) {
            guard let chain = facts[id(NFTA_RULE_CHAIN)]?.text else { continue }
            counts[chain, default: []].append(counted(facts))
        }
        return counts
    }

    private func ruleFacts(in table: Table.ID) throws(KernelError) -> [Attributes] {
        let messages = try list(NFT_MSG_GETRULE, of: table, "read the counters of \(table)") {
            $0.attribute(id(NFTA_RULE_TABLE), table.name)
        }
        return messages.map { $0.attributes(after: 4) }.filter { $0[id(NFTA_RULE_TABLE)]?.text == table.name }
    }

    /// Of all its counters together.
    private func counted(_ facts: Attributes) -> Counted? {
        let counters = (facts[id(NFTA_RULE_EXPRESSIONS)]?.nested).map { $0.compactMap { Counted(expression: $0.nested) } } ?? []
        return counters.isEmpty ? nil : counters.reduce(Counted(), +)
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
