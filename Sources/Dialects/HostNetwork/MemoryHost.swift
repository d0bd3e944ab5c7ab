import Addressing

/// A network namespace in memory, which accepts and refuses what the kernel would.
///
/// The contract tests run against it and against the kernel; where they would differ, this one is wrong.
public final class MemoryHost: HostNetworkEnd {
    /// What is there now.
    public private(set) var state: State
    /// The namespaces that a veth's other end may be made in, by the names that ``Link/Peer/namespace`` uses.
    public var namespaces: [String: MemoryHost] = [:]
    /// How many changes were carried out: a second run with nothing changed adds none.
    public private(set) var changeCount = 0
    /// How many times somebody looked.
    public private(set) var observations = 0

    private var otherEnds: [String: OtherEnd] = [:]
    private var lastSeed: UInt64 = 0

    private struct OtherEnd {
        weak var host: MemoryHost?
        var name: String
    }

    public let hasIPv6: Bool

    /// A new namespace: the loopback link, down.
    public init(hasIPv6: Bool = true) {
        self.hasIPv6 = hasIPv6
        state = [.link(Link("lo", .loopback, isUp: false, mac: .zero, mtu: 65536, makesLinkLocal: hasIPv6))]
    }

    public func observe(_ interest: Interest) -> State {
        observations += 1
        var seen = state.filter { object in
            guard interest.includes(object) else { return false }
            return switch object {
            case .link: true
            case .address: interest.parts.contains(.addresses)
            case .neighbour: interest.parts.contains(.neighbours)
            case .forwarding: interest.parts.contains(.forwardings)
            case .route: interest.parts.contains(.routes)
            case .rule: interest.parts.contains(.rules)
            case .qdisc: interest.parts.contains(.qdiscs)
            case .sysctl(let sysctl): interest.sysctls.contains(sysctl.path)
            }
        }
        if !hasIPv6 { for path in interest.sysctls { Sysctl.withoutIPv6(path).map { seen.insert(.sysctl($0)) } } }
        return seen
    }

    public func apply(_ changes: [Change]) -> [Refusal] {
        changes.compactMap { change in
            if isVoid(change) { return nil }
            if let (code, explanation) = refusal(of: change) { return Refusal(change, code, explanation: explanation) }
            carryOut(change)
            changeCount += 1
            return nil
        }
    }
}

// MARK: - Carrying out

extension MemoryHost {
    private func carryOut(_ change: Change) {
        switch change {
        case .add(.link(let link)): make(link)
        case .remove(.link(let link)): remove(link.name)
        case .add(.route(let route)): state.apply(.add(.route(resolved(route))))
        case .change(let old, .route(let route)): state.apply(.change(from: old, to: .route(resolved(route))))
        default: state.apply(change)
        }
    }

    private func make(_ link: Link) {
        state.apply(.add(.link(completed(link))))
        guard case .veth(let peer?) = link.kind, let host = host(of: peer) else { return }
        host.state.insert(.link(host.completed(peer.link)))
        otherEnds[link.name] = OtherEnd(host: host, name: peer.name)
        host.otherEnds[peer.name] = OtherEnd(host: self, name: link.name)
    }

    private func remove(_ link: String) {
        if let end = otherEnds.removeValue(forKey: link), let host = end.host {
            host.otherEnds[end.name] = nil
            if let other = host.state.link(end.name) { host.state.apply(.remove(.link(other))) }
        }
        if let there = state.link(link) { state.apply(.remove(.link(there))) }
    }

    /// A link as it comes to be: what was not said is chosen.
    private func completed(_ link: Link) -> Link {
        var made = link
        lastSeed += 1
        made.mac = link.mac ?? MACAddress(local: lastSeed)
        made.mtu = link.mtu ?? 1500
        made.makesLinkLocal = hasIPv6 ? link.makesLinkLocal ?? true : false
        return made
    }

    /// A route as it comes to be: a gateway without a device is looked up.
    private func resolved(_ route: Route) -> Route {
        var made = route
        if let gateway = route.gateway, route.device == nil {
            made.device = state.addresses.first { $0.connects(gateway) }?.link
        }
        return made
    }

    private func host(of peer: Link.Peer) -> MemoryHost? {
        peer.namespace.map { namespaces[$0] } ?? self
    }
}

// MARK: - Refusing

extension MemoryHost {
    private typealias Reason = (Refusal.Code, String?)

    /// Without IPv6 what is switched off can be switched off.
    private func isVoid(_ change: Change) -> Bool {
        guard !hasIPv6, case .sysctl(let setting) = change.object else { return false }
        return Sysctl.withoutIPv6(setting.path) == setting
    }

    private func refusalWithoutIPv6(_ object: Object) -> Reason? {
        guard !hasIPv6 else { return nil }
        return switch object {
        case .address(let address) where address.address.address.family == .v6: (.notSupported, nil)
        case .neighbour(let neighbour) where neighbour.address.family == .v6: (.familyNotSupported, nil)
        case .route(let route) where route.prefix.family == .v6: (.notSupported, nil)
        case .sysctl(let setting) where setting.path.hasPrefix("net/ipv6/"): (.noSuchObject, nil)
        default: nil
        }
    }

