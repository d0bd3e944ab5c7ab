import Addressing
import Cluster
import HostNetwork
import Plan

/// The pods' links at one look: which may be touched, and which are in a state that somebody has to be told of.
struct PodLinks {
    /// Links that may have come, gone or changed by a call's work while we looked.
    let moving: Set<String>
    /// Attachments whose link is gone.
    let absent: [Attachment]
    /// Links that look like a pod's, and of which nothing is written down. Whose they are, nobody here knows: a state directory
    /// that was lost, or another one than before. A pod may hang on each.
    let unknown: Set<String>
    /// The paths of records that cannot be read, by the links they are about.
    let lost: [String: String]

    /// - Parameter known: the unknown links of an earlier look.
    init(_ observed: State, before: Attachments, after: Attachments, known: Set<String>) {
        let moving = after.moving(since: before)
        self.moving = moving
        lost = after.lost
        absent = after.all.values.filter { observed.link($0.link) == nil && !moving.contains($0.link) }
        let recorded = Set(after.all.values.map(\.link)).union(after.lost.keys)
        let strange = Set(observed.links.map(\.name).filter(PacketPath.isPodLink)).subtracting(recorded).subtracting(moving)
        // A call that came and went while we looked may have left what we saw: the next look tells.
        unknown = after.claims == before.claims ? strange : strange.intersection(known)
        untouchable = moving.union(after.lost.keys).union(strange)
        let left = untouchable
        var addresses = before.held.union(after.held)
        for attachment in Array(before.all.values) + Array(after.all.values) where left.contains(attachment.link) {
            addresses.formUnion(attachment.addresses)
        }
        let isOnBridge = observed.links.contains {
            $0.master == PacketPath.podBridge && (strange.contains($0.name) || after.lost[$0.name] != nil)
        }
        // What on the bridge belongs to which of them, nobody knows.
        let known = Set((Array(before.all.values) + Array(after.all.values)).flatMap(\.addresses)).union(addresses)
        nobodys = isOnBridge ? Set(observed.routes.compactMap { Object.route($0).podAddressOnBridge }).subtracting(known) : []
        untouchableAddresses = addresses.union(nobodys)
    }

    /// Addresses whose entries on the bridge are left as they are.
    let untouchableAddresses: Set<IPAddress>
    /// Those of them that belong to links on the bridge of which nothing is written down.
    private let nobodys: Set<IPAddress>

    /// Links that are left as they are, with all that stands on them.
    let untouchable: Set<String>

    /// Addresses that pods of nobody's may have: they are given to no other.
    func addresses(in observed: State) -> Set<IPAddress> {
        let links = unknown.union(lost.keys)
        let routes = observed.routes.filter { $0.device.map(links.contains) ?? false && $0.prefix.count == 1 }
        return Set(routes.map(\.prefix.address)).union(nobodys)
    }
}

// MARK: - Problems

extension Attachment {
    var isMissing: Problem {
        let addresses = addresses.map(\.description).joined(separator: ", ")
        return Problem(.podLinkMissing, nil, "link \(link) of \(id) (\(addresses)) is gone")
    }
}

extension Problem {
    init(link: String, recordAt path: String) {
        self.init(.recordUnreadable, nil, "\(path), which is about link \(link), is no record of this release")
    }

    /// `nil` when there are none.
    init?(unknownLinks links: Set<String>) {
        guard !links.isEmpty else { return nil }
        self.init(.podLinkUnknown, nil, "\(Self.list(links)): no attachment is written down for it; it is left as it is")
    }

    /// `nil` when there are none.
    init?(contested things: [String]) {
        guard !things.isEmpty else { return nil }
        self.init(.undoneByOthers, nil, "somebody else changes, again and again, what this agent made: \(Self.list(things))")
    }

    /// The first three, and how many more.
    private static func list(_ things: some Collection<String>) -> String {
        let names = things.sorted()
        let rest = names.count - 3
        return names.prefix(3).joined(separator: ", ") + (rest > 0 ? " and \(rest) more" : "")
    }
}

extension Object {
    /// Whether it is one of these links, or goes with one of them.
    func standsOn(_ links: Set<String>) -> Bool {
        if case .link(let own) = self { return links.contains(own.name) }
        return link.map(links.contains) ?? false
    }

    /// The same, and whether it is a pod's entry on the bridge.
    func standsOn(_ links: Set<String>, or addresses: Set<IPAddress>) -> Bool {
        standsOn(links) || podAddressOnBridge.map(addresses.contains) ?? false
    }

    /// The pod whose entry on the bridge it is: a neighbour, or the route to it.
    var podAddressOnBridge: IPAddress? {
        switch self {
        case .neighbour(let neighbour) where neighbour.link == PacketPath.podBridge: neighbour.address
        case .route(let route) where route.device == PacketPath.podBridge && route.prefix.count == 1: route.prefix.address
        default: nil
        }
    }
}
