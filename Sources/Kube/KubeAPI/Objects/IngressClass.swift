/// Names a controller that serves ingresses.
public struct IngressClass: KnownKind {
    public static let resource = ResourceType(
        GroupVersionKind(group: "networking.k8s.io", version: "v1", kind: "IngressClass"), plural: "ingressclasses",
        isNamespaced: false)

    public var metadata: ObjectMeta
    /// `example.org/controller`.
    public var controller: String

    public init(metadata: ObjectMeta, controller: String) {
        self.metadata = metadata
        self.controller = controller
    }

    public init(reading fields: inout FieldReader) {
        metadata = fields.section("metadata", ObjectMeta.init(reading:))
        controller = fields.section("spec") { $0.string("controller") } ?? ""
    }

    /// Ingresses that name no class are of this one.
    public var isDefault: Bool { metadata.annotations["ingressclass.kubernetes.io/is-default-class"] == "true" }

    public func faults() -> [FieldError] {
        let path = FieldPath("spec", "controller")
        var errors = metadata.faults(isNamespaced: false, name: .dnsSubdomain)
        if controller.utf8.count > 250 { errors.append(.tooLong(path, limit: 250)) }
        if !controller.isEmpty {
            errors += NameRule.qualifiedName.faults(in: controller.lowercased()).map { .invalid(path, .string(controller), $0) }
            if !controller.contains("/") {
                errors.append(.invalid(path, .string(controller), "must be a domain-prefixed path (such as \"acme.io/foo\")"))
            }
        }
        return errors
    }
}
