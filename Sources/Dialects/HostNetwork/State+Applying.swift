import Addressing

extension State {
    /// The state after these changes, with everything that the kernel does by itself on the way: a link takes along what stands on
    /// it, an address the routes that need it.
    ///
    /// Nothing is refused: whoever wants to know what the kernel would refuse asks a ``MemoryHost``.
    public func applying(_ changes: [Change]) -> State {
        var state = self
        for change in changes { state.apply(change) }
        return state
    }

    mutating func apply(_ change: Change) {
        switch change {
        case .add(let object): add(object)
        case .remove(let object): remove(object)
        case .change(.link(let old), .link(let new)):
            var changed = old.changed(to: new)
            if changed.master != nil, changed.port == nil { changed.port = Link.Port() }
            insert(.link(changed))
            if old.isUp, !new.isUp { wentDown(new.name) }
        case .change(let old, let new):
            remove(old)
            add(new)
        }
    }

    private mutating func add(_ object: Object) {
        switch object {
        case .link(let link):
            var made = link
            if case .veth(let peer?) = link.kind {
                made.kind = .veth(peer: nil)
                if peer.namespace == nil { insert(.link(peer.link)) }
            }
            if made.master != nil, made.port == nil { made.port = Link.Port() }
            insert(.link(made))
        case .address(var address):
            address.isSecondary =
                address.address.address.family == .v4
                && addresses.contains { $0.key != address.key && !$0.isSecondary && $0.isBeside(address) }
            insert(.address(address))
        default: insert(object)
        }
    }

    private mutating func remove(_ object: Object) {
        // What the kernel does with the rest depends on what was there, not on what the remover knew of it.
        guard let gone = objects[object.key] else { return }
        if case .sysctl = gone { return }
        self[object.key] = nil
        switch gone {
        case .link(let link): wentAway(link.name)
        case .address(let address): wentAway(address)
        default: break
        }
    }
}

// MARK: - What the kernel does by itself

extension State {
    private mutating func wentAway(_ link: String) {
        self = filter { $0.link != link }
        for var port in links where port.master == link {
            (port.master, port.port) = (nil, nil)
            insert(.link(port))
            // What the bridge knew of its ports goes with it.
            let name = port.name
            self = filter { if case .forwarding(let entry) = $0 { entry.link != name || entry.destination != nil } else { true } }
        }
    }

    /// IPv4 addresses stay, IPv6 addresses go; so does every route and neighbour. Forwarding entries stay.
    private mutating func wentDown(_ link: String) {
        self = filter { object in
            guard object.link == link else { return true }
            return switch object {
            case .address(let address): address.address.address.family == .v4
            case .route, .neighbour: false
            case .link, .forwarding, .rule, .sysctl, .qdisc: true
            }
        }
    }

    private mutating func wentAway(_ address: Address) {
        let gone = address.address.address
        if gone.family == .v4 {
            if !address.isSecondary {
                for other in addresses where other.isSecondary && other.isBeside(address) { remove(.address(other)) }
            }
            let isLast = !addresses.contains { $0.link == address.link && $0.address.address.family == .v4 }
            // The kernel takes a link without IPv4 addresses for one that is down (`fib_disable_ip`).
            if isLast { self = filter { !$0.isIPv4RouteOrNeighbour(of: address.link) } }
        }
        guard !addresses.contains(where: { $0.address.address == gone }) else { return }
        for var route in routes where route.source == gone {
            self[.route(route.key)] = nil
            // An IPv4 route goes with its source address, an IPv6 route forgets it.
            guard gone.family == .v6 else { continue }
            route.source = nil
            insert(.route(route))
        }
    }
}

extension Address {
    /// On the same link and in the same prefix.
    fileprivate func isBeside(_ other: Address) -> Bool {
        link == other.link && address.prefix == other.address.prefix
    }
}

extension Object {
    fileprivate func isIPv4RouteOrNeighbour(of link: String) -> Bool {
        switch self {
        case .route(let route): route.prefix.family == .v4 && route.device == link
        case .neighbour(let neighbour): neighbour.address.family == .v4 && neighbour.link == link
        case .link, .address, .forwarding, .rule, .sysctl, .qdisc: false
        }
    }
}

extension Link.Peer {
    /// The link that this end is, as it is made: down.
    var link: Link { Link(name, .veth(peer: nil), isUp: false, mac: mac, mtu: mtu) }
}
