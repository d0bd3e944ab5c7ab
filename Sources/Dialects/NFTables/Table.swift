/// A table: chains, sets and maps that change together.
public struct Table: Hashable, Sendable {
    public var id: ID
    public var chains: [String: Chain]
    public var sets: [String: NamedSet]
    /// It lives as long as the netlink socket that makes it, and so no longer than the process: the kernel takes it away with the
    /// socket, and lets nobody else change it or take it away.
    ///
    /// The C name is `NFT_TABLE_F_OWNER`, of Linux 5.12.
    public var isOwned: Bool

    /// What names a table in its namespace.
    public struct ID: Hashable, Sendable, Comparable {
        public var family: TableFamily
        public var name: String

        public init(_ family: TableFamily, _ name: String) {
            self.family = family
            self.name = name
        }

        public static func < (a: Self, b: Self) -> Bool {
            a.family == b.family ? a.name < b.name : a.family < b.family
        }
    }

    public init(_ family: TableFamily, _ name: String, chains: [Chain] = [], sets: [NamedSet] = [], isOwned: Bool = false) {
        id = ID(family, name)
        self.isOwned = isOwned
        self.chains = Dictionary(chains.map { ($0.name, $0) }) { _, last in last }
        self.sets = Dictionary(sets.map { ($0.name, $0) }) { _, last in last }
    }
}

extension Table.ID: CustomStringConvertible {
    public var description: String { "\(family.name) \(name)" }
}

/// A list of rules, entered from a hook or from other chains.
public struct Chain: Hashable, Sendable {
    public var name: String
    /// Where packets enter it by themselves; `nil` for a chain that is only jumped to.
    public var base: Base?
    public var rules: [Rule]

    public init(_ name: String, _ base: Base? = nil, rules: [Rule] = []) {
        self.name = name
        self.base = base
        self.rules = rules
    }

    public struct Base: Hashable, Sendable {
        public var kind: Kind
        public var hook: Hook
        public var priority: Int32
        /// What becomes of packets that reach the end: accept or drop.
        public var dropsByDefault: Bool

        public init(_ kind: Kind, _ hook: Hook, priority: Int32, dropsByDefault: Bool = false) {
            self.kind = kind
            self.hook = hook
            self.priority = priority
            self.dropsByDefault = dropsByDefault
        }
    }

    public enum Kind: String, Hashable, Sendable, CaseIterable {
        case filter
        case nat
        case route
    }

    /// `enum nf_inet_hooks`
    public enum Hook: UInt32, Hashable, Sendable, CaseIterable {
        case prerouting = 0
        case input = 1
        case forward = 2
        case output = 3
        case postrouting = 4
    }
}

/// Instructions, and words for people.
public struct Rule: Hashable, Sendable {
    public var expressions: [Expression]
    /// What the kernel keeps of it: at most 126 bytes of UTF-8.
    public let comment: String?

    /// - Parameter comment: cut where a character ends when it is longer than can be kept; otherwise the rule that is read back
    ///   would never be the rule that was written.
    public init(expressions: [Expression], comment: String? = nil) {
        self.expressions = expressions
        self.comment = comment.map(Self.fitting)
    }

    /// `NFTNL_UDATA_COMMENT_MAXLEN` is 128: with the terminating zero nft takes that much for its own.
    public static let commentLimit = 126

    private static func fitting(_ comment: String) -> String {
        guard comment.utf8.count > commentLimit else { return comment }
        var kept = ""
        var size = 0
        for character in comment {
            size += character.utf8.count
            guard size <= commentLimit else { break }
            kept.append(character)
        }
        return kept
    }

    /// - Parameter family: the table's, which decides where addresses lie in the packet.
    public init(_ family: TableFamily, _ statements: Statement..., comment: String? = nil) {
        self.init(family, statements, comment: comment)
    }

    public init(_ family: TableFamily, _ statements: [Statement], comment: String? = nil) {
        self.init(expressions: statements.flatMap { $0.lowered(in: family) }, comment: comment)
    }
}
