/// Anything that a network namespace holds.
///
/// A thousand nodes are seven thousand of them, and they are moved about: the rare and large ones stand beside.
public enum Object: Hashable, Sendable {
    indirect case link(Link)
    case address(Address)
    case neighbour(Neighbour)
    case forwarding(Forwarding)
    indirect case route(Route)
    indirect case rule(Rule)
    case sysctl(Sysctl)
    indirect case qdisc(Qdisc)
}

/// Which object is meant: two objects with the same key cannot both be there.
public enum Key: Hashable, Sendable {
    case link(String)
    case address(Address.Key)
    case neighbour(Neighbour.Key)
    case forwarding(Forwarding.Key)
    case route(Route.Key)
    /// A rule has no other name than all of itself.
    indirect case rule(Rule)
    /// The path.
    case sysctl(String)
    /// The link.
    case qdisc(String)
}

extension Object {
    public var key: Key {
        switch self {
        case .link(let link): .link(link.name)
        case .address(let address): .address(address.key)
        case .neighbour(let neighbour): .neighbour(neighbour.key)
        case .forwarding(let forwarding): .forwarding(forwarding.key)
        case .route(let route): .route(route.key)
        case .rule(let rule): .rule(rule)
        case .sysctl(let sysctl): .sysctl(sysctl.path)
        case .qdisc(let qdisc): .qdisc(qdisc.link)
        }
    }

    /// The link this object stands on and goes with; `nil` for links themselves, rules and what stands on none.
    public var link: String? {
        switch self {
        case .link, .rule: nil
        case .address(let address): address.link
        case .neighbour(let neighbour): neighbour.link
        case .forwarding(let forwarding): forwarding.link
        case .route(let route): route.device
        case .sysctl(let sysctl): sysctl.link
        case .qdisc(let qdisc): qdisc.link
        }
    }

    /// Whether this observed object is what `desired`, with the same key, asks for.
    func satisfies(_ desired: Object) -> Bool {
        switch (self, desired) {
        case (.link(let observed), .link(let desired)): observed.satisfies(desired)
        case (.address(let observed), .address(let desired)): observed.satisfies(desired)
        case (.route(let observed), .route(let desired)): observed.satisfies(desired)
        case (.qdisc(let observed), .qdisc(let desired)): observed.satisfies(desired)
        default: self == desired
        }
    }

    /// The order in which objects come to be: each stands on what comes before.
    var rank: Int {
        switch self {
        case .link(let link): link.kind.rank
        case .sysctl: 4
        // A first address takes the later ones of its prefix along: those go before it.
        case .address(let address): address.isSecondary ? 6 : 5
        case .neighbour: 7
        case .forwarding: 8
        // Routes with a gateway need the route that reaches it.
        case .route(let route): route.gateway == nil ? 9 : 10
        case .rule: 11
        case .qdisc: 12
        }
    }
}

extension Link.Kind {
    /// Bridges before their ports, the end of a pair that names the other before the other, the link below before the overlay.
    var rank: Int {
        switch self {
        case .loopback, .bridge, .other: 0
        case .veth(let peer): peer == nil ? 2 : 1
        case .vxlan: 3
        }
    }
}

extension Object: CustomStringConvertible {
    public var description: String {
        switch self {
        case .link(let link): link.description
        case .address(let address): address.description
        case .neighbour(let neighbour): neighbour.description
        case .forwarding(let forwarding): forwarding.description
        case .route(let route): route.description
        case .rule(let rule): rule.description
        case .sysctl(let sysctl): sysctl.description
        case .qdisc(let qdisc): qdisc.description
        }
    }
}

/// The same as `sorted()`. Thousands of roads are compared as what they are, without being taken out of their objects each time.
func inOrder(_ objects: some Collection<Object>) -> [Object] {
    var ranks: [Int: [Object]] = [:]
    for object in objects { ranks[object.rank, default: []].append(object) }
    return ranks.sorted { $0.key < $1.key }.flatMap { _, objects in
        let routes = objects.compactMap { if case .route(let route) = $0 { route } else { nil } }
        if routes.count == objects.count { return routes.sorted(by: Object.precedes).map(Object.route) }
        let neighbours = objects.compactMap { if case .neighbour(let neighbour) = $0 { neighbour } else { nil } }
        if neighbours.count == objects.count { return neighbours.sorted(by: Object.precedes).map(Object.neighbour) }
        return objects.sorted()
    }
}

extension Object: Comparable {
    /// In the order in which objects come to be; among equals by their numbers, so that .2 comes before .10.
    public static func < (a: Object, b: Object) -> Bool {
        if a.rank != b.rank { return a.rank < b.rank }
        return switch (a, b) {
        case (.address(let a), .address(let b)): (a.link, a.address) < (b.link, b.address)
        case (.neighbour(let a), .neighbour(let b)): precedes(a, b)
        case (.forwarding(let a), .forwarding(let b)):
            (a.link, a.mac) != (b.link, b.mac) ? (a.link, a.mac) < (b.link, b.mac) : a.description < b.description
        case (.route(let a), .route(let b)): precedes(a, b)
        case (.rule(let a), .rule(let b)): (a.priority, a.description) < (b.priority, b.description)
        case (.link(let a), .link(let b)): a.name < b.name
        // A link that lives by router advertisements must be told to go on with them (`accept_ra=2`) before forwarding is
        // switched on for all: the kernel throws away the default routes of the others then.
        case (.sysctl(let a), .sysctl(let b)): (a.link == nil ? 1 : 0, a.path) < (b.link == nil ? 1 : 0, b.path)
        default: a.description < b.description
        }
    }

    fileprivate static func precedes(_ a: Route, _ b: Route) -> Bool {
        (a.table, a.prefix, a.metric) < (b.table, b.prefix, b.metric)
    }

    fileprivate static func precedes(_ a: Neighbour, _ b: Neighbour) -> Bool {
        if a.link != b.link { return a.link < b.link }
        return (a.address, a.answer == .proxy ? 1 : 0) < (b.address, b.answer == .proxy ? 1 : 0)
    }
}
