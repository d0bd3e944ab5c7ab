import Addressing
import DNS
import NameServer
import Telemetry

/// What a name server and what it asks have counted, under CoreDNS's names where they have one.
extension Exposition {
    mutating func add(_ figures: NameServerFigures, server: String) {
        let place = ["server": server, "zone": ".", "view": ""]
        add(
            "coredns_dns_requests_total", .counter, "Queries.",
            figures.requests.map { request, count in
                Sample(
                    Double(count),
                    place.merging(request.transport.labels) { $1 }.merging(["type": request.type?.description ?? "other"]) { $1 })
            }.sorted())
        add(
            "coredns_dns_responses_total", .counter, "Answers.",
            figures.responses.map { response, count in
                Sample(
                    Double(count),
                    place.merging(["rcode": response.code?.description ?? "other", "plugin": ""]) { $1 }
                        .merging(response.transport.labels) { $1 })
            }.sorted())
        add(
            "coredns_dns_request_duration_seconds", "From when a query was read to when its answer was sent.",
            [(figures.durations.histogram, place)])
        for (name, help, spreads) in [
            ("request", "Bytes of queries.", figures.requestSizes), ("response", "Bytes of answers.", figures.responseSizes),
        ] {
            add(
                "coredns_dns_\(name)_size_bytes", help,
                spreads.map { (histogram: $1.histogram, labels: place.merging($0.labels) { $1 }) }
                    .sorted { "\($0.labels)" < "\($1.labels)" })
        }
        add(
            "tulle_dns_silences_total", .counter, "Packets that are no query, and got no answer.", .init(Double(figures.silences))
        )
        add("tulle_dns_limited_total", .counter, "Answers that the response limit kept back.", .init(Double(figures.kept)))
        add("tulle_dns_limited_empty_total", .counter, "Answers that it sent without records.", .init(Double(figures.slipped)))
        add(
            "tulle_dns_overflows_total", .counter, "Queries that got SERVFAIL as too many waited for the world outside.",
            .init(Double(figures.overflows)))
        add(
            "tulle_dns_collapsed_total", .counter, "First queries of a search list that were answered with the name that exists.",
            .init(Double(figures.collapsed)))
        add("tulle_dns_unsent_total", .counter, "Answers that the kernel did not take.", .init(Double(figures.unsent)))
        add(
            "tulle_dns_refused_connections_total", .counter, "Connections that were closed at once, as there were too many.",
            .init(Double(figures.refusedConnections)))
        add("tulle_dns_connections", .gauge, "Connections that are open.", .init(figures.connections))
        add("tulle_dns_waiting", .gauge, "Queries that wait for the world outside.", .init(figures.underWay))
    }

    mutating func add(_ figures: ForwarderFigures, server: String) {
        let place = ["server": server, "zones": ".", "view": ""]
        func count(_ value: UInt64, _ more: [String: String] = [:]) -> Sample {
            Sample(Double(value), place.merging(more) { $1 })
        }
        let memory = figures.memory
        add(
            "coredns_cache_hits_total", .counter, "Answers that were known.", count(memory.hits, ["type": "success"]),
            count(memory.denials, ["type": "denial"]))
        add("coredns_cache_misses_total", .counter, "Answers that were not known.", count(memory.misses))
        add(
            "coredns_cache_prefetch_total", .counter, "Answers that were asked for again before their time.",
            count(memory.prefetches))
        add("coredns_cache_served_stale_total", .counter, "Answers that were given after their time.", count(memory.stale))
        add("coredns_cache_evictions_total", .counter, "Answers that were forgotten for others.", count(memory.evictions))
        add("coredns_cache_entries", .gauge, "Answers that are known.", count(UInt64(max(0, memory.entries))))
        add(
            "coredns_forward_healthcheck_broken_total", .counter, "Times when all upstreams of a name rested.",
            .init(Double(figures.broken)))
        add(
            "coredns_forward_max_concurrent_rejects_total", .counter, "Questions that were turned away as too many were waiting.",
            .init(Double(figures.rejected)))
        let peers = figures.upstreams.sorted { $0.upstream.description < $1.upstream.description }
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

extension NameServerFigures.Transport {
    /// As CoreDNS numbers families.
    fileprivate var labels: [String: String] {
        ["proto": transport == .udp ? "udp" : "tcp", "family": family == .v4 ? "1" : "2"]
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

extension [Exposition.Sample] {
    /// A page reads the same twice.
    fileprivate func sorted() -> Self {
        sorted { one, other in
            let (left, right) = (one.labels.sorted { $0.key < $1.key }, other.labels.sorted { $0.key < $1.key })
            return left.lexicographicallyPrecedes(right) { $0 < $1 }
        }
    }
}
