/// Bytes by name that not everybody may see: no description or mirror shows them.
public struct Secret: KnownKind {
    public static let resource = ResourceType(
        GroupVersionKind(version: "v1", kind: "Secret"), plural: "secrets", isNamespaced: true)

    public var metadata: ObjectMeta
    /// `Opaque`, `kubernetes.io/tls`, …
    public var type: String
    /// Decoded.
    public var data: [String: [UInt8]]

    public init(metadata: ObjectMeta, type: String = "Opaque", data: [String: [UInt8]] = [:]) {
        self.metadata = metadata
        self.type = type
        self.data = data
    }

    public init(reading fields: inout FieldReader) {
        metadata = fields.section("metadata", ObjectMeta.init(reading:))
        let type = fields.string("type") ?? ""
        self.type = type.isEmpty ? "Opaque" : type
        data = fields.bytes("data")
        // Written over `data`, as a server does; never part of what a server gives.
        for (key, text) in fields.map("stringData") { data[key] = Array(text.utf8) }
    }

    public func faults() -> [FieldError] {
        let path = FieldPath("data")
        var errors = metadata.faults(isNamespaced: true, name: .dnsSubdomain) + dataKeyFaults(data.keys, at: path)
        if type == "kubernetes.io/tls" {
            for key in ["tls.crt", "tls.key"] where data[key] == nil { errors.append(.required(path.key(key))) }
        }
        if data.reduce(0, { $0 + $1.value.count }) > dataLimit { errors.append(.tooLong(path, limit: dataLimit)) }
        return errors
    }
}

extension Secret: CustomStringConvertible, CustomReflectable {
    public var description: String { "\(key) of type \(type) with \(data.keys.sorted().joined(separator: ", "))" }
    public var customMirror: Mirror { Mirror(self, children: ["secret": description]) }
}
