/// A name that pods act under. Nothing of it but its metadata matters here.
public struct ServiceAccount: KnownKind {
    public static let resource = ResourceType(
        GroupVersionKind(version: "v1", kind: "ServiceAccount"), plural: "serviceaccounts", shortNames: ["sa"], isNamespaced: true
    )

    public var metadata: ObjectMeta

    public init(metadata: ObjectMeta) { self.metadata = metadata }

    public init(reading fields: inout FieldReader) { metadata = fields.section("metadata", ObjectMeta.init(reading:)) }

    public func faults() -> [FieldError] { metadata.faults(isNamespaced: true, name: .dnsSubdomain) }
}
