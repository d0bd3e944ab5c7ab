import Addressing
import DNS
import NameServer
import Telemetry

/// What a name server and what it asks have counted, under CoreDNS's names where they have one.
extension Exposition {
    mutating func add(_ figures: NameServerFigures, server: String) {
        for family in figures.families(server: server) {
            switch family.kind {
            case .counter: add(family.name, .counter, family.help, family.samples.map { Sample($0.value, $0.labels) })
            case .gauge: add(family.name, .gauge, family.help, family.samples.map { Sample($0.value, $0.labels) })
            case .histogram:
                add(family.name, family.help, family.spreads.map { (histogram: $0.spread.histogram, labels: $0.labels) })
            }
        }
    }

    mutating func add(_ figures: ForwarderFigures, server: String) {
        let place = ["server": server, "zones": ".", "view": ""]
        func count(_ value: UInt64, _ more: [String: String] = [:]) -> Sample {
            Sample(Double(value), place.merging(more) { $1 })
        }
        func both(_ name: String, _ kind: Kind, _ help: String, _ success: UInt64, _ denial: UInt64) {
            add(name, kind, help, count(success, ["type": "success"]), count(denial, ["type": "denial"]))
        }
        let memory = figures.memory
        add("coredns_cache_requests_total", .counter, "Questions that memory was asked for.", count(memory.requests))
        both("coredns_cache_hits_total", .counter, "Answers that were known.", memory.hits, memory.denials)
        add("coredns_cache_misses_total", .counter, "Answers that were not known.", count(memory.misses))
        add(
            "coredns_cache_prefetch_total", .counter, "Answers that were asked for again before their time.",
            count(memory.prefetches))
        add("coredns_cache_served_stale_total", .counter, "Answers that were given after their time.", count(memory.stale))
        both(
            "coredns_cache_evictions_total", .counter, "Answers that were forgotten for others.",
            memory.evictions - memory.denialEvictions, memory.denialEvictions)
        both(
            "coredns_cache_entries", .gauge, "Answers that are known.", UInt64(memory.entries - memory.denialEntries),
            UInt64(memory.denialEntries))
        add("tulle_dns_cache_bytes", .gauge, "What the answers that are known take.", .init(Double(memory.bytes)))
        add("tulle_dns_forward_under_way", .gauge, "Questions that wait for an upstream.", .init(Double(figures.underWay)))
        add("tulle_dns_forward_shared_total", .counter, "Questions that had another's answer.", .init(Double(figures.shared)))
        add(
            "coredns_forward_healthcheck_broken_total", .counter, "Times when all upstreams of a name rested.",
            .init(Double(figures.broken)))
        add(
            "coredns_forward_max_concurrent_rejects_total", .counter, "Questions that were turned away as too many were waiting.",
            .init(Double(figures.rejected)))
        let peers = figures.upstreams.sorted { $0.upstream.description < $1.upstream.description }
        add(
            "coredns_forward_requests_total", .counter, "Questions that were sent to an upstream.",
            peers.map { Sample(Double($0.questions), ["to": $0.upstream.description]) })
        add(
            "coredns_forward_responses_total", .counter, "Answers of an upstream, by their code.",
            peers.flatMap { peer in
                peer.answers.sorted { $0.key.rawValue < $1.key.rawValue }.map { code, times in
                    Sample(Double(times.count), ["to": peer.upstream.description, "rcode": code.description])
                }
            })
        add(
            "coredns_proxy_request_duration_seconds", "How long upstreams took to answer.",
            peers.flatMap { peer in
                peer.answers.sorted { $0.key.rawValue < $1.key.rawValue }.map { code, times in
                    (
                        histogram: times.histogram,
                        labels: ["proxy_name": "forward", "to": peer.upstream.description, "rcode": code.description]
                    )
                }
            })
        add(
            "coredns_proxy_healthcheck_failures_total", .counter, "Questions to an upstream that came to nothing.",
            peers.map { Sample(Double($0.failures), ["proxy_name": "forward", "to": $0.upstream.description]) })
        add(
            "tulle_dns_upstream_resting", .gauge, "1 for an upstream that is not asked at the moment.",
            peers.map { Sample($0.isResting || $0.isLoop ? 1 : 0, ["to": $0.upstream.description]) })
    }
}

extension NameServerFigures.Spread {
    fileprivate var histogram: Histogram { Histogram(bounds, counts: counts, sum: sum) }
}

extension ForwarderFigures.Durations {
    fileprivate var histogram: Histogram {
        Histogram(Self.limits.map { $0 / .seconds(1) }, counts: counts, sum: sum / .seconds(1))
    }
}
