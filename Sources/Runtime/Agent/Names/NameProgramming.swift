import KubeAPI
import KubeClient
import Telemetry

/// How long it takes until a change of services and endpoints is in the answers.
///
/// Two times, by the kind of service as CoreDNS tells kinds apart: from when the event was here, which is the name server's own part,
/// and from when whatever caused the change happened, as the controller of endpoints notes it on its slices. CoreDNS has the second
/// one, of headless services with a selector alone; the first list says nothing of either.
struct NameProgramming: Sendable {
    enum ServiceKind: String, CaseIterable {
        case clusterIP = "cluster_ip"
        case headlessWithSelector = "headless_with_selector"
        case headlessWithoutSelector = "headless_without_selector"
    }

    private var own: [ServiceKind: Histogram] = [:]
    /// CoreDNS's bounds.
    private var sinceTrigger = Histogram.exponential(from: 0.001, by: 2, count: 20)

    private static let headlessLabel = "service.kubernetes.io/headless"
    private static let managerLabel = "endpointslice.kubernetes.io/managed-by"
    private static let controller = "endpointslice-controller.k8s.io"

    /// - Parameters:
    ///   - events: those that are in the answers now.
    ///   - duration: since they came.
    ///   - date: now.
    mutating func observe(_ events: [ObjectEvent], took duration: Duration, at date: Timestamp) {
        for event in events {
            guard case .added(let object) = event else {
                if case .modified(let object) = event { observe(object, duration, date) }
                continue
            }
            observe(object, duration, date)
        }
    }

    private mutating func observe(_ object: any KubernetesObject, _ duration: Duration, _ date: Timestamp) {
        guard let kind = Self.kind(of: object) else { return }
        own[kind, default: .exponential(from: 0.000_1, by: 2, count: 16)].observe(max(0, duration / .seconds(1)))
        guard kind == .headlessWithSelector, object is EndpointSlice,
            let trigger = object.metadata.annotations[AgentFigures.triggerAnnotation].flatMap({ Timestamp($0) })
        else { return }
        sinceTrigger.observe(max(0, (date - trigger) / .seconds(1)))
    }

    /// A slice tells by its labels whose it is, before or after its service.
    private static func kind(of object: any KubernetesObject) -> ServiceKind? {
        switch object {
        case let service as Service:
            guard service.spec.isHeadless else { return service.spec.clusterIPs.isEmpty ? nil : .clusterIP }
            return service.spec.selector.isEmpty ? .headlessWithoutSelector : .headlessWithSelector
        case let slice as EndpointSlice:
            guard slice.metadata.labels[headlessLabel] != nil else { return .clusterIP }
            return slice.metadata.labels[managerLabel] == controller ? .headlessWithSelector : .headlessWithoutSelector
        default: return nil
        }
    }

    func add(to page: inout Exposition) {
        page.add(
            "tulle_dns_programming_duration_seconds", "From when an event of an object came to when queries were answered by it.",
            ServiceKind.allCases.compactMap { kind in own[kind].map { ($0, ["service_kind": kind.rawValue]) } })
        guard sinceTrigger.count > 0 else { return }
        page.add(
            "coredns_kubernetes_dns_programming_duration_seconds",
            "From when what changed endpoints happened to when queries were answered by them.",
            [(sinceTrigger, ["service_kind": ServiceKind.headlessWithSelector.rawValue])])
    }
}
