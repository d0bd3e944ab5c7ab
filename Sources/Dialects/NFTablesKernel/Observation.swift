import CLinux
public import NFTables
public import Netlink

extension KernelTables {
    /// Reads a table whole. Somebody's commit in between would mix two states: then it is read again.
    public func observe(_ table: Table.ID) throws(KernelError) -> ObservedTable? {
        for _ in 0..<16 {
            let before = try generation()
            do {
                let observed = try readTable(table)
                if try generation() == before { return observed }
            } catch {
                // The table, or a set in it, went away while it was read.
                guard error.code == .noSuchObject, try generation() != before else { throw error }
            }
        }
        throw KernelError(.busy, "read table \(table)", explanation: "it changed during each of 16 readings")
    }

    /// All tables of the namespace, by name.
    public func tables() throws(KernelError) -> [Table.ID] { try flagsOfTables().map(\.id).sorted() }

    private func flagsOfTables() throws(KernelError) -> [(id: Table.ID, flags: UInt32)] {
        let request = NetlinkRequest(nfTables(NFT_MSG_GETTABLE), operation: "list tables") {
            $0.append(netfilterHeader(family: 0))
        }
        return try socket.dump(request).compactMap { message in
            let facts = message.attributes(after: 4)
            guard let family = TableFamily(rawValue: message.read(UInt8.self, at: 0)),
                let name = facts[id(NFTA_TABLE_NAME)]?.text
            else { return nil }
            return (Table.ID(family, name), facts[id(NFTA_TABLE_FLAGS)]?.bigEndian() ?? 0)
        }
    }

    private func readTable(_ id: Table.ID) throws(KernelError) -> ObservedTable? {
        guard let flags = try flagsOfTables().first(where: { $0.id == id })?.flags else { return nil }
        var table = Table(id.family, id.name, isOwned: flags & NFT_TABLE_F_OWNER.rawValue != 0)
        for chain in try readChains(id) { table.chains[chain.name] = chain }
        for shape in try readShapes(id) {
            table.sets[shape.name] = NamedSet(shape, shape.isDynamic ? [:] : try readElements(shape, of: id))
        }
        var handles: [String: [UInt64]] = table.chains.mapValues { _ in [] }
        for (chain, rule, handle) in try readRules(id) {
            table.chains[chain]?.rules.append(rule)
            handles[chain, default: []].append(handle)
        }
        return ObservedTable(table, handles: handles)
    }

    func list(
        _ type: nf_tables_msg_types, of table: Table.ID, _ operation: String, _ body: (inout MessageWriter) -> Void
    ) throws(KernelError) -> [Message] {
        try socket.dump(
            NetlinkRequest(nfTables(type), operation: operation) {
                $0.append(netfilterHeader(family: table.family.rawValue))
                body(&$0)
            })
    }

    private func readChains(_ table: Table.ID) throws(KernelError) -> [Chain] {
        try list(NFT_MSG_GETCHAIN, of: table, "list the chains of \(table)") { _ in }.compactMap { message in
            let facts = message.attributes(after: 4)
            guard facts[id(NFTA_CHAIN_TABLE)]?.text == table.name, let name = facts[id(NFTA_CHAIN_NAME)]?.text else { return nil }
            return Chain(name, Chain.Base(facts))
        }
    }

    private func readShapes(_ table: Table.ID) throws(KernelError) -> [NamedSet.Shape] {
        try list(NFT_MSG_GETSET, of: table, "list the sets of \(table)") { $0.attribute(id(NFTA_SET_TABLE), table.name) }
            .compactMap { message in NamedSet.Shape(message.attributes(after: 4)) }
    }

    /// The elements of one set.
    private func readElements(_ shape: NamedSet.Shape, of table: Table.ID) throws(KernelError) -> [Value: NamedSet.Content] {
        let request = NetlinkRequest(nfTables(NFT_MSG_GETSETELEM), operation: "list the elements of \(table) \(shape.name)") {
            $0.append(netfilterHeader(family: table.family.rawValue))
            $0.attribute(id(NFTA_SET_ELEM_LIST_TABLE), table.name)
            $0.attribute(id(NFTA_SET_ELEM_LIST_SET), shape.name)
        }
        var listed: [ListedElement] = []
        try socket.dump(request, restart: { listed.removeAll(keepingCapacity: true) }) { message in
            guard let elements = message.attributes(after: 4)[id(NFTA_SET_ELEM_LIST_ELEMENTS)] else { return }
            for element in elements.nested { if let element = ListedElement(element.nested) { listed.append(element) } }
        }
        return shape.elements(listed)
    }

