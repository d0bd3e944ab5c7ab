import CLinux
import NFTables
import Netlink

/// A transaction in the making: netlink messages between a beginning and an end.
struct Batch {
    private(set) var writer: MessageWriter
    let firstSequence: UInt32
    private(set) var count = 0
    /// Which change each message belongs to, as runs: the message where a change begins, and the change.
    private var changes: [(message: Int, change: Change)] = []
    private var setNumber: UInt32 = 0

    init(writer: MessageWriter, firstSequence: UInt32) {
        self.writer = writer
        self.firstSequence = firstSequence
    }

    /// The last message before the end: the one whose acknowledgement says that the commit is done.
    var lastAcknowledged: Int { count - 2 }

    func operation(at message: Int) -> String {
        guard message > 0, let found = changes.last(where: { $0.message <= message }) else {
            return "commit an nf_tables transaction"
        }
        return found.change.description
    }

    mutating func begin(generation: UInt32?) {
        frame(UInt16(NFNL_MSG_BATCH_BEGIN)) {
            if let generation { $0.attribute(id(NFNL_BATCH_GENID), bigEndian: generation) }
        }
    }

    mutating func end() {
        acknowledgeLast()
        frame(UInt16(NFNL_MSG_BATCH_END)) { _ in }
    }

    private mutating func frame(_ type: UInt16, _ body: (inout MessageWriter) -> Void) {
        writer.message(type, flags: .request, sequence: firstSequence &+ UInt32(count)) {
            // nfgenmsg: AF_UNSPEC, version 0, and the subsystem as a big-endian resource id.
            $0.append(UInt8(0))
            $0.append(UInt8(0))
            $0.append(UInt16(NFNL_SUBSYS_NFTABLES).bigEndian)
            body(&$0)
        }
        count += 1
    }

    private var lastStart = 0

    private mutating func message(
        _ type: nf_tables_msg_types, _ table: Table.ID, flags: NetlinkFlags = [], _ body: (inout MessageWriter) -> Void
    ) {
        lastStart = writer.count
        writer.message(nfTables(type), flags: flags.union(.request), sequence: firstSequence &+ UInt32(count)) {
            $0.append(netfilterHeader(family: table.family.rawValue))
            body(&$0)
        }
        count += 1
    }

    private mutating func acknowledgeLast() {
        guard count > 1 else { return }
        writer.addFlags(.acknowledge, toMessageAt: lastStart)
    }
}

// MARK: - Changes

extension Batch {
    mutating func add(_ change: Change) {
        changes.append((count, change))
        switch change {
        case .addTable(let table):
            message(NFT_MSG_NEWTABLE, table, flags: .create) { $0.attribute(id(NFTA_TABLE_NAME), table.name) }
        case .addOwnedTable(let table):
            message(NFT_MSG_NEWTABLE, table, flags: [.create, .exclusive]) {
                $0.attribute(id(NFTA_TABLE_NAME), table.name)
                $0.attribute(id(NFTA_TABLE_FLAGS), bigEndian: NFT_TABLE_F_OWNER.rawValue)
            }
        case .deleteTable(let table):
            message(NFT_MSG_DELTABLE, table) { $0.attribute(id(NFTA_TABLE_NAME), table.name) }
        case .addChain(let table, let name, let base): addChain(table, name, base)
        case .deleteChain(let table, let name):
            message(NFT_MSG_DELCHAIN, table) {
                $0.attribute(id(NFTA_CHAIN_TABLE), table.name)
                $0.attribute(id(NFTA_CHAIN_NAME), name)
            }
        case .addSet(let table, let shape): addSet(table, shape)
        case .deleteSet(let table, let name):
            message(NFT_MSG_DELSET, table) {
                $0.attribute(id(NFTA_SET_TABLE), table.name)
                $0.attribute(id(NFTA_SET_NAME), name)
            }
        case .addElements(let table, let shape, let elements):
            write(elements, of: shape, in: table, NFT_MSG_NEWSETELEM, flags: [.create, .exclusive])
        case .deleteElements(let table, let shape, let elements):
            write(elements, of: shape, in: table, NFT_MSG_DELSETELEM, flags: [])
        case .addRule(let table, let chain, let rule, let before): addRule(table, chain, rule, before)
        case .deleteRule(let table, let chain, let handle):
            message(NFT_MSG_DELRULE, table) {
                $0.attribute(id(NFTA_RULE_TABLE), table.name)
                $0.attribute(id(NFTA_RULE_CHAIN), chain)
                $0.attribute(id(NFTA_RULE_HANDLE), bigEndian: handle)
            }
        case .flushChain(let table, let chain):
            message(NFT_MSG_DELRULE, table) {
                $0.attribute(id(NFTA_RULE_TABLE), table.name)
                $0.attribute(id(NFTA_RULE_CHAIN), chain)
            }
        }
    }

