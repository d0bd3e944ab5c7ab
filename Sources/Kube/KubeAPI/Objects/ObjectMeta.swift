/// What every object has. `managedFields` is left out: nobody here reads it, and it is half of most objects.
public struct ObjectMeta: Hashable, Sendable {
    public var name: String
    public var generateName: String
    /// Empty for objects of the cluster.
    public var namespace: String
    public var uid: String
    /// Opaque: to be compared for equality and sent back, nothing else.
    public var resourceVersion: String
    public var generation: Int64
    public var labels: [String: String]
    public var annotations: [String: String]
    /// RFC 3339, as it came.
    public var creationTimestamp: String?
    /// Set: the object is going away, and stays until its finalizers are gone.
    public var deletionTimestamp: String?
    public var ownerReferences: [OwnerReference]
    public var finalizers: [String]

    public init(name: String, namespace: String = "", labels: [String: String] = [:], annotations: [String: String] = [:]) {
        self.name = name
        self.namespace = namespace
        self.labels = labels
        self.annotations = annotations
        (generateName, uid, resourceVersion, generation) = ("", "", "", 0)
        (creationTimestamp, deletionTimestamp) = (nil, nil)
        (ownerReferences, finalizers) = ([], [])
    }
}

/// Who an object belongs to, and goes away with.
public struct OwnerReference: Hashable, Sendable {
    public var apiVersion: String
    public var kind: String
    public var name: String
    public var uid: String
    public var isController: Bool
    public var blocksOwnerDeletion: Bool
}

extension ObjectMeta {
    public init(reading fields: inout FieldReader) {
        name = fields.string("name") ?? ""
        generateName = fields.string("generateName") ?? ""
        namespace = fields.string("namespace") ?? ""
        uid = fields.string("uid") ?? ""
        resourceVersion = fields.string("resourceVersion") ?? ""
        generation = fields.integer("generation") ?? 0
        labels = fields.map("labels")
        annotations = fields.map("annotations")
        creationTimestamp = fields.string("creationTimestamp")
        deletionTimestamp = fields.string("deletionTimestamp")
        ownerReferences = fields.list("ownerReferences", OwnerReference.init(reading:))
        finalizers = fields.strings("finalizers")
    }

    public var isBeingDeleted: Bool { deletionTimestamp != nil }
    /// The owner that manages the object, such as the ReplicaSet of a pod.
    public var controller: OwnerReference? { ownerReferences.first(where: \.isController) }
}

extension OwnerReference {
    init(reading fields: inout FieldReader) {
        apiVersion = fields.string("apiVersion") ?? ""
        kind = fields.string("kind") ?? ""
        name = fields.string("name") ?? ""
        uid = fields.string("uid") ?? ""
        isController = fields.bool("controller") ?? false
        blocksOwnerDeletion = fields.bool("blockOwnerDeletion") ?? false
    }
}

// MARK: - Validation

extension ObjectMeta {
    /// - Parameter rule: what names of the kind look like.
    public func faults(isNamespaced: Bool, name rule: NameRule) -> [FieldError] {
        let path = FieldPath("metadata")
        var errors: [FieldError] = []
        if name.isEmpty, generateName.isEmpty {
            errors.append(.required(path.child("name"), "name or generateName is required"))
        } else if !name.isEmpty {
            errors += rule.faults(in: name).map { .invalid(path.child("name"), .string(name), $0) }
        }
        switch (isNamespaced, namespace.isEmpty) {
        case (true, true): errors.append(.required(path.child("namespace")))
        case (true, false):
            errors += NameRule.dnsLabel.faults(in: namespace).map { .invalid(path.child("namespace"), .string(namespace), $0) }
        case (false, false): errors.append(.forbidden(path.child("namespace"), "not allowed on this type"))
        case (false, true): break
        }
        return errors + mapFaults(at: path) + ownerFaults(at: path.child("ownerReferences"))
    }

    func mapFaults(at path: FieldPath) -> [FieldError] {
        var errors = labelFaults(labels, at: path.child("labels"))
        let path = path.child("annotations")
        for (key, _) in annotations.sorted(by: { $0.key < $1.key }) {
            // Annotations' keys may be written in any case.
            errors += NameRule.qualifiedName.faults(in: key.lowercased()).map { .invalid(path, .string(key), $0) }
        }
        let size = annotations.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
        if size > Self.annotationLimit { errors.append(.tooLong(path, limit: Self.annotationLimit)) }
        return errors
    }

    /// All annotations together, in bytes.
    static var annotationLimit: Int { 256 << 10 }

    private func ownerFaults(at path: FieldPath) -> [FieldError] {
        ownerReferences.enumerated().flatMap { position, owner in
            [("apiVersion", owner.apiVersion), ("kind", owner.kind), ("name", owner.name), ("uid", owner.uid)]
                .filter { $0.1.isEmpty }
                .map { .invalid(path.index(position).child($0.0), .string(""), "must not be empty") }
        }
    }
}

/// Labels, or a selector by equality: errors name the map, not the key, as kube-apiserver does.
func labelFaults(_ labels: [String: String], at path: FieldPath) -> [FieldError] {
    labels.sorted { $0.key < $1.key }.flatMap { key, value in
        NameRule.qualifiedName.faults(in: key).map { FieldError.invalid(path, .string(key), $0) }
            + NameRule.labelValue.faults(in: value).map { FieldError.invalid(path, .string(value), $0) }
    }
}
