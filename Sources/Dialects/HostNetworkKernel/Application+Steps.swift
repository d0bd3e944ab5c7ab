import Addressing
import HostNetwork
import Netlink

extension Application {
    /// What a change comes to, in requests.
    func steps(of change: Change) throws(KernelError) -> [Step] {
        switch change {
        case .add(.link(let link)): try steps(making: link, change)
        case .change(.link(let old), .link(let new)): [Step { () throws(KernelError) in try self.requests(old, new, change) }]
        default: [Step { () throws(KernelError) in try self.request(change).map { [$0] } ?? [] }]
        }
    }

    private func request(_ change: Change) throws(KernelError) -> NetlinkRequest? {
        let verb: RouteVerb =
            switch change {
            case .add: .create
            case .change: .replace
            case .remove: .remove
            }
        switch change.object {
        case .link(let link): return LinkMessage(index: try index(of: link.name)).request(verb, operation: change.operation)
        case .address(let address): return try message(address).request(verb, operation: change.operation)
        case .neighbour(let neighbour): return try message(neighbour).request(verb, operation: change.operation)
        case .forwarding(let forwarding):
            let isList = forwarding.mac == .zero
            return try message(forwarding).request(isList && verb != .remove ? .append : verb, operation: change.operation)
        case .route(let route): return try message(route).request(verb, operation: change.operation)
        case .rule(let rule): return RuleMessage(rule).request(verb, operation: change.operation)
        case .qdisc(let qdisc): return try message(qdisc).request(verb, operation: change.operation)
        // A setting is written, not asked for, and has no removal.
        case .sysctl: return nil
        }
    }
}

// MARK: - Links

extension Application {
    private func steps(making link: Link, _ change: Change) throws(KernelError) -> [Step] {
        var message = LinkMessage(name: link.name, kind: try kind(link.kind))
        message.mac = link.mac
        message.mtu = link.mtu.map(UInt32.init(clamping:))
        message.master = try link.master.map(index(of:))
        if case .veth = link.kind { message.queues = 1 }
        // The kernel reads neither of these while it makes a link. A link that is to have no link-local address must know it
        // before it goes up.
        var rest = LinkMessage()
        rest.alias = link.alias
        rest.makesLinkLocal = link.makesLinkLocal == true ? nil : sayable(link.makesLinkLocal, of: link)
        // Nor this, of a link that is no port yet. It must hold before the first frame.
        rest.port = link.port.map(BridgePort.init)
        let hasRest = rest.alias != nil || rest.makesLinkLocal != nil || rest.port != nil
        message.isUp = link.isUp && !hasRest
        var making = message.request(.create, operation: change.operation)
        // So nobody has to ask for the index (since Linux 6.2).
        making.flags.insert(.echo)
        let first = making
        guard hasRest else { return [Step { () in [first] }] }
        let following = rest
        return [
            Step { () in [first] },
            Step(waits: true) { () throws(KernelError) in
                var requests = [following]
                var going = LinkMessage()
                going.isUp = true
                if link.isUp { requests.append(going) }
                return try self.requests(requests, to: link.name, change)
            },
        ]
    }

    private func requests(_ old: Link, _ new: Link, _ change: Change) throws(KernelError) -> [NetlinkRequest] {
        func changed<Value: Equatable>(_ path: KeyPath<Link, Value?>) -> Value? {
            new[keyPath: path] == old[keyPath: path] ? nil : new[keyPath: path]
        }
        var message = LinkMessage()
        message.mac = changed(\.mac)
        message.mtu = changed(\.mtu).map(UInt32.init(clamping:))
        message.master = try changed(\.master).map(index(of:))
        message.alias = changed(\.alias)
        message.makesLinkLocal = sayable(changed(\.makesLinkLocal), of: new)
        var requests: [LinkMessage] = []
        let isSame = message.mac == nil && message.mtu == nil && message.master == nil && message.alias == nil
        if !isSame || message.makesLinkLocal != nil { requests.append(message) }
        if let port = new.port, port != old.port {
            // The kernel reads it before the master of the same message.
            var porting = LinkMessage()
            porting.port = BridgePort(port)
            requests.append(porting)
        }
        if new.isUp != old.isUp {
            var going = LinkMessage()
            going.isUp = new.isUp
            requests.append(going)
        }
        return try self.requests(requests, to: new.name, change)
    }

