/// A lease: who holds something, and until when. A node's lease in `kube-node-lease` is its heartbeat.
public struct Lease: KnownKind {
    public static let resource = ResourceType(
        GroupVersionKind(group: "coordination.k8s.io", version: "v1", kind: "Lease"), plural: "leases", isNamespaced: true)

    public var metadata: ObjectMeta
    /// Empty: nobody holds it.
    public var holder: String
    public var duration: Duration?
    public var acquired: Timestamp?
    public var renewed: Timestamp?
    public var transitions: Int64

    public init(metadata: ObjectMeta, holder: String = "", duration: Duration? = nil, renewed: Timestamp? = nil) {
        self.metadata = metadata
        self.holder = holder
        self.duration = duration
        self.renewed = renewed
        (acquired, transitions) = (nil, 0)
    }

    public init(reading fields: inout FieldReader) {
        metadata = fields.section("metadata", ObjectMeta.init(reading:))
        (holder, duration, acquired, renewed, transitions) = fields.section("spec") { fields in
            (
                fields.string("holderIdentity") ?? "", fields.integer("leaseDurationSeconds").map { .seconds($0) },
                fields.timestamp("acquireTime"), fields.timestamp("renewTime"), fields.integer("leaseTransitions") ?? 0
            )
        }
    }

    /// Whether the holder's time is over. A lease without a holder, a renewal or a duration is not held by anybody.
    public func isExpired(at now: Timestamp) -> Bool {
        guard !holder.isEmpty, let renewed, let duration else { return true }
        return now - renewed > duration
    }

    public func faults() -> [FieldError] {
        var errors = metadata.faults(isNamespaced: true, name: .dnsSubdomain)
        let path = FieldPath("spec")
        if let seconds = duration?.components.seconds, seconds <= 0 {
            errors.append(
                .invalid(path.child("leaseDurationSeconds"), .number(JSONNumber(seconds)), "must be greater than 0"))
        }
        if transitions < 0 {
            errors.append(
                .invalid(
                    path.child("leaseTransitions"), .number(JSONNumber(transitions)), "must be greater than or equal to 0"))
        }
        return errors
    }
}
