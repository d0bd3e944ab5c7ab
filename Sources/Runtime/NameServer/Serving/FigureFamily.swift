internal import Addressing
internal import DNS

/// Figures under one name, as whoever exposes them needs them.
public struct FigureFamily: Hashable, Sendable {
    public enum Kind: Hashable, Sendable {
        case counter
        case gauge
        case histogram
    }

    public struct Sample: Hashable, Sendable {
        public var value: Double
        public var labels: [String: String]

        public init(_ value: Double, _ labels: [String: String] = [:]) { (self.value, self.labels) = (value, labels) }
    }

    public struct LabelledSpread: Hashable, Sendable {
        public var spread: NameServerFigures.Spread
        public var labels: [String: String]

        public init(_ spread: NameServerFigures.Spread, _ labels: [String: String] = [:]) {
            (self.spread, self.labels) = (spread, labels)
        }
    }

    public var name: String
    public var kind: Kind
    public var help: String
    /// Of counters and gauges.
    public var samples: [Sample] = []
    /// Of histograms.
    public var spreads: [LabelledSpread] = []

    public init(_ name: String, _ kind: Kind, _ help: String, _ samples: [Sample]) {
        (self.name, self.kind, self.help, self.samples) = (name, kind, help, samples)
    }

    public init(_ name: String, _ help: String, _ spreads: [LabelledSpread]) {
        (self.name, kind, self.help, self.spreads) = (name, .histogram, help, spreads)
    }
}

extension NameServerFigures {
    /// All of it under CoreDNS's names, where CoreDNS counts the same, else under ours.
    ///
    /// - Parameter server: the label by which CoreDNS tells its servers apart: `dns://:53`.
    public func families(server: String) -> [FigureFamily] {
        let own = ["server": server, "zone": ".", "view": ""]
        func labels(_ transport: Transport, isSize: Bool = false) -> [String: String] {
            var labels = own
            labels["proto"] = transport.transport == .udp ? "udp" : "tcp"
            if !isSize { labels["family"] = transport.family == .v4 ? "1" : "2" }
            return labels
        }
        func sum(_ sizes: [Transport: Spread]) -> [FigureFamily.LabelledSpread] {
            var sums: [Circumstances.Transport: FigureFamily.LabelledSpread] = [:]
            for (transport, spread) in sizes {
                let empty = FigureFamily.LabelledSpread(Spread(bounds: spread.bounds), labels(transport, isSize: true))
                sums[transport.transport, default: empty].spread.add(spread)
            }
            return sums.values.sorted { $0.labels["proto"] ?? "" > $1.labels["proto"] ?? "" }
        }
        func total(_ name: String, _ help: String, _ value: UInt64) -> FigureFamily {
            FigureFamily(name, .counter, help, [.init(Double(value))])
        }
        var codes: [String: UInt64] = [:]
        for (response, count) in responses { codes[response.code.map { "\($0)" } ?? "other", default: 0] += count }
        return [
            FigureFamily(
                "coredns_dns_requests_total", .counter, "Queries, by transport, family and type.",
                requests.map { request, count in
                    .init(
                        Double(count), labels(request.transport).merging(["type": request.type.map { "\($0)" } ?? "other"]) { $1 }
                    )
                }.inOrder),
            FigureFamily(
                "coredns_dns_responses_total", .counter, "Answers, by response code.",
                codes.map { code, count in .init(Double(count), own.merging(["rcode": code, "plugin": ""]) { $1 }) }.inOrder),
            FigureFamily("coredns_dns_request_size_bytes", "Bytes of queries.", sum(requestSizes)),
            FigureFamily("coredns_dns_response_size_bytes", "Bytes of answers.", sum(responseSizes)),
            FigureFamily(
                "coredns_dns_request_duration_seconds", "From when a query was read to when its answer was sent.",
                [.init(durations, own)]),
            total("tulle_dns_silences_total", "Packets that are no query, and got no answer.", silences),
            FigureFamily(
                "tulle_dns_limited_total", .counter, "Answers beyond the response limit.",
                [.init(Double(kept), ["what": "kept"]), .init(Double(slipped), ["what": "truncated"])]),
            total("tulle_dns_overflows_total", "Queries that failed as too many waited for the world outside.", overflows),
            total(
                "tulle_dns_client_overflows_total",
                "Queries that failed as too many of their client's waited for the world outside.",
                clientOverflows),
            total("tulle_dns_collapsed_total", "First queries of a search list that were answered for all of it.", collapsed),
            total("tulle_dns_unsent_total", "Answers that the kernel did not take.", unsent),
            total("tulle_dns_refused_connections_total", "Connections that were closed at once.", refusedConnections),
            FigureFamily("tulle_dns_connections", .gauge, "Connections that are open.", [.init(Double(connections))]),
            FigureFamily("tulle_dns_under_way", .gauge, "Queries that wait for the world outside.", [.init(Double(underWay))]),
        ]
    }
}

extension [FigureFamily.Sample] {
    /// One order for one content.
    fileprivate var inOrder: Self {
        sorted { a, b in
            let (one, other) = (a.labels.sorted { $0.key < $1.key }, b.labels.sorted { $0.key < $1.key })
            return one.map(\.value).lexicographicallyPrecedes(other.map(\.value))
        }
    }
}

extension NameServerFigures.Spread {
    fileprivate mutating func add(_ other: Self) {
        for index in counts.indices { counts[index] += other.counts[index] }
        sum += other.sum
    }
}