    private func requests(
        _ messages: [LinkMessage], to link: String, _ change: Change
    ) throws(KernelError) -> [NetlinkRequest] {
        let index = try index(of: link)
        return messages.map { message in
            var message = message
            message.index = index
            return message.request(.change, operation: change.operation)
        }
    }

    private func kind(_ kind: Link.Kind) throws(KernelError) -> LinkMessage.Kind {
        switch kind {
        case .bridge: return .bridge
        case .loopback: return .other("loopback")
        case .other(let name): return .other(name)
        case .veth(nil): return .veth(peer: nil)
        case .veth(let peer?):
            var message = LinkMessage(name: peer.name)
            message.mac = peer.mac
            message.mtu = peer.mtu.map(UInt32.init(clamping:))
            message.namespace = try peer.namespace.map(namespace(_:))
            message.queues = 1
            return .veth(peer: message)
        case .vxlan(let overlay):
            return .vxlan(
                VXLAN(
                    id: overlay.id, port: overlay.port, local: overlay.local, link: try overlay.device.map(index(of:)),
                    isLearning: overlay.isLearning))
        }
    }
}

// MARK: - What stands on links

extension Application {
    private func message(_ address: Address) throws(KernelError) -> AddressMessage {
        var flags: AddressMessage.Flags = []
        if address.noPrefixRoute { flags.insert(.noPrefixRoute) }
        if address.address.address.family == .v6, !address.detectsDuplicates { flags.insert(.noDuplicateDetection) }
        var message = AddressMessage(
            address.address, link: UInt32(bitPattern: try index(of: address.link)), scope: address.scope.rawValue, flags: flags,
            proto: address.proto == 0 ? nil : address.proto)
        message.isDeprecated = address.isDeprecated
        return message
    }

    private func message(_ neighbour: Neighbour) throws(KernelError) -> NeighbourMessage {
        var message = NeighbourMessage(RouteFamily(neighbour.address.family), link: try index(of: neighbour.link))
        message.destination = neighbour.address
        message.state = .permanent
        switch neighbour.answer {
        case .mac(let mac): message.mac = mac
        case .proxy: message.flags = .proxy
        }
        return message
    }

    private func message(_ forwarding: Forwarding) throws(KernelError) -> NeighbourMessage {
        let isPort = forwarding.destination == nil
        var message = NeighbourMessage(.bridge, link: try index(of: forwarding.link), flags: isPort ? .master : .own)
        // Of a port “permanent” would mean: the bridge's own.
        message.state = isPort ? .noARP : .permanent
        message.mac = forwarding.mac
        message.destination = forwarding.destination
        return message
    }

    private func message(_ route: Route) throws(KernelError) -> RouteMessage {
        var message = RouteMessage(route.prefix)
        message.table = route.table
        message.type = route.kind.rawValue
        message.scope = route.scope.rawValue
        message.proto = route.proto
        message.gateway = route.gateway
        message.link = try route.device.map(index(of:))
        message.source = route.source
        message.metric = route.metric == 0 ? nil : route.metric
        message.mtu = route.mtu
        if route.isOnlink { message.flags = .onlink }
        return message
    }
}

extension Application {
    private func message(_ qdisc: Qdisc) throws(KernelError) -> QdiscMessage {
        var message = QdiscMessage(link: try index(of: qdisc.link), handle: UInt32(qdisc.handle) << 16)
        switch qdisc.kind {
        case .tokenBucket(let bucket):
            message.kind = "tbf"
            message.bucket = TokenBucketOptions(rate: bucket.rate, burst: bucket.burst, limit: bucket.limit)
        case .other(let name): message.kind = name
        }
        return message
    }
}

extension BridgePort {
    init(_ port: Link.Port) {
        self.init(
            isHairpin: port.isHairpin, isLearning: port.isLearning, isIsolated: port.isIsolated, isLocked: port.isLocked)
    }
}

extension RuleMessage {
    init(_ rule: Rule) {
        self.init(RouteFamily(rule.family))
        priority = rule.priority
        from = rule.from
        to = rule.to
        incoming = rule.incoming
        mark = rule.mark?.value
        mask = rule.mark?.mask
        table = rule.table
        proto = rule.proto
    }
}

extension Change {
    /// The change in words, for an error: `add route 198.51.100.0/24 via …`.
    var operation: String {
        switch self {
        case .add(let object): "add \(object)"
        case .remove(let object): "remove \(object)"
        case .change(_, let object): "change to \(object)"
        }
    }
}
