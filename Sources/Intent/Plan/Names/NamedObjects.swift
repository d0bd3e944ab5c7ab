public import Cluster
public import KubeAPI

/// What names need of the objects, and nothing else of them: services with their slices, namespaces, pods.
///
/// ```swift
/// var objects = NamedObjects(listed)
/// for subject in objects.set(slice) { … plan.parts(subject, of: objects) … }
/// ```
/// Objects come in any order, slices before their service too, and stay after it. A service is one piece of memory with all its
/// slices. A change that gives nothing another name touches nothing.
public struct NamedObjects: Sendable {
    private var namespaces: Set<String> = []
    /// Each a ``PackedService``.
    private var services: Set<PackedObject> = []
    /// Of slices that are not called after their service, whose they are: the value is the service's name.
    private var strays: Set<PackedObject> = []
    /// Those that have an address and have not ended; each a ``NamedPod``.
    private var pods: Set<PackedObject> = []
    /// Slices without a service do not count.
    public private(set) var serviceCount = 0

    public init() {}

    /// - Parameter objects: everything there is.
    public init(_ objects: [any KubernetesObject]) {
        for object in objects { set(object) }
    }
}

// MARK: - Changes

extension NamedObjects {
    /// Takes an object in, new or changed. Kinds that have no names are passed over.
    ///
    /// - Returns: what has to be named again.
    @discardableResult
    public mutating func set(_ object: any KubernetesObject) -> Set<Snapshot.Subject> {
        switch object {
        case let service as Service: return set(service)
        case let slice as EndpointSlice: return set(slice)
        case let namespace as Namespace:
            let name = namespace.metadata.name
            return namespaces.insert(name).inserted ? [.namespace(name)] : []
        case let pod as Pod:
            // Of one that has ended, or is nowhere yet, there is nothing to say.
            guard !pod.isTerminal, !pod.status.podIPs.isEmpty else { return remove(pod.key) }
            let new = NamedPod(pod).packed
            return pods.update(with: new)?.value == new.value ? [] : [.pod(pod.key)]
        default: return []
        }
    }

    /// Forgets all pods, which are not to be named any more.
    public mutating func forgetPods() { pods = [] }

    /// Forgets an object. Forgetting what is not known changes nothing.
    ///
    /// - Returns: what has to be named again.
    @discardableResult
    public mutating func remove(_ key: ObjectKey) -> Set<Snapshot.Subject> {
        switch (key.group, key.kind) {
        case (Service.resource.kind.group, Service.resource.kind.kind):
            let entry = entry(key.namespace, key.name)
            guard entry.hasService else { return [] }
            serviceCount -= 1
            put(entry.withService(nil))
            return [.service(ServiceIndex.Name(namespace: key.namespace, name: key.name))]
        case (EndpointSlice.resource.kind.group, EndpointSlice.resource.kind.kind):
            return owner(ofSlice: key.name, key.namespace).map { remove(slice: key.name, from: $0) } ?? []
        case (Namespace.resource.kind.group, Namespace.resource.kind.kind):
            return namespaces.remove(key.name) == nil ? [] : [.namespace(key.name)]
        case (Pod.resource.kind.group, Pod.resource.kind.kind):
            return pods.remove(PackedObject(key.namespace, key.name)) == nil ? [] : [.pod(key)]
        default: return []
        }
    }

    private mutating func set(_ service: Service) -> Set<Snapshot.Subject> {
        let (namespace, name) = (service.metadata.namespace, service.metadata.name)
        let (entry, new) = (entry(namespace, name), NamedService(service).packed)
        guard entry.service != new[...] else { return [] }
        if !entry.hasService { serviceCount += 1 }
        let renewed = entry.withService(new)
        put(renewed)
        return entry.namesAlike(renewed) ? [] : [.service(ServiceIndex.Name(namespace: namespace, name: name))]
    }

    private mutating func set(_ slice: EndpointSlice) -> Set<Snapshot.Subject> {
        let (namespace, name) = (slice.metadata.namespace, slice.metadata.name)
        guard let service = slice.serviceName else { return remove(slice.key) }
        let (entry, new) = (entry(namespace, service), NamedSlice(slice).packed)
        let old = entry.slice(name)
        guard old != new[...] else { return [] }
        var touched: Set<Snapshot.Subject> = []
        if old == nil {
            if let before = owner(ofSlice: name, namespace) { touched = remove(slice: name, from: before) }
            if !Self.isCalled(name, after: service) {
                strays.insert(PackedObject(namespace, name).with(Array(service.utf8)))
            }
        }
        put(entry.with(new, slice: name))
        if entry.minds(old, new[...]) { touched.insert(.service(ServiceIndex.Name(namespace: namespace, name: service))) }
        return touched
    }