    private func refusal(of change: Change) -> Reason? {
        if let reason = refusalWithoutIPv6(change.object) { return reason }
        return switch change {
        case .add(.link(let link)): refusal(ofMaking: link)
        case .add(let object), .change(_, let object):
            refusal(of: object, replacing: change != .add(object))
        case .remove(let object): refusal(ofRemoving: object)
        }
    }

    private func refusal(ofMaking link: Link) -> Reason? {
        if state.link(link.name) != nil { return (.exists, nil) }
        if let master = link.master, state.link(master) == nil { return (.noSuchDevice, nil) }
        switch link.kind {
        case .loopback, .other: return (.notSupported, "Unknown device type")
        case .bridge, .veth(nil): return nil
        case .veth(let peer?):
            guard let host = host(of: peer) else { return (.noSuchObject, "no namespace \(peer.namespace ?? "")") }
            return host.state.link(peer.name) == nil ? nil : (.exists, nil)
        case .vxlan(let overlay):
            if let device = overlay.device, state.link(device) == nil { return (.noSuchDevice, nil) }
            let isTaken = state.links.contains {
                if case .vxlan(let other) = $0.kind { other.id == overlay.id && other.port == overlay.port } else { false }
            }
            return isTaken ? (.exists, "A VXLAN device with the specified VNI already exists") : nil
        }
    }

    private func refusal(of object: Object, replacing: Bool) -> Reason? {
        if let device = object.link, state.link(device) == nil {
            if case .sysctl = object { return (.noSuchObject, nil) }
            return (.noSuchDevice, nil)
        }
        switch object {
        case .link(let link): return state.link(link.name) == nil ? (.noSuchDevice, nil) : nil
        case .forwarding(let forwarding):
            let link = state.link(forwarding.link)
            if forwarding.destination == nil {
                if link?.master == nil { return (.notSupported, nil) }
                break
            }
            guard case .vxlan? = link?.kind else { return (.notSupported, nil) }
            if forwarding.mac == .zero { return nil }
        case .neighbour(let neighbour): if neighbour.answer == .proxy { return nil }
        case .route(let route): if let reason = refusal(of: route) { return reason }
        case .sysctl: return nil
        case .address, .rule: break
        case .qdisc(let qdisc): if let reason = refusal(of: qdisc, replacing: replacing) { return reason }
        }
        return state[object.key] == nil || replacing ? nil : (.exists, nil)
    }

    /// What is there keeps its place unless it is changed into another of its kind and handle.
    private func refusal(of qdisc: Qdisc, replacing: Bool) -> Reason? {
        guard case .tokenBucket(let bucket) = qdisc.kind else { return (.noSuchObject, "Specified qdisc kind is unknown") }
        if bucket.burst == 0 { return (.invalid, nil) }
        guard !replacing, state[.qdisc(qdisc.link)] != nil else { return nil }
        return (.exists, "Exclusivity flag on, cannot modify")
    }

    private func refusal(of route: Route) -> Reason? {
        let route = resolved(route)
        let isV4 = route.prefix.family == .v4
        if route.kind == .unicast, route.device == nil {
            if route.gateway == nil { return isV4 ? (.invalid, nil) : (.noSuchDevice, nil) }
            return isV4 ? (.networkUnreachable, "Nexthop has invalid gateway") : (.hostUnreachable, nil)
        }
        if let device = route.device, state.link(device)?.isUp == false { return (.networkDown, nil) }
        if let source = route.source, !state.addresses.contains(where: { $0.address.address == source }) {
            return (.invalid, "Invalid prefsrc address")
        }
        guard let gateway = route.gateway, let device = route.device, !route.isOnlink, !isReachable(gateway, over: device)
        else { return nil }
        return isV4 ? (.networkUnreachable, "Nexthop has invalid gateway") : (.hostUnreachable, nil)
    }

    private func isReachable(_ gateway: IPAddress, over device: String) -> Bool {
        if case .v6(let address) = gateway, address.isLinkLocal { return true }
        return state.addresses.contains { $0.link == device && $0.connects(gateway) }
            || state.routes.contains { $0.device == device && $0.gateway == nil && $0.prefix.contains(gateway) }
    }

    private func refusal(ofRemoving object: Object) -> Reason? {
        if let device = object.link, state.link(device) == nil { return (.noSuchDevice, nil) }
        let isThere = state[object.key] != nil
        return switch object {
        case .link(let link):
            link.kind == .loopback ? (.notSupported, nil) : isThere ? nil : (.noSuchDevice, nil)
        case .address: isThere ? nil : (.addressNotAvailable, nil)
        // Another protocol's route with the same key is another route.
        case .route(let route):
            state.routes.contains { $0.key == route.key && $0.proto == route.proto } ? nil : (.noSuchEntry, nil)
        case .neighbour, .forwarding, .rule: isThere ? nil : (.noSuchObject, nil)
        case .sysctl: nil
        case .qdisc(let qdisc):
            if case .qdisc(let there)? = state[.qdisc(qdisc.link)], there.handle == qdisc.handle {
                nil
            } else {
                (.invalid, "Invalid handle")
            }
        }
    }
}

extension Address {
    /// Whether the connected route of this address reaches another address.
    fileprivate func connects(_ other: IPAddress) -> Bool { !noPrefixRoute && address.prefix.contains(other) }
}
