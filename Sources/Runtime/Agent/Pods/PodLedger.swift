import Addressing
import Plan

/// Who has which address on this node: the book, without disk, kernel or clock.
struct PodLedger: Sendable {
    /// Attached, or on the way: a link of these is never taken for a stray one.
    private(set) var records: [Plan.Attachment.ID: AttachmentRecord] = [:]
    /// Those whose ADD or DEL runs now: nobody else touches their links.
    private(set) var busy: Set<Plan.Attachment.ID> = []
    private var pools: [AddressPool<Plan.Attachment.ID>] = []
    private var resting: [IPAddress: Duration]
    private let rest: Duration
    /// Of the links that pods get; `nil` until the node is known.
    private(set) var mtu: Int?

    init(attached: [AttachmentRecord], resting: [IPAddress: Duration], rest: Duration) {
        for record in attached { records[record.attachment.id] = record }
        self.resting = resting
        self.rest = rest
    }

    /// The node's ranges, as its Node object says. What is held stays held, also outside a range that changed.
    mutating func adopt(prefixes: [IPPrefix], mtu: Int, reserved: Set<IPAddress>) {
        self.mtu = mtu
        guard prefixes != pools.map(\.prefix) else { return }
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

    /// What an attempt to begin came to.
    enum Beginning: Sendable {
        case begun(AttachmentRecord)
        /// Every free address of a pool still rests; the first is free at this time.
        case resting(until: Duration)
        case exhausted(IPPrefix, holders: Int)
        case alreadyAttached
        /// Another call about the same attachment runs.
        case busy
        /// The node's ranges are not known yet.
        case notReady
    }

    mutating func begin(
        _ id: Plan.Attachment.ID, network: String, namespacePath: String, pod: String, at now: Duration
    ) -> Beginning {
        guard let mtu, isReady else { return .notReady }
        if busy.contains(id) { return .busy }
        if records[id] != nil { return .alreadyAttached }
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
        busy.insert(id)
        return .begun(record)
    }

    /// A DEL or CHECK begins; `nil` when there is nothing of this name, or another call about it runs.
    mutating func reserve(_ id: Plan.Attachment.ID) -> AttachmentRecord? {
        guard let record = records[id], busy.insert(id).inserted else { return nil }
        return record
    }

    /// The call is over; the attachment stays.
    mutating func release(_ id: Plan.Attachment.ID) { busy.remove(id) }

    /// The attachment is gone; its addresses rest.
    mutating func remove(_ id: Plan.Attachment.ID, at now: Duration) {
        busy.remove(id)
        guard let record = records.removeValue(forKey: id) else { return }
        for address in record.attachment.addresses {
            resting[address] = now
            for index in pools.indices where pools[index].prefix.contains(address) { pools[index].release(address, at: now) }
        }
    }
}
