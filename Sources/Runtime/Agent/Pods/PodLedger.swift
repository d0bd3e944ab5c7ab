import Addressing
import Plan

/// Who has which address on this node: the book, without disk, kernel or clock.
///
/// Every call about an attachment claims it first, so that no two are at work on the same one: not even an ADD that waits for
/// an address, whose runtime may have given up, and the DEL that follows it.
struct PodLedger: Sendable {
    /// Attached, or on the way: a link of these is never taken for a stray one.
    private(set) var records: [Plan.Attachment.ID: AttachmentRecord] = [:]
    /// Those that a call is at work on now: nobody else touches their links.
    private(set) var busy: Set<Plan.Attachment.ID> = []
    /// Those whose taking away has begun and not ended: their addresses are held until it has.
    private(set) var leaving: Set<Plan.Attachment.ID> = []
    /// How many calls have begun so far.
    private(set) var claims = 0
    private var pools: [AddressPool<Plan.Attachment.ID>] = []
    private var reserved: Set<IPAddress> = []
    private(set) var resting: [IPAddress: Duration]
    private let rest: Duration
    private let mode: PodMode
    /// Of the links that pods get; `nil` until the node is known.
    private(set) var mtu: Int?

    /// - Parameter unanswered: what an agent that was killed had begun: to be taken away.
    init(
        attached: [AttachmentRecord], unanswered: [AttachmentRecord] = [], resting: [IPAddress: Duration], rest: Duration,
        mode: PodMode = .routed
    ) {
        self.mode = mode
        self.resting = resting
        self.rest = rest
        leaving = Set(unanswered.map(\.attachment.id))
        for record in attached + unanswered {
            records[record.attachment.id] = record
            // A kill between the two steps of giving an address out leaves both marks.
            for address in record.attachment.addresses { self.resting[address] = nil }
        }
    }

    /// The node's ranges, as its Node object says. What is held stays held, also outside a range that changed.
    ///
    /// - Parameter reserved: addresses that are the node's own.
    mutating func adopt(prefixes: [IPPrefix], mtu: Int, reserved: Set<IPAddress>) {
        self.mtu = mtu
        let reserved = reserved.union(mode == .bridge ? prefixes.compactMap(PodBridge.gateway) : [])
        guard prefixes != pools.map(\.prefix) || reserved != self.reserved else { return }
        self.reserved = reserved
        pools = prefixes.map { prefix in
            var pool = AddressPool<Plan.Attachment.ID>(prefix, reserved: reserved, rest: rest)
            for (address, since) in resting { pool.rest(address, since: since) }
            for record in records.values {
                for address in record.attachment.addresses { _ = pool.take(address, for: record.attachment.id) }
            }
            return pool
        }
    }

    var isReady: Bool { !pools.isEmpty && mtu != nil }
}

// MARK: - Claims

extension PodLedger {
    /// A call about an attachment begins; false when another one runs.
    mutating func claim(_ id: Plan.Attachment.ID) -> Bool {
        claims += 1
        return busy.insert(id).inserted
    }

    /// The call is over.
    mutating func release(_ id: Plan.Attachment.ID) { busy.remove(id) }
}

// MARK: - Giving and taking back

extension PodLedger {
    /// What an attempt to attach came to.
    enum Attaching: Hashable, Sendable {
        case attached(AttachmentRecord)
        /// Every free address of a pool still rests; the first is free at this time.
        case resting(until: Duration)
        case exhausted(IPPrefix, holders: Int)
        case alreadyAttached
        /// The address that was asked for cannot be had.
        case unavailable(IPAddress, Obstacle)
        /// A port that was asked for is another pod's.
        case portTaken(PortMapping, by: String)
        /// A port on an address of the node of a family that the pod has no address of.
        case portUnreachable(PortMapping)
        /// The node's ranges are not known yet.
        case notReady
    }

    /// Why an address that was asked for cannot be had.
    enum Obstacle: Hashable, Sendable {
        /// None of these ranges holds it.
        case outside([IPPrefix])
        /// The node's own, the network's or the broadcast address of this range.
        case reserved(IPPrefix)
        case held(by: String, IPPrefix)
        /// It was another pod's a moment ago.
        case resting(until: Duration, IPPrefix)
        /// Another of the same range was asked for as well: a pod gets one of each.
        case second(IPPrefix)
    }

    /// Gives an address of each range, or none: the one that was asked for, else the next.
    mutating func attach(
        _ id: Plan.Attachment.ID, network: String, namespacePath: String, pod: String, uid: String = "",
        wishes: PodWishes = PodWishes(), at now: Duration
    ) -> Attaching {
        guard let mtu, isReady else { return .notReady }
        guard records[id] == nil else { return .alreadyAttached }
        if let (address, obstacle) = obstacle(to: wishes.addresses, at: now) { return .unavailable(address, obstacle) }
        if let (port, holder) = conflict(of: wishes.ports, id) { return .portTaken(port, by: holder) }
        if let port = unreachable(wishes.ports) { return .portUnreachable(port) }
        // Nothing is taken of one range where another has none to give.
        for pool in pools where !wishes.addresses.contains(where: pool.prefix.contains) {
            switch pool.offer(at: now) {
            case .taken: continue
            case .resting(let time): return .resting(until: time)
            case .exhausted: return .exhausted(pool.prefix, holders: pool.holders.count)
            }
        }
        var taken: [IPAddress] = []
        for index in pools.indices {
            if let asked = wishes.addresses.first(where: pools[index].prefix.contains), pools[index].take(asked, for: id) {
                taken.append(asked)
            } else if case .taken(let address) = pools[index].take(for: id, at: now) {
                taken.append(address)
            }
        }
        for address in taken { resting[address] = nil }
        var attachment = Plan.Attachment(id: id, addresses: taken, mtu: mtu, mac: wishes.mac)
        attachment.ports = wishes.ports
        attachment.bandwidth = wishes.bandwidth
        attachment.settings = wishes.settings
        attachment.bridgedRanges = bridgedRanges
        if !(wishes.isDefault ?? isFirst(id)) { attachment.reach = .ranges(wishes.routes ?? pools.map(\.prefix)) }
        let record = AttachmentRecord(
            attachment: attachment, network: network, namespacePath: namespacePath, pod: pod, uid: uid)
        records[id] = record
        return .attached(record)
    }