    private mutating func addChain(_ table: Table.ID, _ name: String, _ base: Chain.Base?) {
        message(NFT_MSG_NEWCHAIN, table, flags: [.create, .exclusive]) {
            $0.attribute(id(NFTA_CHAIN_TABLE), table.name)
            $0.attribute(id(NFTA_CHAIN_NAME), name)
            guard let base else { return }
            $0.nested(id(NFTA_CHAIN_HOOK)) {
                $0.attribute(id(NFTA_HOOK_HOOKNUM), bigEndian: base.hook.rawValue)
                $0.attribute(id(NFTA_HOOK_PRIORITY), bigEndian: base.priority)
            }
            $0.attribute(id(NFTA_CHAIN_POLICY), bigEndian: UInt32(base.dropsByDefault ? NF_DROP : NF_ACCEPT))
            $0.attribute(id(NFTA_CHAIN_TYPE), base.kind.rawValue)
        }
    }

    private mutating func addRule(_ table: Table.ID, _ chain: String, _ rule: Rule, _ before: UInt64?) {
        message(NFT_MSG_NEWRULE, table, flags: before == nil ? [.create, .append] : .create) {
            $0.attribute(id(NFTA_RULE_TABLE), table.name)
            $0.attribute(id(NFTA_RULE_CHAIN), chain)
            if let before { $0.attribute(id(NFTA_RULE_POSITION), bigEndian: before) }
            $0.nested(id(NFTA_RULE_EXPRESSIONS)) {
                for expression in rule.expressions { $0.write(expression) }
            }
            guard let comment = rule.comment else { return }
            // nft keeps a rule's comment in its user data: type 0, length with the terminating zero.
            let text = Array(comment.utf8) + [0]
            $0.attribute(id(NFTA_RULE_USERDATA), bytes: [0, UInt8(text.count)] + text)
        }
    }

    private mutating func addSet(_ table: Table.ID, _ shape: NamedSet.Shape) {
        setNumber += 1
        let number = setNumber
        message(NFT_MSG_NEWSET, table, flags: [.create, .exclusive]) {
            $0.attribute(id(NFTA_SET_TABLE), table.name)
            $0.attribute(id(NFTA_SET_NAME), shape.name)
            $0.attribute(id(NFTA_SET_FLAGS), bigEndian: shape.kernelFlags)
            $0.attribute(id(NFTA_SET_KEY_TYPE), bigEndian: kernelType(shape.key))
            $0.attribute(id(NFTA_SET_KEY_LEN), bigEndian: UInt32(shape.keySize))
            switch shape.data {
            case .none: break
            case .verdict: $0.attribute(id(NFTA_SET_DATA_TYPE), bigEndian: verdictDataType)
            case .fields(let types):
                $0.attribute(id(NFTA_SET_DATA_TYPE), bigEndian: kernelType(types))
                $0.attribute(id(NFTA_SET_DATA_LEN), bigEndian: UInt32(shape.dataSize))
            }
            let hasFieldLengths = shape.isInterval && shape.key.count > 1
            if shape.limit != nil || hasFieldLengths {
                $0.nested(id(NFTA_SET_DESC)) {
                    if let limit = shape.limit { $0.attribute(id(NFTA_SET_DESC_SIZE), bigEndian: limit) }
                    guard hasFieldLengths else { return }
                    $0.nested(id(NFTA_SET_DESC_CONCAT)) {
                        for type in shape.key {
                            $0.nested(id(NFTA_LIST_ELEM)) { $0.attribute(id(NFTA_SET_FIELD_LEN), bigEndian: UInt32(type.size)) }
                        }
                    }
                }
            }
            if shape.counts {
                $0.nested(id(NFTA_SET_EXPR)) {
                    $0.attribute(id(NFTA_EXPR_NAME), "counter")
                    $0.nested(id(NFTA_EXPR_DATA)) { _ in }
                }
            }
            $0.attribute(id(NFTA_SET_ID), bigEndian: number)
            $0.attribute(id(NFTA_SET_USERDATA), bytes: shape.userData)
            if let timeout = shape.defaultTimeout { $0.attribute(id(NFTA_SET_TIMEOUT), bigEndian: milliseconds(timeout)) }
        }
    }

