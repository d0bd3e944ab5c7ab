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
/// for await batch in source.events {
///     if feed.take(batch.events) { server.change { feed.put(into: &$0) } }
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
    private var objects = NamedObjects()
    private var clients: ClientBook?
    private let nodeSearches: [DomainName]
    private let waitsForObjects: Bool
    /// What was asked for with ``use(_:knowsClients:collapsesSearches:)`` and needs objects that are not followed yet.
    private var next: Wishes?
    private var nameProblems: [Snapshot.Subject: [Problem]] = [:] { didSet { problemChanges += 1 } }
    /// Grows whenever ``problems`` may have become others.
    private(set) var problemChanges = 0
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
        var changes: [NamedChange] = []
        return take(events, &changes)
    }

    /// - Parameter changes: of services and slices that gave others names than before, one for each event. A list has none: what was
    ///   there already did not change.
    mutating func take(_ events: [ObjectEvent], _ changes: inout [NamedChange]) -> Bool {
        var isChanged = false
        changes = []
        var touched: Set<Snapshot.Subject> = []
        for event in events {
            switch event {
            case .listed(let objects):
                begin(with: objects)
                isChanged = true
                touched = []
            case .added(let object), .modified(let object):
                let before = kind(ofService: object.key)
                let subjects = change(object.key) { $0.set(object) }
                if !subjects.isEmpty, let kind = before ?? kind(of: object.key, subjects) {
                    changes.append(NamedChange(kind, object))
                }
                touched.formUnion(subjects)
            case .deleted(let key, _):
                let before = kind(ofService: key)
                let subjects = change(key) { $0.remove(key) }
                if let kind = before ?? kind(of: key, subjects) { changes.append(NamedChange(kind, nil)) }
                touched.formUnion(subjects)
            case .faults(let faults): sourceProblems = faults.map(Problem.init)
            }
        }
        if isChanged { changes = [] }
        return renew(touched) || isChanged
    }

    /// Pods do not come any more; to be followed by settings without names of pods.
    mutating func forgetPods() { objects.forgetPods() }

    /// Where we have the word, and not whoever is asked for other names. Not the reverse trees, which pass on what they do not know.
    public var ownDomains: [DomainName] { zones.closedApexes }

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

    /// Everything that is wrong with the objects, and with custom names beside them, the worst first.
    public var problems: [Problem] {
        (sourceProblems + nameProblems.values.joined() + (custom?.hiddenAliases(in: zones) ?? [])).sorted()
    }

    public var serviceCount: Int { objects.serviceCount }
}

// MARK: - Changes

extension NameFeed {
    /// The first list is everything there is.
    private mutating func begin(with objects: [any KubernetesObject]) {
        self.objects = NamedObjects(objects)
        isComplete = true
        clients?.forget()
        build()
    }

    /// Everything, from the objects that are known.
    private mutating func build() {
        if isComplete {
            (zones, nameProblems) = plan.whole(of: objects)
        } else {
            (zones, nameProblems) = (Zones(plan.zones(isComplete: false)), [:])
        }
        custom?.apply(to: &zones, insteadOf: nil)
        if clients != nil {
            for pod in objects.everyPod { clients?.change(from: nil, to: pod) }
        }
    }

    /// Changes an object; who asks is known at once, names only after ``renew(_:)``.
    private mutating func change(
        _ key: ObjectKey, _ body: (inout NamedObjects) -> Set<Snapshot.Subject>
    ) -> Set<Snapshot.Subject> {
        guard clients != nil, key.group == Pod.resource.kind.group, key.kind == Pod.resource.kind.kind else {
            return body(&objects)
        }
        let before = objects.pod(key.namespace, key.name)
        let touched = body(&objects)
        if !touched.isEmpty { clients?.change(from: before, to: objects.pod(key.namespace, key.name)) }
        return touched
    }

    /// Of a service that gives names; `nil` for other objects.
    private func kind(ofService key: ObjectKey) -> NamedObjects.ServiceKind? {
        guard isService(key) else { return nil }
        let name = ServiceIndex.Name(namespace: key.namespace, name: key.name)
        return objects.hasNames(name) ? objects.kind(of: name) : nil
    }

    /// Of the service that a change is about, when the change is made.
    private func kind(of key: ObjectKey, _ subjects: Set<Snapshot.Subject>) -> NamedObjects.ServiceKind? {
        if isService(key) { return kind(ofService: key) }
        return subjects.lazy.compactMap { subject in
            if case .service(let name) = subject { objects.kind(of: name) } else { nil }
        }.first
    }

    private func isService(_ key: ObjectKey) -> Bool {
        key.group == Service.resource.kind.group && key.kind == Service.resource.kind.kind
    }

    private mutating func renew(_ subjects: Set<Snapshot.Subject>) -> Bool {
        var parts: [NamePart] = []
        for subject in subjects {
            let own = plan.parts(subject, of: objects)
            let problems = own.flatMap(\.problems)
            if problems != nameProblems[subject] ?? [] { nameProblems[subject] = problems.isEmpty ? nil : problems }
            parts += own
        }
        plan.put(parts, into: &zones)
        return !subjects.isEmpty
    }
}

// MARK: - Who asks

/// Pods by their addresses. An address that two pods claim, as happens for a moment when one follows the other, is nobody's.
private struct ClientBook: Sendable {
    private let plan: NamePlan
    private let nodeSearches: [DomainName]
    private(set) var names = ClientNames()
    /// Of addresses that several claim, who does.
    private var disputes: [IPAddress: [ClientNames.Client]] = [:]
    /// The last search list in each namespace: mostly all its pods have the same, and keep it once.
    private var lists: [String: [DomainName]] = [:]
    let collapsesSearches: Bool

    init(_ plan: NamePlan, _ nodeSearches: [DomainName], collapsesSearches: Bool = true) {
        (self.plan, self.nodeSearches, self.collapsesSearches) = (plan, nodeSearches, collapsesSearches)
    }

    private static let mostLists = 4096

    mutating func forget() { (names, disputes, lists) = (ClientNames(), [:], [:]) }

    /// - Parameters:
    ///   - old: a pod as it was; `nil`: it was not there.
    ///   - new: the same pod as it is; `nil`: it is not there any more.
    mutating func change(from old: NamedPod?, to new: NamedPod?) {
        if let old, let client = plan.client(old, nodeSearches: nodeSearches) {
            for address in Set(client.addresses) { leave(address, client.name) }
        }
        if let new, let client = plan.client(new, nodeSearches: nodeSearches) {
            let searches = collapsesSearches && client.dots > 1 ? shared(client.searches, new.namespace) : []
            for address in Set(client.addresses) { claim(address, ClientNames.Client(client.name, searchList: searches)) }
        }
    }

    private mutating func claim(_ address: IPAddress, _ client: ClientNames.Client) {
        let others = disputes[address] ?? names[address].map { [$0] } ?? []
        disputes[address] = others.isEmpty ? nil : others + [client]
        names[address] = others.isEmpty ? client : nil
    }

    private mutating func leave(_ address: IPAddress, _ name: String) {
        let others = (disputes[address] ?? []).filter { $0.name != name }
        disputes[address] = others.count > 1 ? others : nil
        names[address] = others.count == 1 ? others[0] : nil
    }

    private mutating func shared(_ list: [DomainName], _ namespace: String) -> [DomainName] {
        if let known = lists[namespace], known.map(\.wire) == list.map(\.wire) { return known }
        // Nobody says when a namespace has no pod any more; without its list the next pods have one of their own.
        if lists.count >= Self.mostLists { lists = [:] }
        lists[namespace] = list
        return list
    }
}