    /// Somebody else's interface has the pod's default route: this one has ranges.
    mutating func giveUpDefaultRoute(_ id: Plan.Attachment.ID, routes: [IPPrefix]?) -> AttachmentRecord? {
        records[id]?.attachment.reach = .ranges(routes ?? pools.map(\.prefix))
        return records[id]
    }

    /// Of pods that come; none where they are routed.
    private var bridgedRanges: [IPPrefix] {
        let ranges = pools.map(\.prefix)
        return mode == .bridge && ranges.allSatisfy { PodBridge.gateway(of: $0) != nil } ? ranges : []
    }

    /// Whether none of the pod's interfaces has the default route yet.
    private func isFirst(_ id: Plan.Attachment.ID) -> Bool {
        // A record is long, and to look at a hundred names is short.
        !records.keys.contains { $0.container == id.container && records[$0]?.attachment.reach == .everything }
    }

    /// The first address asked for that cannot be had.
    private func obstacle(to asked: [IPAddress], at now: Duration) -> (IPAddress, Obstacle)? {
        var used: Set<IPPrefix> = []
        for address in asked {
            guard let pool = pools.first(where: { $0.prefix.contains(address) }) else {
                return (address, .outside(pools.map(\.prefix)))
            }
            guard used.insert(pool.prefix).inserted else { return (address, .second(pool.prefix)) }
            switch pool.standing(of: address, at: now) {
            case .free, .outside: continue
            case .reserved: return (address, .reserved(pool.prefix))
            case .held(let id): return (address, .held(by: records[id]?.holder ?? "\(id)", pool.prefix))
            case .resting(let time): return (address, .resting(until: time, pool.prefix))
            }
        }
        return nil
    }

    /// The first port asked for that is held. One of a pod that is being taken away is held until it is gone; a pod's other interfaces may
    /// have the same, see ``HostPorts``.
    private func conflict(of asked: [PortMapping], _ id: Plan.Attachment.ID) -> (PortMapping, String)? {
        guard !asked.isEmpty else { return nil }
        let others = records.values.filter { $0.attachment.id.container != id.container }
        for record in others.sorted(by: { $0.attachment.id < $1.attachment.id }) {
            for port in asked where record.attachment.ports.contains(where: port.overlaps) { return (port, record.holder) }
        }
        return nil
    }

    /// The first port asked for that would lead nowhere, for want of an address of its family. Not where the same port is asked for in
    /// another family too, as by a runtime that knows the node's families and not the pod's.
    private func unreachable(_ asked: [PortMapping]) -> PortMapping? {
        func leads(_ port: PortMapping) -> Bool {
            port.host.family.map { family in pools.contains { $0.prefix.family == family } } ?? true
        }
        return asked.first { port in
            !asked.contains { ($0.transport, $0.hostPort) == (port.transport, port.hostPort) && leads($0) }
        }
    }

    /// The attachments that tables name: all but those that are being taken away.
    var named: [Plan.Attachment] {
        records.values.map(\.attachment).filter { $0.isNamedInTables && !leaving.contains($0.id) }
    }

    /// Who holds the addresses of a range: pods' names, sorted.
    func holders(of prefix: IPPrefix) -> [String] {
        let holders = pools.first { $0.prefix == prefix }?.holders.values ?? [:].values
        return Set(holders.map { records[$0]?.holder ?? "\($0)" }).sorted()
    }

    /// Its taking away begins. It is no longer attached, and its addresses are not free yet.
    mutating func leave(_ id: Plan.Attachment.ID) {
        if records[id] != nil { leaving.insert(id) }
    }

    /// The attachment is gone; its addresses rest. What is not there is as good as gone.
    mutating func remove(_ id: Plan.Attachment.ID, at now: Duration) {
        leaving.remove(id)
        guard let record = records.removeValue(forKey: id) else { return }
        for address in record.attachment.addresses {
            resting[address] = now
            for index in pools.indices where pools[index].prefix.contains(address) { pools[index].release(address, at: now) }
        }
    }

    /// Forgets since when addresses rest that have rested so long that it makes no difference any more.
    ///
    /// - Returns: those addresses. A range of 2⁶⁴ never comes round to them: without this there would be a file for each for ever.
    mutating func forgetRested(at now: Duration) -> [IPAddress] {
        let rested = resting.filter { now - $0.value > rest * 10 }.map(\.key)
        for address in rested { resting[address] = nil }
        return rested
    }
}