    /// Many messages: the attribute that lists elements has a 16-bit length.
    private mutating func write(
        _ elements: [Change.Element], of shape: NamedSet.Shape, in table: Table.ID, _ type: nf_tables_msg_types,
        flags: NetlinkFlags
    ) {
        var rest = elements[...]
        while !rest.isEmpty {
            message(type, table, flags: flags) {
                $0.attribute(id(NFTA_SET_ELEM_LIST_TABLE), table.name)
                $0.attribute(id(NFTA_SET_ELEM_LIST_SET), shape.name)
                $0.nested(id(NFTA_SET_ELEM_LIST_ELEMENTS)) {
                    let start = $0.count
                    // An element takes at most some 250 bytes, an interval's two ends twice that.
                    while let element = rest.first, $0.count - start < 64_000 {
                        $0.write(element, of: shape)
                        rest = rest.dropFirst()
                    }
                }
            }
        }
    }
}

// MARK: - The kernel's numbers

/// `NFT_DATA_VERDICT`
let verdictDataType: UInt32 = 0xFFFF_FF00

/// nft's number for a concatenation: six bits per field (`TYPE_BITS`).
func kernelType(_ types: [FieldType]) -> UInt32 {
    types.reduce(0) { $0 << 6 | $1.rawValue }
}

/// The fields of nft's number; `nil` when one is unknown.
func fieldTypes(kernelType number: UInt32) -> [FieldType]? {
    var types: [FieldType] = []
    var rest = number
    while rest != 0 {
        guard let type = FieldType(rawValue: rest & 0x3F) else { return nil }
        types.insert(type, at: 0)
        rest >>= 6
    }
    return types.isEmpty ? nil : types
}

func milliseconds(_ duration: Duration) -> UInt64 {
    UInt64(clamping: duration.components.seconds * 1000 + duration.components.attoseconds / 1_000_000_000_000_000)
}

extension NamedSet.Shape {
    /// What nft keeps for itself with a set: in which byte order a single field lies (`NFTNL_UDATA_SET_KEYBYTEORDER` and
    /// `…DATABYTEORDER`: 1 is the host's, 2 is big-endian). The kernel does not look at it; `nft list` prints nonsense without.
    var userData: [UInt8] {
        func entry(_ type: UInt8, _ fields: [FieldType]) -> [UInt8] {
            guard fields.count == 1, let field = fields.first else { return [] }
            let order: UInt32 = field.isHostOrder || field == .interfaceName ? 1 : 2
            return [type, 4] + withUnsafeBytes(of: order) { Array($0) }
        }
        guard case .fields(let types) = data else { return entry(0, key) }
        return entry(0, key) + entry(1, types)
    }

    /// `enum nft_set_flags`
    var kernelFlags: UInt32 {
        var flags: UInt32 = 0
        if isInterval { flags |= NFT_SET_INTERVAL.rawValue }
        if data != .none { flags |= NFT_SET_MAP.rawValue }
        if hasTimeout { flags |= NFT_SET_TIMEOUT.rawValue }
        if isDynamic { flags |= NFT_SET_EVAL.rawValue }
        if isInterval, key.count > 1 { flags |= NFT_SET_CONCAT.rawValue }
        return flags
    }
}
