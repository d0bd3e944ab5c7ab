import KubeAPI
import KubeClient
import Plan
import Telemetry

/// A change of a service or a slice by which names became others.
struct NamedChange: Hashable, Sendable {
    /// Of the service.
    var kind: NamedObjects.ServiceKind
    /// When what caused it happened, as the controller of endpoints notes it on its slices.
    var trigger: Timestamp?

    /// - Parameter object: `nil`: it went.
    init(_ kind: NamedObjects.ServiceKind, _ object: (any KubernetesObject)?) {
        self.kind = kind
        let slice = object as? EndpointSlice
        trigger = slice?.metadata.annotations[AgentFigures.triggerAnnotation].flatMap { Timestamp($0) }
    }
}

/// How long it takes until a change of services and endpoints is in the answers.
///
/// Two times of each change, by the kind of service as CoreDNS tells kinds apart: from when the event was read, which is the name
/// server's own part, and from when whatever caused the change happened. CoreDNS has the second one, of headless services with a
/// selector alone. What changes no answer is not counted, and the first list says nothing of either.
struct NameProgramming: Sendable {
    private var own: [NamedObjects.ServiceKind: Histogram] = [:]
    /// In seconds: 1, 2 and 5 of each power of ten, as what is asked of a name server is said in milliseconds.
    private static let bounds = [
        0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10,
    ]
    /// CoreDNS's bounds.
    private var sinceTrigger = Histogram.exponential(from: 0.001, by: 2, count: 20)

    /// - Parameters:
    ///   - changes: those that are in the answers now.
    ///   - duration: since they were read.
    ///   - date: now.
    mutating func observe(_ changes: [NamedChange], took duration: Duration, at date: Timestamp) {
        for change in changes {
            own[change.kind, default: Histogram(Self.bounds)].observe(max(0, duration / .seconds(1)))
            guard change.kind == .headlessWithSelector, let trigger = change.trigger else { continue }
            sinceTrigger.observe(max(0, (date - trigger) / .seconds(1)))
        }
    }

    func add(to page: inout Exposition) {
        page.add(
            "tulle_dns_programming_duration_seconds",
            "From when a change of a service or its endpoints was read to when queries were answered by it.",
            NamedObjects.ServiceKind.allCases.compactMap { kind in own[kind].map { ($0, ["service_kind": kind.rawValue]) } })
        guard sinceTrigger.count > 0 else { return }
        page.add(
            "coredns_kubernetes_dns_programming_duration_seconds",
            "From when what changed endpoints happened to when queries were answered by them.",
            [(sinceTrigger, ["service_kind": NamedObjects.ServiceKind.headlessWithSelector.rawValue])])
    }
}
