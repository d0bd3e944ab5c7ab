/// Counters of the memory since it was made, and what it holds.
public struct MemoryFigures: Hashable, Sendable {
    /// Questions that it was asked for. `coredns_cache_requests_total`
    public var requests: UInt64 = 0
    /// Answers with data that were given. `coredns_cache_hits_total{type="success"}`
    public var hits: UInt64 = 0
    /// Denials and failures that were given. `coredns_cache_hits_total{type="denial"}`
    public var denials: UInt64 = 0
    /// `coredns_cache_misses_total`
    public var misses: UInt64 = 0
    /// `coredns_cache_prefetch_total`
    public var prefetches: UInt64 = 0
    /// `coredns_cache_served_stale_total`
    public var stale: UInt64 = 0
    /// `coredns_cache_evictions_total`
    public var evictions: UInt64 = 0
    /// Those among them that were denials or failures.
    public var denialEvictions: UInt64 = 0
    /// `coredns_cache_entries`
    public var entries = 0
    /// Those among them that are denials or failures.
    public var denialEntries = 0
    /// What the entries take, as ``MemorySettings/byteLimit`` counts.
    public var bytes = 0

    static func += (sum: inout MemoryFigures, part: MemoryFigures) {
        sum.requests += part.requests
        sum.hits += part.hits
        sum.denials += part.denials
        sum.misses += part.misses
        sum.prefetches += part.prefetches
        sum.stale += part.stale
        sum.evictions += part.evictions
        sum.denialEvictions += part.denialEvictions
        sum.entries += part.entries
        sum.denialEntries += part.denialEntries
        sum.bytes += part.bytes
    }
}