    private func readRules(_ table: Table.ID) throws(KernelError) -> [(chain: String, rule: Rule, handle: UInt64)] {
        try list(NFT_MSG_GETRULE, of: table, "list the rules of \(table)") { $0.attribute(id(NFTA_RULE_TABLE), table.name) }
            .compactMap { message in
                let facts = message.attributes(after: 4)
                guard facts[id(NFTA_RULE_TABLE)]?.text == table.name, let chain = facts[id(NFTA_RULE_CHAIN)]?.text,
                    let handle: UInt64 = facts[id(NFTA_RULE_HANDLE)]?.bigEndian()
                else { return nil }
                let expressions = facts[id(NFTA_RULE_EXPRESSIONS)]?.nested.map { Expression(reading: $0.nested) } ?? []
                return (chain, Rule(expressions: expressions, comment: comment(facts[id(NFTA_RULE_USERDATA)])), handle)
            }
    }

    /// User data is a list of type, length, bytes; type 0 is the comment, with a terminating zero.
    func comment(_ data: Attribute?) -> String? {
        guard var rest = data?.bytes else { return nil }
        while rest.count >= 2, let type = rest.first {
            let length = Int(rest[rest.startIndex + 1])
            let value = rest.dropFirst(2).prefix(length)
            if type == 0 { return String(decoding: value.prefix { $0 != 0 }, as: UTF8.self) }
            rest = rest.dropFirst(2 + length)
        }
        return nil
    }
}

extension Chain.Base {
    /// `nil` for a chain without a hook.
    fileprivate init?(_ facts: Attributes) {
        guard let hook = facts[id(NFTA_CHAIN_HOOK)]?.nested,
            let number: UInt32 = hook[id(NFTA_HOOK_HOOKNUM)]?.bigEndian(), let point = Chain.Hook(rawValue: number),
            let kind = facts[id(NFTA_CHAIN_TYPE)].flatMap({ Chain.Kind(rawValue: $0.text) })
        else { return nil }
        let policy: UInt32? = facts[id(NFTA_CHAIN_POLICY)]?.bigEndian()
        self.init(
            kind, point, priority: hook[id(NFTA_HOOK_PRIORITY)]?.bigEndian() ?? 0, dropsByDefault: policy == UInt32(NF_DROP))
    }
}

extension NamedSet.Shape {
    /// `nil` for an anonymous set, which belongs to its rule, and for one whose types this version does not know.
    fileprivate init?(_ facts: Attributes) {
        guard let name = facts[id(NFTA_SET_NAME)]?.text, let type: UInt32 = facts[id(NFTA_SET_KEY_TYPE)]?.bigEndian(),
            let key = fieldTypes(kernelType: type)
        else { return nil }
        let flags: UInt32 = facts[id(NFTA_SET_FLAGS)]?.bigEndian() ?? 0
        guard flags & NFT_SET_ANONYMOUS.rawValue == 0 else { return nil }
        var data = NamedSet.DataKind.none
        if flags & NFT_SET_MAP.rawValue != 0 {
            let dataType: UInt32 = facts[id(NFTA_SET_DATA_TYPE)]?.bigEndian() ?? 0
            if dataType == verdictDataType {
                data = .verdict
            } else {
                guard let types = fieldTypes(kernelType: dataType) else { return nil }
                data = .fields(types)
            }
        }
        let timeout: UInt64? = facts[id(NFTA_SET_TIMEOUT)]?.bigEndian()
        let size: UInt32? = facts[id(NFTA_SET_DESC)]?.nested[id(NFTA_SET_DESC_SIZE)]?.bigEndian()
        self.init(
            name, key: key, data: data, isInterval: flags & NFT_SET_INTERVAL.rawValue != 0,
            isDynamic: flags & NFT_SET_EVAL.rawValue != 0, hasTimeout: flags & NFT_SET_TIMEOUT.rawValue != 0,
            defaultTimeout: timeout.flatMap { $0 == 0 ? nil : .milliseconds(Int64(clamping: $0)) }, limit: size,
            counts: facts[id(NFTA_SET_EXPR)]?.nested[id(NFTA_EXPR_NAME)]?.text == "counter")
    }
}
