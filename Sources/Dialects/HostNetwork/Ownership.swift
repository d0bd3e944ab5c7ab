/// Which of the objects in a namespace are ours. Only those are ever changed or removed.
///
/// What stands on a link of ours is ours too, except a route that another protocol made.
public struct Ownership: Hashable, Sendable {
    /// Links by name.
    public var links: Set<String>
    /// Links whose name starts so.
    public var linkPrefixes: [String]
    /// Routes, rules and addresses marked with this number (`rtm_protocol`, `FRA_PROTOCOL`, `IFA_PROTO`).
    public var proto: UInt8?
    /// The tables that routes marked so are ours in; `nil` for every table.
    public var routeTables: Set<UInt32>?
    /// Rules with these priorities, whoever made them.
    public var rulePriorities: ClosedRange<UInt32>?

    public init(
        links: Set<String> = [], linkPrefixes: [String] = [], proto: UInt8? = nil, routeTables: Set<UInt32>? = nil,
        rulePriorities: ClosedRange<UInt32>? = nil
    ) {
        self.links = links
        self.linkPrefixes = linkPrefixes
        self.proto = proto
        self.routeTables = routeTables
        self.rulePriorities = rulePriorities
    }

    public func owns(link name: String) -> Bool {
        links.contains(name) || linkPrefixes.contains { name.hasPrefix($0) }
    }

    public func owns(_ object: Object) -> Bool {
        switch object {
        case .link(let link): owns(link: link.name)
        case .address(let address): owns(link: address.link) || marks(address.proto)
        case .neighbour(let neighbour): owns(link: neighbour.link)
        case .forwarding(let forwarding): owns(link: forwarding.link)
        case .route(let route): marks(route.proto) && routeTables?.contains(route.table) != false
        case .rule(let rule): marks(rule.proto) || rulePriorities?.contains(rule.priority) == true
        // Naming a setting in a desired state is the wish to have it.
        case .sysctl: true
        }
    }

    private func marks(_ number: UInt8) -> Bool { number != 0 && number == proto }
}
