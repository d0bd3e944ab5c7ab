/// Which HTTP requests from outside go to which services.
public struct Ingress: KnownKind {
    public static let resource = ResourceType(
        GroupVersionKind(group: "networking.k8s.io", version: "v1", kind: "Ingress"), plural: "ingresses", shortNames: ["ing"],
        isNamespaced: true)

    public struct Rule: Hashable, Sendable {
        /// Empty: all hosts. `*.example.org` stands for one label.
        public var host: String
        public var paths: [Path]
    }

    public enum PathType: String, Hashable, Sendable, CaseIterable {
        case exact = "Exact"
        /// By elements: `/a` matches `/a` and `/a/b`, not `/ab`.
        case prefix = "Prefix"
        case implementationSpecific = "ImplementationSpecific"
    }

    public struct Path: Hashable, Sendable {
        public var path: String
        /// `nil` only beside a fault.
        public var type: PathType?
        public var backend: Backend
    }

    public enum Backend: Hashable, Sendable {
        /// A port of a service of the same namespace.
        case service(name: String, port: PortReference?)
        /// An object of another kind, which nobody here serves.
        case resource(kind: String, name: String)
        /// Only beside a fault.
        case missing
    }

    public struct Certificate: Hashable, Sendable {
        public var hosts: [String]
        /// Empty: the controller's own.
        public var secret: String
    }

    public var metadata: ObjectMeta
    /// `nil`: the annotation's, or the default one.
    public var className: String?
    public var defaultBackend: Backend?
    public var rules: [Rule]
    public var certificates: [Certificate]
    public var addresses: [Service.Ingress]

    public init(metadata: ObjectMeta, className: String? = nil, rules: [Rule] = []) {
        self.metadata = metadata
        self.className = className
        self.rules = rules
        (defaultBackend, certificates, addresses) = (nil, [], [])
    }

    public init(reading fields: inout FieldReader) {
        metadata = fields.section("metadata", ObjectMeta.init(reading:))
        (className, defaultBackend, rules, certificates) = fields.section("spec") { fields in
            (
                fields.string("ingressClassName"), fields.object("defaultBackend", Backend.init(reading:)),
                fields.list("rules", Rule.init(reading:)),
                fields.list("tls") { Certificate(hosts: $0.strings("hosts"), secret: $0.string("secretName") ?? "") }
            )
        }
        addresses = fields.section("status") { $0.section("loadBalancer") { $0.list("ingress", Service.Ingress.init(reading:)) } }
    }
}

// MARK: - Reading

extension Ingress.Rule {
    fileprivate init(reading fields: inout FieldReader) {
        host = fields.string("host") ?? ""
        paths = fields.section("http") { $0.list("paths", Ingress.Path.init(reading:)) }
    }
}

extension Ingress.Path {
    fileprivate init(reading fields: inout FieldReader) {
        path = fields.string("path") ?? ""
        type = fields.word("pathType", Ingress.PathType.self)
        backend = fields.section("backend", Ingress.Backend.init(reading:))
    }
}

extension Ingress.Backend {
    fileprivate init(reading fields: inout FieldReader) {
        let service = fields.object("service") { fields -> Self in
            let port = fields.section("port") { fields -> PortReference? in
                let name = fields.string("name").flatMap { $0.isEmpty ? nil : PortReference.name($0) }
                return name ?? fields.port("number").map(PortReference.number)
            }
            return .service(name: fields.string("name") ?? "", port: port)
        }
        let resource = fields.object("resource") {
            Self.resource(kind: $0.string("kind") ?? "", name: $0.string("name") ?? "")
        }
        if service != nil, resource != nil {
            fields.report(.invalid(fields.path, "", "cannot set both resource and service backends"))
        }
        self = service ?? resource ?? .missing
    }
}

// MARK: - Validation

extension Ingress {
    public func faults() -> [FieldError] {
        let spec = FieldPath("spec")
        var errors = metadata.faults(isNamespaced: true, name: .dnsSubdomain)
        if rules.isEmpty, defaultBackend == nil {
            errors.append(.invalid(spec, .array([]), "either `defaultBackend` or `rules` must be specified"))
        }
        if let className {
            errors += NameRule.dnsSubdomain.faults(in: className).map {
                .invalid(spec.child("ingressClassName"), .string(className), $0)
            }
        }
        errors += defaultBackend?.faults(at: spec.child("defaultBackend")) ?? []
        for (position, rule) in rules.enumerated() { errors += rule.faults(at: spec.child("rules").index(position)) }
        for (position, certificate) in certificates.enumerated() {
            let path = spec.child("tls").index(position).child("hosts")
            for (position, host) in certificate.hosts.enumerated() {
                errors += hostFaults(host, at: path.index(position))
            }
        }
        return errors
    }
}

private func hostFaults(_ host: String, at path: FieldPath) -> [FieldError] {
    let name = host.hasPrefix("*.") ? String(host.dropFirst(2)) : host
    return NameRule.dnsSubdomain.faults(in: name).map { .invalid(path, .string(host), $0) }
}

extension Ingress.Rule {
    fileprivate func faults(at path: FieldPath) -> [FieldError] {
        var errors = host.isEmpty ? [] : hostFaults(host, at: path.child("host"))
        for (position, entry) in paths.enumerated() {
            let path = path.child("http").child("paths").index(position)
            if entry.type == nil { errors.append(.required(path.child("pathType"), "pathType must be specified")) }
            if !entry.path.hasPrefix("/"), !entry.path.isEmpty || entry.type != .implementationSpecific {
                errors.append(.invalid(path.child("path"), .string(entry.path), "must be an absolute path"))
            }
            errors += entry.backend.faults(at: path.child("backend"))
        }
        return errors
    }
}

extension Ingress.Backend {
    fileprivate func faults(at path: FieldPath) -> [FieldError] {
        switch self {
        case .missing: return [.required(path, "resource or service backend is required")]
        case .resource: return []
        case .service(let name, let port):
            let path = path.child("service")
            var errors: [FieldError] = []
            if name.isEmpty {
                errors.append(.required(path.child("name")))
            } else {
                errors += NameRule.dnsLabel.faults(in: name).map { .invalid(path.child("name"), .string(name), $0) }
            }
            guard let port else { return errors + [.required(path, "port name or number is required")] }
            return errors + port.faults(at: path.child("port").child("name"))
        }
    }
}
