public import KubeAPI

/// What is wrong with an object that is to be created, or to take the place of another.
///
/// Defaults are applied before, so a field that has one is not missed here. Fields of the wrong form are ``Decoding``'s; fields
/// nobody knows are dropped before.
public enum Validation {
    /// - Parameter old: the object as it is stored, for an update; `nil` for a creation.
    public static func faults(
        of object: JSONValue, replacing old: JSONValue? = nil, _ kind: ServedKind
    ) -> [FieldError] {
        guard object.object != nil else {
            return [.typeInvalid(.root, .string(object.form), "must be an object")]
        }
        var top = Checker(object, at: .root)
        top.report(metadataFaults(object, old, kind))
        if let custom = kind.custom {
            top.report(custom.schema.faults(of: object))
        } else {
            if kind.isNewEvent, old == nil { newEvent(&top) }
            check(&top, old, kind.kind)
        }
        return top.faults
    }

    /// What is to be said of an object that is taken.
    public static func warnings(of object: JSONValue, _ kind: ServedKind) -> [String] {
        kind.kind == "NetworkPolicy" && !kind.isCustom ? networkPolicyWarnings(object) : []
    }

    private static func check(_ top: inout Checker, _ old: JSONValue?, _ kind: String) {
        switch kind {
        case "Namespace", "Event": break
        case "Node": top.inside("spec") { node(&$0, old?["spec"]) }
        case "Pod": podObject(&top, old)
        case "Service": service(&top, old)
        case "Endpoints": endpoints(&top)
        case "EndpointSlice": endpointSlice(&top, old)
        case "ServiceAccount": break
        case "ConfigMap": configMap(&top, old)
        case "Secret": secret(&top, old)
        case "Lease": lease(&top)
        case "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet": workload(&top, old, kind)
        case "ControllerRevision": controllerRevision(&top, old)
        case "NetworkPolicy": networkPolicy(&top, old)
        case "Ingress": ingress(&top)
        case "IngressClass": ingressClass(&top, old)
        case "RoleBinding", "ClusterRoleBinding": binding(&top, old, kind)
        case "CustomResourceDefinition": definition(&top, old)
        default: break
        }
    }
}

// MARK: - Metadata

extension Validation {
    private static func metadataFaults(_ object: JSONValue, _ old: JSONValue?, _ kind: ServedKind) -> [FieldError] {
        var fields = FieldReader(object)
        let metadata = fields.section("metadata", ObjectMeta.init(reading:))
        var faults = fields.errors + metadata.faults(isNamespaced: kind.isNamespaced, name: rule(kind))
        // A service named after a number would make environment variables nobody can write.
        if kind.group.isEmpty, kind.kind == "Service", !metadata.name.isEmpty { faults += serviceName(metadata.name) }
        let path = FieldPath("metadata")
        var meta = Checker(object["metadata"], at: path)
        meta.atLeast("generation", 0)
        for (position, name) in metadata.finalizers.enumerated() {
            faults += NameRule.qualifiedName.faults(in: name).map {
                .invalid(path.child("finalizers").index(position), .string(name), $0)
            }
        }
        let controllers = metadata.ownerReferences.filter(\.isController)
        if controllers.count > 1 {
            let shown = JSONValue.string("\(controllers[0].name), \(controllers[1].name)")
            faults.append(
                .invalid(path.child("ownerReferences"), shown, "Only one reference can have Controller set to true"))
        }
        if let old { changeFaults(&meta, old["metadata"]) }
        return faults + meta.faults
    }

    private static func changeFaults(_ meta: inout Checker, _ old: JSONValue?) {
        meta.keep("name", "namespace", "uid", "creationTimestamp", from: old)
        meta.keep("deletionTimestamp", "deletionGracePeriodSeconds", from: old)
        // Once an object goes away, nothing new may hold it.
        guard old?.at("deletionTimestamp") != nil else { return }
        let before = Set(old?["finalizers"]?.array ?? [])
        let added = (meta.object["finalizers"]?.array ?? []).filter { !before.contains($0) }
        guard !added.isEmpty else { return }
        let names = added.map(\.description).joined(separator: ", ")
        meta.report(
            .forbidden(
                meta.path("finalizers"),
                "no new finalizers can be added if the object is being deleted, found new finalizers [\(names)]"))
    }

    /// What names of the kind look like.
    static func rule(_ kind: ServedKind) -> NameRule {
        switch kind.kind {
        case "Namespace" where kind.group.isEmpty, "Service" where kind.group.isEmpty: .dnsLabel
        case _ where kind.group == "rbac.authorization.k8s.io": .pathSegment
        default: .dnsSubdomain
        }
    }

    /// RFC 1035: a label that begins with a letter. The label's own faults were told already.
    private static func serviceName(_ name: String) -> [FieldError] {
        guard let first = name.utf8.first, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) else { return [] }
        return [
            .invalid(
                FieldPath("metadata", "name"), .string(name),
                "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
                    + "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for "
                    + "validation is '[a-z]([-a-z0-9]*[a-z0-9])?')")
        ]
    }
}
