internal import Addressing
public import Cluster
public import DNS
internal import KubeAPI

/// What a cluster's objects are called: services, their endpoints, and pods, by the Kubernetes DNS specification 1.1.0.
///
/// ```swift
/// let plan = NamePlan()
/// var zones = plan.zones(of: objects)                     // the whole
/// for subject in objects.set(slice) {                     // and what a change comes to
///     plan.put(plan.parts(subject, of: objects), into: &zones)
/// }
/// ```
/// There are three zones: the cluster's domain, and both reverse trees, which pass on what they do not know, so that an address of
/// another network is asked for elsewhere. Every object is a source of its own in them, by the name that ``NamePart/source`` gives.
public struct NamePlan: Sendable {
    public let settings: NameSettings
    /// `svc` and `pod` of the domain, and the name of its server.
    let services: DomainName
    let pods: DomainName
    let server: DomainName
    static let reverse = (v4: DomainName.root.below("arpa").below("in-addr"), v6: DomainName.root.below("arpa").below("ip6"))

    /// The label in a cluster's domain whose text is ``schema``.
    public static let schemaLabel = "dns-version"
    /// What the schema of names is called, as `dns-version` tells it.
    public static let schema = "1.1.0"

    /// - Parameter settings: with a domain of at most 200 bytes, so that every namespace fits below it.
    public init(_ settings: NameSettings = NameSettings()) {
        precondition(settings.domain.wire.count <= 200, "names of services fit below the domain")
        self.settings = settings
        services = settings.domain.below("svc")
        pods = settings.domain.below("pod")
        server = settings.domain.below("dns").below("ns")
    }
}

/// What one object has in the zones.
public struct NamePart: Sendable {
    /// The object: `service default/web`.
    public var source: String
    /// In each zone; empty where it has nothing, or nothing any more.
    public var contents: [Content]
    /// Why something of it has no name.
    public var problems: [Problem] = []

    public struct Content: Sendable {
        /// The zone's.
        public var apex: DomainName
        public var content: ZoneContent
    }
}

// MARK: - Zones

extension NamePlan {
    /// The zones with nothing of any object.
    ///
    /// - Parameter isComplete: false until the objects are known: then all their names are answered with SERVFAIL.
    public func zones(isComplete: Bool) -> [Zone] {
        let mailbox = settings.domain.below("hostmaster")
        let authority = StartOfAuthority(
            primary: server, mailbox: mailbox, serial: settings.serial, minimum: settings.ttl.seconds)
        return apexes.map { apex in
            var zone = Zone(
                apex, authority: authority, nameServers: [server], ttl: settings.ttl, isComplete: isComplete,
                passesOn: apex != settings.domain)
            if apex == settings.domain {
                zone.replace("schema", with: [Record(apex.below(Self.schemaLabel), .text(Self.schema), ttl: settings.ttl)])
            }
            return zone
        }
    }

    private var apexes: [DomainName] { [settings.domain, Self.reverse.v4, Self.reverse.v6] }

    /// The zones with everything.
    public func zones(of objects: NamedObjects) -> Zones { whole(of: objects).zones }

    /// The zones with everything, and what is wrong with each subject.
    public func whole(of objects: NamedObjects) -> (zones: Zones, problems: [Snapshot.Subject: [Problem]]) {
        var zones = zones(isComplete: true)
        var problems: [Snapshot.Subject: [Problem]] = [:]
        for subject in subjects(of: objects) {
            for part in parts(subject, of: objects) {
                for content in part.contents where !content.content.isEmpty {
                    guard let place = zones.firstIndex(where: { $0.apex == content.apex }) else { continue }
                    zones[place].replace(part.source, with: content.content)
                }
                if !part.problems.isEmpty { problems[subject, default: []] += part.problems }
            }
        }
        return (Zones(zones), problems)
    }

    /// Everything that has a name, or could.
    public func subjects(of objects: NamedObjects) -> [Snapshot.Subject] {
        let pods = settings.pods == .verified ? objects.everyPod.map { Snapshot.Subject.pod($0.key) } : []
        return objects.serviceNames.map(Snapshot.Subject.service)
            + objects.namespaceNames.map(Snapshot.Subject.namespace) + pods
    }

    /// Puts parts in place of what their objects had. Of several at once each zone is copied once, as far as they change it.
    public func put(_ parts: [NamePart], into zones: inout Zones) {
        for (apex, parts) in Dictionary(grouping: parts.flatMap { part in part.contents.map { (part.source, $0) } }, by: \.1.apex)
        {
            guard var zone = zones[apex] else { continue }
            for (source, content) in parts { zone.replace(source, with: content.content) }
            zones.set(zone)
        }
    }
}

// MARK: - Parts

extension NamePlan {
    /// What a subject has in the zones as the objects are now; what it had before goes with it. Empty for those that have no names.
    public func parts(_ subject: Snapshot.Subject, of objects: NamedObjects) -> [NamePart] {
        switch subject {
        case .node: []
        case .service(let name):
            [part(name, objects.service(name))] + (name == settings.server ? [serverPart(objects)] : [])
        case .namespace(let name): [namespace(name, of: objects)]
        case .pod(let key): settings.pods == .verified ? [pod(key.namespace, key.name, of: objects)] : []
        }
    }

    /// The addresses of the name server itself.
    private func serverPart(_ objects: NamedObjects) -> NamePart {
        var addresses: [IPAddress] = []
        if case .addressed(let own, _) = objects.service(settings.server)?.service.kind { addresses = own }
        let records = addresses.map { Record(server, .address($0), ttl: settings.ttl) }
        return part("name server", ZoneContent(records))
    }

    /// A namespace has a name as long as it is there, also without a service: nothing stands at it, but it exists. CoreDNS has it so,
    /// and the specification is silent.
    private func namespace(_ name: String, of objects: NamedObjects) -> NamePart {
        var content: ZoneContent = []
        if objects.hasNamespace(name), let label = NameLabel(name) {
            if let owner = services.child(label.bytes) { content.emptyNames.insert(owner) }
            if let owner = pods.child(label.bytes) {
                switch settings.pods {
                case .disabled: break
                case .insecure: content.dashedAddresses[owner] = settings.ttl
                case .verified: content.emptyNames.insert(owner)
                }
            }
        }
        return part("namespace \(name)", content)
    }

    private func pod(_ namespace: String, _ name: String, of objects: NamedObjects) -> NamePart {
        var content: ZoneContent = []
        if let pod = objects.pod(namespace, name), let label = NameLabel(namespace), let owner = pods.child(label.bytes) {
            content.records = pod.addresses.compactMap { address in
                owner.child(DashedAddress.bytes(address)).map { Record($0, .address(address), ttl: settings.ttl) }
            }
        }
        return part("pod \(namespace)/\(name)", content)
    }

    /// A part of the cluster's own zone alone.
    private func part(_ source: String, _ content: ZoneContent) -> NamePart {
        NamePart(source: source, contents: [.init(apex: settings.domain, content: content)])
    }
}
