public import DNS
internal import Synchronization

/// What was heard of the world outside, as long as it holds, in bounded memory.
///
/// It is asked and told on any thread; the shards have a lock each, which is held while one answer is copied. Time is passed in,
/// as what goes on counting from some moment.
///
/// It knows nothing of zones: whoever asks it looks there first.
public final class AnswerMemory: Sendable {
    private let shards: [Shard]
    private let current: Mutex<MemorySettings>

    private final class Shard: Sendable {
        let state: Mutex<MemoryShard>
        init(_ state: MemoryShard) { self.state = Mutex(state) }
    }

    private static let shardCount = 16

    public init(_ settings: MemorySettings = MemorySettings()) {
        current = Mutex(settings)
        shards = (0..<Self.shardCount).map { _ in
            Shard(MemoryShard(byteLimit: settings.byteLimit / Self.shardCount, settings.prefetch))
        }
    }

    private func shard(_ hash: UInt64) -> Shard { shards[Int(truncatingIfNeeded: hash) & (Self.shardCount - 1)] }

    /// Answers that are kept already keep the times they were given.
    public var settings: MemorySettings {
        get { current.withLock(\.self) }
        set {
            current.withLock { $0 = newValue }
            for shard in shards { shard.state.withLock { $0.use(newValue.byteLimit / Self.shardCount, newValue.prefetch) } }
        }
    }

    /// An answer was written.
    public struct Hit: Hashable, Sendable {
        /// Bytes.
        public var count: Int
        /// Its time is nearly over and it is asked for often: it should be asked for again now. Said once in a while.
        public var isRefreshWanted: Bool
    }
}

// MARK: - Asking

extension AnswerMemory {
    /// Writes the answer to a query, if it is known.
    ///
    /// - Parameters:
    ///   - packet: the one that the query was read from; it does not overlap the memory.
    ///   - now: since some moment, the same for all calls.
    public func answer(
        _ query: Query, _ packet: Span<UInt8>, _ circumstances: Circumstances, now: Duration,
        into memory: UnsafeMutableRawBufferPointer
    ) -> Hit? {
        guard let key = MemoryKey(query, packet) else { return nil }
        let (hash, now) = (key.hash, now.milliseconds)
        return shard(hash).state.withLock { shard in
            let prefetch = shard.prefetch
            var (isDenial, isStale, leadsHome) = (false, false, false)
            let hit = shard.withEntry(key, hash) { entry -> Hit? in
                guard now < entry.end || now < entry.staleUntil else { return nil }
                if entry.leadsHome {
                    // Found again by whoever asks for it to be resolved, and completed.
                    leadsHome = true
                    MemoryShard.use(&entry)
                    return nil
                }
                guard let count = entry.write(to: query, packet, circumstances, now: now, into: memory) else { return nil }
                MemoryShard.use(&entry)
                (isDenial, isStale) = (entry.isDenial, now >= entry.end)
                return Hit(count: count, isRefreshWanted: !isStale && prefetch.map { entry.wantsPrefetch($0, now) } ?? false)
            }
            shard.figures.requests += 1
            if leadsHome { shard.figures.hits += 1 } else { shard.figures.count(hit, isDenial: isDenial, isStale: isStale) }
            return hit
        }
    }

    /// An answer of the past, to be given when nobody could be asked, or not soon enough: the TTLs are those of stale answers.
    ///
    /// - Parameter isCounted: whether it will be given to somebody.
    public func stale(_ wish: OutsideWish, now: Duration, isCounted: Bool = true) -> OutsideAnswer? {
        let key = MemoryKey(wish)
        let (hash, now) = (key.hash, now.milliseconds)
        return shard(hash).state.withLock { shard in
            let answer = shard.withEntry(key, hash) { entry in
                now >= entry.end && now < entry.staleEnd && !entry.isFailure ? entry.answer(now: now) : nil
            }
            if answer != nil, isCounted { shard.figures.stale += 1 }
            return answer
        }
    }

    /// What is known, without counting it as asked.
    ///
    /// - Returns: the answer with its TTLs as they are now, `nil` when there is none whose time is not over.
    public func look(_ wish: OutsideWish, now: Duration) -> OutsideAnswer? {
        let key = MemoryKey(wish)
        let (hash, now) = (key.hash, now.milliseconds)
        return shard(hash).state.withLock { shard in
            shard.withEntry(key, hash) { now < $0.end || now < $0.staleUntil ? $0.answer(now: now) : nil }
        }
    }

