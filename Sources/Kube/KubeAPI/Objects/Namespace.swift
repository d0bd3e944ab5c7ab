/// A namespace: a name and labels that policies select by.
public struct Namespace: KnownKind {
    public static let resource = ResourceType(
        GroupVersionKind(version: "v1", kind: "Namespace"), plural: "namespaces", shortNames: ["ns"], isNamespaced: false)

    public enum Phase: String, Hashable, Sendable, CaseIterable {
        case active = "Active"
        case terminating = "Terminating"
    }

    public var metadata: ObjectMeta
    public var phase: Phase

    public init(metadata: ObjectMeta, phase: Phase = .active) {
        self.metadata = metadata
        self.phase = phase
    }

    public init(reading fields: inout FieldReader) {
        metadata = fields.section("metadata", ObjectMeta.init(reading:))
        phase = fields.section("status") { $0.word("phase", Phase.self) } ?? .active
    }

    public func faults() -> [FieldError] {
        metadata.faults(isNamespaced: false, name: .dnsLabel)
    }
}
