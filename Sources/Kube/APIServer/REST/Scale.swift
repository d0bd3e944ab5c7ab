import KubeAPI

/// The number of replicas of an object, as a small object of its own (`autoscaling/v1 Scale`). Pure.
struct Scale: Sendable {
    private let specPath: [String]
    private let statusPath: [String]
    /// `nil`: the kind has a `spec.selector` as deployments have.
    private let selectorPath: [String]?

    static let kind = ServedKind(
        group: "autoscaling", version: "v1", kind: "Scale", plural: "scales", singular: "scale", isNamespaced: true,
        listKind: "ScaleList")

    /// - Throws: 404 for a kind without replicas.
    init(_ kind: ServedKind) throws(Status) {
        guard kind.subresource("scale") != nil else { throw .unknownPath }
        func path(_ text: String) -> [String] { text.split(separator: ".").map(String.init) }
        (specPath, statusPath) = (
            path(kind.custom?.scale?.specReplicas ?? "spec.replicas"),
            path(kind.custom?.scale?.statusReplicas ?? "status.replicas")
        )
        selectorPath = kind.custom == nil ? nil : path(kind.custom?.scale?.labelSelector ?? "")
    }

    func of(_ object: JSONValue) throws -> JSONValue {
        var metadata: JSONValue = [:]
        for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
            metadata.set(object.at("metadata", field), at: field)
        }
        var status: JSONValue = ["replicas": object.at(statusPath[...]) ?? 0]
        if let selector = try selector(object) { status.set(.string(selector), at: "selector") }
        return [
            "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata,
            "spec": ["replicas": object.at(specPath[...]) ?? 0], "status": status,
        ]
    }

    private func selector(_ object: JSONValue) throws -> String? {
        if let selectorPath { return object.at(selectorPath[...])?.string }
        var fields = FieldReader(object["spec"] ?? [:])
        return fields.selector("selector")?.description
    }

    /// The object with the wanted number; the scale's version and uid are the object's.
    func applying(_ scale: JSONValue, to object: JSONValue) throws(Status) -> JSONValue {
        let wanted = scale.at("spec", "replicas") ?? 0
        guard let count = wanted.integer, count >= 0 else {
            let fault = FieldError.invalid(FieldPath("spec", "replicas"), wanted, "must be greater than or equal to 0")
            throw .invalid(Self.kind, object.name, [fault])
        }
        let name = scale.name
        guard name.isEmpty || name == object.name else {
            throw .badRequest("the name of the object (\(name)) does not match the name on the URL (\(object.name))")
        }
        var result = object
        result.set(wanted, at: specPath[...])
        result.set(scale.at("metadata", "resourceVersion"), at: "metadata", "resourceVersion")
        if let uid = scale.at("metadata", "uid") { result.set(uid, at: "metadata", "uid") }
        return result
    }
}
