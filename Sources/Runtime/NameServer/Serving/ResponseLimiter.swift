internal import Addressing

/// Keeps the books of a ``ResponseLimit`` for one thread: a bucket of tokens for each network, in a table of fixed size.
///
/// Networks that fall into one place of the table share its bucket, so the table does not grow with forged addresses.
struct ResponseLimiter: Sendable {
    enum Verdict: Hashable {
        case send
        /// Without records and with TC set.
        case putOff
        case keep
    }

    private struct Bucket: Sendable {
        var tokens: Int32
        /// Second in which it was filled last.
        var second: UInt32 = 0
        var isSlipTurn = false
    }

    private let rate: Int32
    /// The widest of the networks that are not limited: looked at first, one after the other, as most clients are there.
    private let wide: [IPPrefix]
    /// The others, which are many where a cluster has many nodes.
    private var narrow = PrefixMap<Bool>()
    private static let wideCount = 12
    /// Empty until the first who is limited.
    private var buckets: [Bucket] = []
    private static let size = 4096

    init(_ limit: ResponseLimit) {
        rate = Int32(clamping: limit.rate)
        let exempt = limit.exempt.sorted { ($0.length, $0) < ($1.length, $1) }
        wide = Array(exempt.prefix(Self.wideCount))
        for network in exempt.dropFirst(Self.wideCount) { narrow[network] = true }
    }

    /// - Parameter time: seconds of any clock that only goes forward.
    mutating func verdict(on client: IPAddress, at time: UInt32) -> Verdict {
        for network in wide where network.contains(client) { return .send }
        if !narrow.isEmpty, narrow.match(client) != nil { return .send }
        if buckets.isEmpty { buckets = Array(repeating: Bucket(tokens: rate), count: Self.size) }
        let index = Self.place(of: client)
        var bucket = buckets[index]
        defer { buckets[index] = bucket }
        if bucket.second != time { (bucket.tokens, bucket.second) = (rate, time) }
        if bucket.tokens > 0 {
            bucket.tokens -= 1
            return .send
        }
        bucket.isSlipTurn.toggle()
        return bucket.isSlipTurn ? .putOff : .keep
    }

    private static func place(of client: IPAddress) -> Int {
        var hasher = Hasher()
        switch client {
        case .v4(let address): hasher.combine(address.rawValue >> 8)
        case .v6(let address): hasher.combine(address.rawValue >> 72)
        }
        return Int(truncatingIfNeeded: UInt(bitPattern: hasher.finalize()) % UInt(size))
    }
}