    public var figures: MemoryFigures {
        shards.reduce(into: MemoryFigures()) { sum, shard in
            sum += shard.state.withLock { shard in
                var figures = shard.figures
                (figures.entries, figures.denialEntries, figures.bytes) = (shard.count, shard.denialCount, shard.byteCount)
                return figures
            }
        }
    }
}

extension MemoryFigures {
    fileprivate mutating func count(_ hit: AnswerMemory.Hit?, isDenial: Bool, isStale: Bool) {
        guard let hit else { return misses += 1 }
        if hit.isRefreshWanted { prefetches += 1 }
        if isStale { stale += 1 } else if isDenial { denials += 1 } else { hits += 1 }
    }
}

extension RememberedAnswer {
    /// Whether it is to be asked for again, which is said again only after a while.
    fileprivate mutating func wantsPrefetch(_ prefetch: MemorySettings.Prefetch, _ now: Int64) -> Bool {
        guard uses >= UInt32(clamping: prefetch.leastUses), now >= nextPrefetch,
            (end - now) * 100 <= lifetime * Int64(prefetch.percentage)
        else { return false }
        nextPrefetch = now + 5000
        return true
    }
}

// MARK: - Telling

extension AnswerMemory {
    /// Keeps what was heard, as long as its kind may be kept (RFC 2308, RFC 9520), and in the place of what was known before.
    ///
    /// A failure leaves an answer that is still good, or that may be given stale; it says until when nobody should be asked
    /// again.
    ///
    /// - Returns: the answer with the TTLs that the settings leave it: what is told to those who wait.
    @discardableResult
    public func keep(_ answer: OutsideAnswer, to wish: OutsideWish, now: Duration) -> OutsideAnswer {
        let settings = settings
        let (answer, lifetime) = settings.fitted(answer)
        guard settings.byteLimit > 0 else { return answer }
        let key = MemoryKey(wish)
        let (hash, now) = (key.hash, now.milliseconds)
        // Outside of the lock, as it is the longest part.
        let entry =
            lifetime > .zero
            ? RememberedAnswer(
                answer, to: wish, key, now: now, lifetime: lifetime.milliseconds, stale: settings.stale.milliseconds) : nil
        shard(hash).state.withLock { shard in
            if answer.isFailure {
                let isSpared = shard.withEntry(key, hash) { old -> Bool? in
                    guard !old.isFailure, now < old.staleEnd else { return nil }
                    old.staleUntil = min(now + MemorySettings.recheck.milliseconds, old.staleEnd)
                    return true
                }
                if isSpared != nil { return }
            }
            if let entry { shard.set(entry, key) }
        }
        return answer
    }

    /// Forgets everything, for example because other resolvers are asked from now on.
    public func forget() {
        for shard in shards { shard.state.withLock { $0.removeAll() } }
    }
}

extension OutsideAnswer {
    var isFailure: Bool { code != .noError && code != .nameError }
}

extension MemorySettings {
    /// The answer with the TTLs that it is given with, and how long it is kept; zero: not at all.
    func fitted(_ answer: OutsideAnswer) -> (OutsideAnswer, Duration) {
        if answer.isFailure { return (answer, failures) }
        var answer = answer
        let isDenial = !answer.authorities.isEmpty || answer.code == .nameError || answer.answers.isEmpty
        let range = isDenial ? denials : answers
        let (least, most) = (UInt32(clamping: range.lowerBound.components.seconds), range.upperBound.components.seconds)
        let longest = UInt32(clamping: most)
        func fit(_ records: inout [Record]) -> UInt32? {
            // RFC 2181 §5.2: the TTLs of a set are the same, the least is right when they are not.
            var start = 0
            while start < records.count {
                let end = records[start...].firstIndex { !$0.isOfSet(of: records[start]) } ?? records.count
                let told = records[start..<end].map(\.ttl.seconds).min() ?? 0
                let ttl = TimeToLive(seconds: min(max(told, least), longest))
                for index in start..<end { records[index].ttl = ttl }
                start = end
            }
            return records.map(\.ttl.seconds).min()
        }
        for index in answer.authorities.indices {
            // RFC 2308 §3 and §5: no longer than the lesser of both.
            if case .soa(let authority) = answer.authorities[index].data {
                answer.authorities[index].ttl = min(answer.authorities[index].ttl, TimeToLive(seconds: authority.minimum))
            }
        }
        let times = [fit(&answer.answers), fit(&answer.authorities)].compactMap(\.self)
        // A denial without an SOA record is not kept (RFC 2308 §5).
        let hasAuthority = answer.authorities.contains { $0.type == .soa }
        guard let time = times.min(), !isDenial || hasAuthority else { return (answer, .zero) }
        return (answer, .seconds(time))
    }
}
