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
    /// Of the links that pods get; `nil` until the node is known.
    private(set) var mtu: Int?

    /// - Parameter unanswered: what an agent that was killed had begun: to be taken away.
    init(
        attached: [AttachmentRecord], unanswered: [AttachmentRecord] = [], resting: [IPAddress: Duration], rest: Duration
    ) {
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
        /// The node's ranges are not known yet.
        case notReady
    }

    /// Gives an address of each range, or none.
    mutating func attach(
        _ id: Plan.Attachment.ID, network: String, namespacePath: String, pod: String, at now: Duration
    ) -> Attaching {
        guard let mtu, isReady else { return .notReady }
        guard records[id] == nil else { return .alreadyAttached }
        var taken: [IPAddress] = []
        var pools = pools
        for index in pools.indices {
            switch pools[index].take(for: id, at: now) {
            case .taken(let address): taken.append(address)
            // Nothing of what was taken before is kept: the pools are a copy.
            case .resting(let time): return .resting(until: time)
            case .exhausted: return .exhausted(pools[index].prefix, holders: pools[index].holders.count)
            }
        }
        self.pools = pools
        for address in taken { resting[address] = nil }
        let record = AttachmentRecord(
            attachment: Plan.Attachment(id: id, addresses: taken, mtu: mtu), network: network, namespacePath: namespacePath,
            pod: pod)
        records[id] = record
        return .attached(record)
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
