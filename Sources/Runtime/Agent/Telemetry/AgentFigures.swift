import Addressing
import Cluster
import KubeAPI
import Plan
import Telemetry

/// What the agent counts. Names that kube-proxy has are kept, with its buckets, so that dashboards made for it go on working; what
/// it lacks begins with `tulle_`.
struct AgentFigures: Sendable {
    /// Rounds that services had a part in.
    var serviceRounds = Histogram.exponential(from: 0.001, by: 2, count: 15)
    /// Those of them that compared the tables with the kernel, and those that wrote elements alone.
    var fullServiceRounds = Histogram.exponential(from: 0.001, by: 2, count: 15)
    var partialServiceRounds = Histogram.exponential(from: 0.001, by: 2, count: 15)
    /// The moments are `nil` as long as there were none.
    var lastServiceRound: Timestamp?
    var lastQueued: Timestamp?
    var failedServiceRounds = 0
    /// From the change to a pod or service, as the server's controllers noted it, to the kernel.
    private(set) var programming = Dictionary(uniqueKeysWithValues: IPFamily.allCases.map { ($0, Self.upToMinutes) })
    var serviceChanges = Changes()
    var endpointChanges = Changes()
    /// When what waits was changed.
    private var triggers: [(family: IPFamily, time: Timestamp)] = []

    /// Elements of sets and maps added to the kernel's tables and deleted from them.
    var elementsWritten = 0
    /// Commits to nf_tables by others that were noticed.
    var foreignCommits = 0
    /// Things of ours that somebody had taken away or changed.
    var restored = 0

    /// What the source told, and what of it no round has carried out yet.
    struct Changes: Hashable, Sendable {
        var total = 0
        var pending = 0
    }

    /// More at once would only make the memory grow while the kernel refuses everything.
    private static let mostTriggers = 10_000
    private static let upToMinutes = Histogram(
        [0.25, 0.5] + (1...59).map(Double.init) + (0..<12).map { 60 + Double($0) * 5 } + (0..<7).map { 120 + Double($0) * 30 })
    static let triggerAnnotation = "endpoints.kubernetes.io/last-change-trigger-time"

    /// A round is about to be due because of this object.
    mutating func note(_ object: any KubernetesObject, isNew: Bool, at date: Timestamp) {
        switch object {
        case is Service: note(\.serviceChanges, at: date)
        case let slice as EndpointSlice:
            note(\.endpointChanges, at: date)
            // What was there before us says nothing about us.
            if !isNew, triggers.count < Self.mostTriggers, let text = slice.metadata.annotations[Self.triggerAnnotation],
                let trigger = Timestamp(text), let family = slice.family
            {
                triggers.append((family, trigger))
            }
        default: break
        }
    }

    mutating func note(_ key: ObjectKey, at date: Timestamp) {
        if key.kind == Service.resource.kind.kind { note(\.serviceChanges, at: date) }
        if key.kind == EndpointSlice.resource.kind.kind { note(\.endpointChanges, at: date) }
    }

    private mutating func note(_ changes: WritableKeyPath<AgentFigures, Changes>, at date: Timestamp) {
        self[keyPath: changes].total += 1
        self[keyPath: changes].pending += 1
        lastQueued = date
    }

    /// A round that services had a part in ended.
    mutating func end(isWhole: Bool, took duration: Duration, at date: Timestamp) {
        let seconds = duration / .seconds(1)
        serviceRounds.observe(seconds)
        if isWhole { fullServiceRounds.observe(seconds) } else { partialServiceRounds.observe(seconds) }
        for trigger in triggers { programming[trigger.family]?.observe(max(0, (date - trigger.time) / .seconds(1))) }
        triggers = []
        (serviceChanges.pending, endpointChanges.pending) = (0, 0)
        lastServiceRound = date
    }
}

// MARK: - As a page

extension AgentFigures {
    /// - Parameters:
    ///   - hasServices: without that part there is nothing to say of them.
    ///   - families: the node's. A round is one for all of them, where kube-proxy has one for each: its figures are each family's.
    func add(
        to page: inout Exposition, hasServices: Bool, families: Set<IPFamily>, _ local: [IPFamily: LocalServices.Deserted],
        services: Int
    ) {
        page.add(
            "tulle_nftables_elements_written_total", .counter,
            "Elements of sets and maps written to the kernel or deleted there.",
            .init(elementsWritten))
        page.add(
            "tulle_nftables_generation_conflicts_total", .counter, "Commits to nf_tables by others that were noticed.",
            .init(foreignCommits))
        page.add(
            "tulle_drift_repaired_total", .counter, "Things put back that somebody had taken away or changed.", .init(restored))
        guard hasServices else { return }
        page.add("tulle_services", .gauge, "Services that are known.", .init(services))
        let prefix = "kubeproxy_sync_proxy_rules_"
        let families = families.sorted { $0.name < $1.name }
        func each(_ histogram: Histogram) -> [(histogram: Histogram, labels: [String: String])] {
            families.map { (histogram, $0.label) }
        }
        func each(_ value: Double?) -> [Exposition.Sample] {
            value.map { value in families.map { Exposition.Sample(value, $0.label) } } ?? []
        }
        page.add("\(prefix)duration_seconds", "How long rounds took that services had a part in.", each(serviceRounds))
        page.add(
            "kubeproxy_sync_full_proxy_rules_duration_seconds", "Those that compared the tables with the kernel.",
            each(fullServiceRounds))
        page.add(
            "kubeproxy_sync_partial_proxy_rules_duration_seconds", "Those that wrote what changed alone.",
            each(partialServiceRounds))
        page.add(
            "\(prefix)last_timestamp_seconds", .gauge, "When such a round last succeeded.", each(lastServiceRound?.seconds))
        page.add(
            "\(prefix)last_queued_timestamp_seconds", .gauge, "When such a round was last made due.", each(lastQueued?.seconds))
        page.add(
            "kubeproxy_network_programming_duration_seconds",
            "From a change to a pod or service, as the endpoint slice tells its time, to the kernel.",
            families.compactMap { family in programming[family].map { ($0, family.label) } })
        for (name, word, changes) in [
            ("service", "services", serviceChanges), ("endpoint", "endpoint slices", endpointChanges),
        ] {
            page.add(
                "\(prefix)\(name)_changes_pending", .gauge, "Changes to \(word) that no round has carried out yet.",
                .init(changes.pending))
            page.add("\(prefix)\(name)_changes_total", .counter, "Changes to \(word).", .init(changes.total))
        }
        page.add(
            "\(prefix)no_local_endpoints_total", .gauge, "Ports of services under a policy Local that nobody serves here.",
            families.flatMap { family -> [Exposition.Sample] in
                let count = local[family] ?? LocalServices.Deserted()
                return [(count.inside, "internal"), (count.outside, "external")].map { count, policy in
                    .init(count, family.label.merging(["traffic_policy": policy]) { $1 })
                }
            })
        page.add(
            "\(prefix)nftables_sync_failures_total", .counter, "Rounds that the kernel refused.",
            each(Double(failedServiceRounds)))
    }
}

extension EndpointSlice {
    /// `nil` for names.
    fileprivate var family: IPFamily? {
        switch addressType {
        case .v4: .v4
        case .v6: .v6
        case .fqdn, nil: nil
        }
    }
}

extension IPFamily {
    /// As kube-proxy says it: `IPv4`, `IPv6`.
    fileprivate var label: [String: String] { ["ip_family": name] }
}

extension Timestamp {
    /// Since 1970.
    fileprivate var seconds: Double { Double(microseconds) / 1_000_000 }
}
