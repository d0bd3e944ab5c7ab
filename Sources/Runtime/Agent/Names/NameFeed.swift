import Addressing
public import Cluster
public import DNS
import KubeAPI
public import KubeClient
public import NameServer
public import Plan

/// Makes names of what a source of objects says: events go in, and what a name server serves comes out.
///
/// ```swift
/// var feed = NameFeed(NamePlan(), knowsClients: false)
/// server.change { feed.put(into: &$0) }                        // SERVFAIL for the cluster's names
/// for await events in source.events {
///     if feed.take(events) { server.change { feed.put(into: &$0) } }
/// }
/// ```
/// A change costs what its object has of names. It holds of every object what names need, and nothing else.
public struct NameFeed: Sendable {
    /// How things are named.
    public private(set) var plan: NamePlan
    /// The cluster's zones as they are now, and those of custom names. The cluster's are not complete before the first list: nobody
    /// knows until then what does not exist.
    public private(set) var zones: Zones
    private var custom: CustomNames?
    private var snapshot = Snapshot()
    private var clients: ClientBook?
    private let nodeSearches: [DomainName]
    private let waitsForObjects: Bool
    /// What was asked for with ``use(_:knowsClients:collapsesSearches:)`` and needs objects that are not followed yet.
    private var next: Wishes?
    private var nameProblems: [Snapshot.Subject: [Problem]] = [:]
    private var sourceProblems: [Problem] = []
    public private(set) var isComplete = false

    /// - Parameters:
    ///   - knowsClients: who asks is known by the pods' addresses; pods have to be among the objects then.
    ///   - nodeSearches: the search list of the node, of which kubelets append a copy to their pods' lists.
    ///   - waitsForObjects: other settings hold from when what they need is listed. False: at once, and whoever feeds it sees to it
    ///     that it gets what they need.
    public init(
        _ plan: NamePlan, knowsClients: Bool, nodeSearches: [DomainName] = [], waitsForObjects: Bool = true
    ) {
        (self.plan, self.nodeSearches, self.waitsForObjects) = (plan, nodeSearches, waitsForObjects)
        zones = Zones(plan.zones(isComplete: false))
        clients = knowsClients ? ClientBook(plan, nodeSearches) : nil
    }

    /// What has to be followed on an API server, for what was asked for last.
    public var collections: [ServerObjectSource.Collection] { (next ?? wishes).collections }

    private struct Wishes: Hashable {
        var names: NameSettings
        var knowsClients: Bool
        var collapsesSearches: Bool

        var collections: [ServerObjectSource.Collection] {
            var kinds = [Service.resource, EndpointSlice.resource, Namespace.resource]
            if names.pods == .verified || knowsClients { kinds.append(Pod.resource) }
            return kinds.map { ServerObjectSource.Collection($0) }
        }
    }

    private var wishes: Wishes {
        Wishes(
            names: plan.settings, knowsClients: clients != nil, collapsesSearches: clients?.collapsesSearches ?? false)
    }

    /// Names things by other settings: at once, or, where objects are needed for it that are not followed, when
    /// ``beginAnew()`` is followed by a list of all ``collections``.
    ///
    /// - Parameter collapsesSearches: search lists of clients that are known are gone through by the server.
    public mutating func use(_ names: NameSettings, knowsClients: Bool, collapsesSearches: Bool) {
        let wanted = Wishes(
            names: names, knowsClients: knowsClients, collapsesSearches: knowsClients && collapsesSearches)
        next = nil
        guard wanted != wishes else { return }
        guard !waitsForObjects || Set(wanted.collections).isSubset(of: wishes.collections) else {
            next = wanted
            return
        }
        become(wanted)
        build()
    }

    /// The next event is a list of all ``collections``.
    public mutating func beginAnew() {
        if let next { become(next) }
    }

    private mutating func become(_ wishes: Wishes) {
        next = nil
        plan = NamePlan(wishes.names)
        clients =
            wishes.knowsClients ? ClientBook(plan, nodeSearches, collapsesSearches: wishes.collapsesSearches) : nil
    }

    /// Takes in what happened.
    ///
    /// - Returns: whether anything is to be served otherwise than before.
    public mutating func take(_ events: [ObjectEvent]) -> Bool {
        var isChanged = false
        for event in events {
            switch event {
            case .listed(let objects):
                begin(with: objects)
                isChanged = true
            case .added(let object), .modified(let object):
                isChanged = renew(snapshot.set(Self.trimmed(object))) || isChanged
            case .deleted(let key, _): isChanged = renew(snapshot.remove(key)) || isChanged
            case .faults(let faults): sourceProblems = faults.map(Problem.init)
            }
        }
        return isChanged
    }

    /// Where we have the word, and not whoever is asked for other names. Not the reverse trees, which pass on what they do not know.
    public var ownDomains: [DomainName] { zones.all.filter { !$0.passesOn }.map(\.apex) }

    /// Serves these names beside the cluster's, in the place of those that were given before.
    public mutating func use(_ custom: CustomNames) {
        custom.apply(to: &zones, insteadOf: self.custom)
        self.custom = custom
    }

    /// Puts the zones, and who asks, in the place of what is served.
    public func put(into names: inout ServedNames) {
        names.zones = zones
        names.clients = clients?.names
    }

