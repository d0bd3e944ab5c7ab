/// The addresses of one prefix and who holds them.
///
/// An address that was given back rests before it is given again, so that a node whose watch lags behind never takes the new
/// holder for the old one. The order is: addresses never given before, ascending from the last one given; then the one that
/// has rested longest, at least `rest`. Pure: the clock is passed in as the time since any fixed moment.
public struct AddressPool<Holder: Hashable & Sendable>: Sendable {
    public let prefix: IPPrefix
    /// How long an address rests at least.
    public let rest: Duration

    private let reserved: Set<IPAddress>
    private var held: [IPAddress: Holder] = [:]
    private var resting: [IPAddress: Duration] = [:]
    private var fresh: UInt128 = 0

    /// What an attempt to take an address came to.
    public enum Taking: Hashable, Sendable {
        case taken(IPAddress)
        /// Every free address still rests; the first is free at this time.
        case resting(until: Duration)
        /// Every address is held.
        case exhausted
    }

    /// - Parameter reserved: addresses that are never given, such as the node's own.
    ///
    /// The network address is never given, nor IPv4's broadcast address, unless the prefix is too small to have them
    /// (RFC 3021, RFC 6164).
    public init(_ prefix: IPPrefix, reserved: Set<IPAddress> = [], rest: Duration = .seconds(30)) {
        var reserved = reserved
        if prefix.family.bitWidth - prefix.length > 1 {
            reserved.insert(prefix.address)
            if prefix.family == .v4 { reserved.insert(prefix.last) }
        }
        self.prefix = prefix
        self.reserved = reserved.filter(prefix.contains)
        self.rest = rest
    }

    public var holders: [IPAddress: Holder] { held }

    /// How many addresses can be held at once.
    public var capacity: UInt128 { (prefix.count ?? .max) - UInt128(reserved.count) }

    public func isHeld(_ address: IPAddress) -> Bool { held[address] != nil }

    /// What ``take(for:at:)`` would come to.
    public func offer(at now: Duration) -> Taking { choice(at: now).taking }

    /// Takes the next address. Asking twice for one holder gives two addresses: a holder is a name, not a lock.
    public mutating func take(for holder: Holder, at now: Duration) -> Taking {
        let choice = choice(at: now)
        fresh = choice.fresh
        if case .taken(let address) = choice.taking {
            resting[address] = nil
            held[address] = holder
        }
        return choice.taking
    }

    /// The next address, and where to go on from.
    private func choice(at now: Duration) -> (taking: Taking, fresh: UInt128) {
        var next = fresh
        while let candidate = prefix.address(at: next) {
            next += 1
            guard !reserved.contains(candidate), held[candidate] == nil, resting[candidate] == nil else { continue }
            return (.taken(candidate), next)
        }
        guard let oldest = resting.min(by: { ($0.value, $0.key) < ($1.value, $1.key) }) else { return (.exhausted, next) }
        guard now - oldest.value >= rest else { return (.resting(until: oldest.value + rest), next) }
        return (.taken(oldest.key), next)
    }

    /// What an address is to this pool at a moment.
    public enum Standing: Hashable, Sendable {
        case free
        /// Of another prefix.
        case outside
        /// Never given: the network's, the broadcast address, or one of those the pool was told of.
        case reserved
        case held(Holder)
        case resting(until: Duration)
    }

    /// What this very address is now: whoever asks for it by name is told why not.
    public func standing(of address: IPAddress, at now: Duration) -> Standing {
        guard prefix.contains(address) else { return .outside }
        if reserved.contains(address) { return .reserved }
        if let holder = held[address] { return .held(holder) }
        if let since = resting[address], now - since < rest { return .resting(until: since + rest) }
        return .free
    }

    /// Takes this very address, rested or not: somebody asked for it by name, or a record of it was found.
    ///
    /// - Returns: false when it is reserved, outside the prefix or held by another.
    public mutating func take(_ address: IPAddress, for holder: Holder) -> Bool {
        guard prefix.contains(address), !reserved.contains(address), held[address].map({ $0 == holder }) ?? true else {
            return false
        }
        held[address] = holder
        resting[address] = nil
        return true
    }

    /// Gives an address back. Giving back what is not held changes nothing.
    ///
    /// - Parameter now: when it became free; a pool that is rebuilt from records passes the time of the record.
    public mutating func release(_ address: IPAddress, at now: Duration) {
        guard held.removeValue(forKey: address) != nil else { return }
        resting[address] = now
    }

    /// A record says that an address rests: it is not given before it has rested long enough. One that is held, reserved or of
    /// another prefix is passed over; of two records of one address the later one counts.
    public mutating func rest(_ address: IPAddress, since: Duration) {
        guard prefix.contains(address), !reserved.contains(address), held[address] == nil else { return }
        resting[address] = max(since, resting[address] ?? since)
    }
}
