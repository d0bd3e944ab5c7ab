import Addressing
import Cluster
import HostNetwork
import NFTables
import Plan

/// What of the kernel's news matters. Most of it does not: a node is full of other people's links, routes and neighbours, and our
/// own changes are told to us as well.
extension NodeKeeper {
    mutating func due(_ news: Set<KernelNews>) -> Due {
        var keys: Set<NodePlan.Key> = []
        var links: Set<String>?
        /// Links that a call is at work on or has worked on; its end makes their keys due.
        func isBeingMade(_ link: String) -> Bool {
            let known = links ?? Set(pods.attachments().links)
            links = known
            return known.contains(link)
        }
        for item in news {
            switch matters(item) {
            case .no: break
            case .all: return .all
            case .attachment(let link):
                guard duties.contains(.pods) else { continue }
                if let id = said.owners[link] {
                    keys.insert(.attachment(id))
                } else if case .link = item, !isBeingMade(link) {
                    return .all
                }
            }
        }
        return .keys(keys)
    }

    /// Attachments that came, went or changed since a round last saw them. Those that a call is at work on are told of at its end.
    mutating func dueAttachments() -> Due {
        let book = pods.attachments()
        podProblems = book.problems
        let changed = Set(book.all.keys).union(seen.keys).filter { !book.busy.contains($0) && book.all[$0] != seen[$0] }
        var keys = Set(changed.map(NodePlan.Key.attachment))
        let bridging = NodePlan.Bridging(book.all.values)
        let hasBridge = network.podMode == .bridge || bridging.hasPorts || self.bridging.hasPorts
        if duties.contains(.pods), hasBridge, bridging != self.bridging {
            self.bridging = bridging
            keys.insert(.bridge)
        }
        return .keys(keys)
    }

    /// Whether somebody else committed tables since our last commit.
    mutating func isTableNews() -> Bool {
        guard !podTables.isEmpty || !duties.isDisjoint(with: [.services, .policies]) else { return false }
        guard let known = generation, let now = try? tables.generation() else { return true }
        return now != known
    }

    /// Whether a rest is over, and it is time to look.
    mutating func wake(at now: Duration) -> Bool { restorations.wake(at: now) }

    /// When the next rest is over.
    var nextWaking: Duration? { restorations.nextWaking }

    private enum Matter {
        case no
        case all
        case attachment(String)
    }

    private mutating func matters(_ news: KernelNews) -> Matter {
        switch news {
        case .lost: return .all
        case .link(let name):
            if PacketPath.isPodLink(name) { return .attachment(name) }
            guard roadLinks.contains(name) else { return .no }
            stirred.insert(name)
            return .all
        case .advertised(let link): return PacketPath.isOurLink(link) || facts.advertisedLinks.contains(link) ? .no : .all
        case .address(let address, let link, let isGone):
            if PacketPath.isPodLink(link) { return .attachment(link) }
            if link == PacketPath.podBridge {
                guard isGone, said.objects.addresses.contains(where: { $0.link == link && $0.address.address == address }) else {
                    return .no
                }
                stirred.insert(link)
                return .all
            }
            // A router advertises the same address over and over.
            let isNews = isGone ? facts.uplinks[address] != nil : facts.uplinks[address]?.device != link
            guard isNews, isClaimed(address) else { return .no }
            stirred.insert(link)
            return .all
        case .route(let route): return said.objects[.route(route.key)] == .route(route) ? .no : matter(of: Object.route(route))
        case .routeGone(let key, let isOurs):
            guard isOurs else { return refusedObjects[.route(key)] == nil ? .no : .all }
            guard case .route(let route)? = said.objects[.route(key)] else { return .no }
            return matter(of: Object.route(route))
        case .neighbour(let address, let link, let mac):
            guard let wanted = said.objects[.neighbour(.init(address, on: link))] else { return .no }
            return mac.map { wanted == .neighbour(Neighbour(address, on: link, .mac($0))) } == true ? .no : matter(of: wanted)
        case .frames(let mac, let link, let destination):
            guard let wanted = said.objects[.forwarding(.init(mac, on: link))] else { return .no }
            let isRight = destination.map { wanted == .forwarding(Forwarding(mac, on: link, to: $0)) } == true
            return isRight ? .no : matter(of: link)
        case .ruleGone(let rule): return said.objects[.rule(rule)] == nil ? .no : .all
        case .forwarding(let family, let isOn):
            let path = family == .v4 ? "net/ipv4/ip_forward" : "net/ipv6/conf/all/forwarding"
            return said.objects[.sysctl(path)] != nil && !isOn ? .all : .no
        case .setting(let link): return PacketPath.isPodLink(link) || said.objects.link(link) != nil ? matter(of: link) : .no
        }
    }

    /// Whether a node's object names the address, or pods' addresses around it: on a link of ours it makes the object untrue.
    private func isClaimed(_ address: IPAddress) -> Bool {
        snapshot.members.values.contains { member in
            if member.claimedAddresses.contains(address) { return true }
            // Where the pods are somebody else's, so are the addresses of this node's range.
            if member.name == facts.name, !duties.contains(.pods) { return false }
            return member.podPrefixes.contains { $0.contains(address) }
        }
    }

    /// An entry on the bridge is its pod's.
    private func matter(of object: Object) -> Matter {
        guard let address = object.podAddressOnBridge else { return matter(of: object.link) }
        return said.holders[address].map { .attachment($0.link) } ?? .no
    }

    private func matter(of link: String?) -> Matter {
        link.map { PacketPath.isPodLink($0) ? .attachment($0) : .all } ?? .all
    }

    /// The links that roads to other nodes go over, and those that live by router advertisements.
    private var roadLinks: Set<String> {
        let own = snapshot.members[facts.name]?.claimedAddresses ?? []
        let tunnels = duties.contains(.overlay) ? PacketPath.tunnelLinks : []
        return tunnels.union(facts.advertisedLinks).union(own.compactMap { facts.uplinks[$0]?.device })
    }
}