    /// Everything that is wrong with the objects, the worst first.
    public var problems: [Problem] { (sourceProblems + nameProblems.values.joined()).sorted() }

    public var serviceCount: Int { snapshot.services.count }
}

// MARK: - Changes

extension NameFeed {
    /// The first list is everything there is.
    private mutating func begin(with objects: [any KubernetesObject]) {
        snapshot.replace(with: objects.map(Self.trimmed))
        isComplete = true
        clients?.forget()
        build()
    }

    /// Everything, from the objects that are known.
    private mutating func build() {
        if isComplete {
            (zones, nameProblems) = plan.whole(of: snapshot)
        } else {
            (zones, nameProblems) = (Zones(plan.zones(isComplete: false)), [:])
        }
        custom?.apply(to: &zones, insteadOf: nil)
        if clients != nil {
            for pod in snapshot.everyPod { clients?.set(pod.key, pod) }
        }
    }

    private mutating func renew(_ subjects: Set<Snapshot.Subject>) -> Bool {
        for subject in subjects {
            var problems: [Problem] = []
            for part in plan.parts(subject, of: snapshot) {
                plan.put(part, into: &zones)
                problems += part.problems
            }
            nameProblems[subject] = problems.isEmpty ? nil : problems
            if case .pod(let key) = subject { clients?.set(key, snapshot.pod(namespace: key.namespace, name: key.name)) }
        }
        return !subjects.isEmpty
    }

    /// An object without what names do not depend on: most of what there is, and most of what changes.
    private static func trimmed(_ object: any KubernetesObject) -> any KubernetesObject {
        func bare(_ metadata: ObjectMeta) -> ObjectMeta { ObjectMeta(name: metadata.name, namespace: metadata.namespace) }
        switch object {
        case let service as Service:
            var spec = Service.Spec()
            spec.exposure = service.spec.exposure
            spec.clusterIPs = service.spec.clusterIPs
            spec.isHeadless = service.spec.isHeadless
            spec.ports = service.spec.ports.filter { !$0.name.isEmpty }
            spec.externalName = service.spec.externalName
            spec.publishesNotReadyAddresses = service.spec.publishesNotReadyAddresses
            return Service(metadata: bare(service.metadata), spec: spec)
        case var slice as EndpointSlice:
            let service = slice.serviceName
            slice.metadata = bare(slice.metadata)
            if let service { slice.metadata.labels = [EndpointSlice.serviceLabel: service] }
            slice.ports = slice.ports.filter { !$0.name.isEmpty }
            slice.endpoints = slice.endpoints.map { endpoint in
                var endpoint = endpoint
                (endpoint.isServing, endpoint.isTerminating) = (endpoint.isReady, false)
                (endpoint.nodeName, endpoint.zone, endpoint.zoneHints, endpoint.nodeHints) = ("", "", [], [])
                endpoint.target = nil
                return endpoint
            }
            return slice
        case let pod as Pod:
            var bare = Pod(metadata: bare(pod.metadata))
            bare.spec.usesHostNetwork = pod.spec.usesHostNetwork
            (bare.spec.dnsPolicy, bare.spec.dnsConfig) = (pod.spec.dnsPolicy, pod.spec.dnsConfig)
            bare.status.podIPs = pod.status.podIPs
            bare.status.phase = pod.isTerminal ? .failed : .running
            return bare
        case let namespace as Namespace: return Namespace(metadata: bare(namespace.metadata))
        default: return object
        }
    }
}

// MARK: - Who asks

/// Pods by their addresses. An address that two pods claim, as happens for a moment when one follows the other, is nobody's.
private struct ClientBook: Sendable {
    private let plan: NamePlan
    private let nodeSearches: [DomainName]
    private var known: [ObjectKey: PodClient] = [:]
    private var claims: [IPAddress: [ObjectKey]] = [:]
    private(set) var names = ClientNames()
    let collapsesSearches: Bool

    init(_ plan: NamePlan, _ nodeSearches: [DomainName], collapsesSearches: Bool = true) {
        (self.plan, self.nodeSearches, self.collapsesSearches) = (plan, nodeSearches, collapsesSearches)
    }

    mutating func forget() { (known, claims, names) = ([:], [:], ClientNames()) }

    /// - Parameter pod: `nil`: it is not there any more.
    mutating func set(_ key: ObjectKey, _ pod: Pod?) {
        let client = pod.flatMap { plan.client($0, nodeSearches: nodeSearches) }
        let before = known[key]
        guard client != before else { return }
        known[key] = client
        for address in before?.addresses ?? [] {
            claims[address]?.removeAll { $0 == key }
            if claims[address]?.isEmpty == true { claims[address] = nil }
        }
        for address in client?.addresses ?? [] { claims[address, default: []].append(key) }
        for address in Set((before?.addresses ?? []) + (client?.addresses ?? [])) {
            let owner = claims[address].flatMap { $0.count == 1 ? known[$0[0]] : nil }
            names[address] = owner.map {
                ClientNames.Client($0.name, searchList: collapsesSearches && $0.dots > 1 ? $0.searches : [])
            }
        }
    }
}
