/// The kinds we know, and the way from a tree to a typed object.
public struct Registry: Sendable {
    public let kinds: [any KnownKind.Type]
    private let byKind: [GroupVersionKind: any KnownKind.Type]

    public init(_ kinds: [any KnownKind.Type]) {
        self.kinds = kinds
        byKind = Dictionary(kinds.map { ($0.resource.kind, $0) }) { $1 }
    }

    /// Every kind of this module.
    public static let standard = Registry([
        ClusterNetworkPolicy.self, ConfigMap.self, EndpointSlice.self, Endpoints.self, Ingress.self, IngressClass.self,
        Lease.self, Namespace.self, NetworkPolicy.self, Node.self, Pod.self, Secret.self, Service.self, ServiceAccount.self,
    ])

    public func resource(_ kind: GroupVersionKind) -> ResourceType? { byKind[kind]?.resource }

    /// What reading came to: the object as far as it can be built, and everything that is wrong with it.
    public struct Reading: Sendable {
        /// `nil` only when it is not known what it is or what it is called.
        public var object: (any KubernetesObject)?
        public var faults: [FieldError]

        public init(object: (any KubernetesObject)?, faults: [FieldError] = []) {
            self.object = object
            self.faults = faults
        }
    }
}

extension Registry {
    /// Reads and validates one object.
    ///
    /// - Parameter kind: what it is, for the items of a typed list, which do not say it themselves.
    /// - Parameter namespace: for namespaced objects that name none, as kubectl does for a file; `nil` leaves that an error.
    public func read(
        _ tree: JSONValue, as kind: GroupVersionKind? = nil, defaultNamespace namespace: String? = nil
    ) -> Reading {
        var fields = FieldReader(tree)
        guard fields.errors.isEmpty else { return Reading(object: nil, faults: fields.errors) }
        guard let kind = kind ?? fields.kind() else { return Reading(object: nil, faults: fields.errors) }
        var object: any KubernetesObject
        if let known = byKind[kind] {
            object = known.init(reading: &fields)
            if let namespace, known.resource.isNamespaced, object.metadata.namespace.isEmpty {
                object.metadata.namespace = namespace
            }
        } else {
            object = UnknownObject(kind: kind, metadata: fields.section("metadata", ObjectMeta.init(reading:)), tree: tree)
        }
        let isNamed = !object.metadata.name.isEmpty
        return Reading(object: isNamed ? object : nil, faults: merged(fields.errors, object.faults(), isNamed: isNamed))
    }

    private func merged(_ reading: [FieldError], _ faults: [FieldError], isNamed: Bool) -> [FieldError] {
        // A field that could not be read has its default, and often fails validation a second time: one error is enough.
        let reported = Set(reading.map(\.path))
        var result = reading + faults.filter { !reported.contains($0.path) }
        let name = FieldPath("metadata", "name")
        if !isNamed, !result.contains(where: { $0.path == name }) { result.append(.required(name)) }
        return result
    }
}

extension FieldReader {
    /// `apiVersion` and `kind`; `nil` with errors when they do not say what the object is.
    public mutating func kind() -> GroupVersionKind? {
        let before = errors.count
        let (version, word) = (string("apiVersion") ?? "", string("kind") ?? "")
        guard errors.count == before else { return nil }
        if word.isEmpty { report(.required(path("kind"), "such as Pod")) }
        if version.isEmpty { report(.required(path("apiVersion"), "such as v1")) }
        guard errors.count == before else { return nil }
        guard let kind = GroupVersionKind(apiVersion: version, kind: word) else {
            report(.invalid(path("apiVersion"), .string(version), "must be a version, or a group and a version, such as apps/v1"))
            return nil
        }
        return kind
    }
}