    private mutating func remove(slice name: String, from entry: PackedService) -> Set<Snapshot.Subject> {
        let (namespace, service) = entry.object.name
        if !Self.isCalled(name, after: service) { strays.remove(PackedObject(namespace, name)) }
        put(entry.with(nil, slice: name))
        guard entry.minds(entry.slice(name), nil) else { return [] }
        return [.service(ServiceIndex.Name(namespace: namespace, name: service))]
    }

    private mutating func put(_ entry: PackedService) {
        if entry.isEmpty { services.remove(entry.object) } else { services.update(with: entry.object) }
    }
}

// MARK: - Whose a slice is

extension NamedObjects {
    /// Where a slice is among those of a service, whatever its label says now. Controllers call slices after their service
    /// (`web-x7k2p`), so that a service is tried for each dash in the name; of the others it is written down.
    private func owner(ofSlice name: String, _ namespace: String) -> PackedService? {
        if !strays.isEmpty, let index = strays.firstIndex(of: PackedObject(namespace, name)) {
            return entry(namespace, String(decoding: strays[index].value, as: UTF8.self))
        }
        for dash in name.utf8.indices where name.utf8[dash] == UInt8(ascii: "-") {
            let entry = entry(namespace, String(name[..<dash]))
            if entry.slice(name) != nil { return entry }
        }
        return nil
    }

    private static func isCalled(_ slice: String, after service: String) -> Bool {
        slice.utf8.count > service.utf8.count && slice.utf8.starts(with: service.utf8)
            && slice.utf8.dropFirst(service.utf8.count).first == UInt8(ascii: "-")
    }

    /// Empty when nothing is known of it.
    private func entry(_ namespace: String, _ name: String) -> PackedService {
        let key = PackedObject(namespace, name)
        return services.firstIndex(of: key).map { PackedService(services[$0]) } ?? PackedService(emptyWith: key)
    }
}

// MARK: - What there is

extension NamedObjects {
    /// A service and its slices, in the order of their names; `nil` when there is no such service.
    func service(_ name: ServiceIndex.Name) -> (service: NamedService, slices: [NamedSlice])? {
        entry(name.namespace, name.name).content
    }

    /// Kinds of services, as CoreDNS tells them apart.
    public enum ServiceKind: String, CaseIterable, Sendable {
        case clusterIP = "cluster_ip"
        case headlessWithSelector = "headless_with_selector"
        case headlessWithoutSelector = "headless_without_selector"
    }

    /// `nil`: it is not there, has no address yet, or is another's name.
    public func kind(of name: ServiceIndex.Name) -> ServiceKind? {
        guard let service = entry(name.namespace, name.name).named else { return nil }
        return switch service.kind {
        case .addressed(let addresses, _): addresses.isEmpty ? nil : .clusterIP
        case .headless: service.hasSelector ? .headlessWithSelector : .headlessWithoutSelector
        case .alias: nil
        }
    }

    /// Whether there is a name that a service gives: a headless one without endpoints has none.
    public func hasNames(_ name: ServiceIndex.Name) -> Bool { entry(name.namespace, name.name).hasNames }

    func hasNamespace(_ name: String) -> Bool { namespaces.contains(name) }

    /// A pod that has an address and has not ended.
    public func pod(_ namespace: String, _ name: String) -> NamedPod? {
        pods.firstIndex(of: PackedObject(namespace, name)).map { NamedPod(pods[$0]) }
    }

    /// In no order.
    public var everyPod: some Sequence<NamedPod> { pods.lazy.map { NamedPod($0) } }

    var namespaceNames: [String] { namespaces.sorted() }

    /// In no order.
    var serviceNames: [ServiceIndex.Name] {
        services.lazy.filter { PackedService($0).hasService }.map {
            let (namespace, name) = $0.name
            return ServiceIndex.Name(namespace: namespace, name: name)
        }
    }
}
