/// Texts and bytes by name, for pods to read.
public struct ConfigMap: KnownKind {
    public static let resource = ResourceType(
        GroupVersionKind(version: "v1", kind: "ConfigMap"), plural: "configmaps", shortNames: ["cm"], isNamespaced: true)

    public var metadata: ObjectMeta
    public var texts: [String: String]
    public var binaries: [String: [UInt8]]

    public init(metadata: ObjectMeta, texts: [String: String] = [:], binaries: [String: [UInt8]] = [:]) {
        self.metadata = metadata
        self.texts = texts
        self.binaries = binaries
    }

    public init(reading fields: inout FieldReader) {
        metadata = fields.section("metadata", ObjectMeta.init(reading:))
        texts = fields.map("data")
        binaries = fields.bytes("binaryData")
    }

    public func faults() -> [FieldError] {
        var errors = metadata.faults(isNamespaced: true, name: .dnsSubdomain)
        errors += dataKeyFaults(texts.keys, at: FieldPath("data")) + dataKeyFaults(binaries.keys, at: FieldPath("binaryData"))
        for key in binaries.keys.sorted() where texts[key] != nil {
            errors.append(.invalid(FieldPath("binaryData").key(key), .string(key), "duplicate of key present in data"))
        }
        let size = texts.reduce(0) { $0 + $1.value.utf8.count } + binaries.reduce(0) { $0 + $1.value.count }
        if size > dataLimit { errors.append(.tooLong(.root, limit: dataLimit)) }
        return errors
    }
}

/// All values of a ConfigMap or a Secret together, in bytes.
let dataLimit = 1 << 20

/// Keys become the names of files: letters, digits, `-`, `_` and `.`, and no way out of the directory.
func dataKeyFaults(_ keys: some Sequence<String>, at path: FieldPath) -> [FieldError] {
    keys.sorted().flatMap { key -> [FieldError] in
        var faults: [String] = []
        if key.utf8.count > 253 { faults.append("must be no more than 253 characters") }
        let isPlain = key.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20) || [0x2D, 0x2E, 0x5F].contains(byte)
        }
        if key.isEmpty || !isPlain {
            faults.append(
                "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
            )
        }
        if key == "." { faults.append("must not be '.'") }
        if key == ".." {
            faults.append("must not be '..'")
        } else if key.hasPrefix("..") {
            faults.append("must not start with '..'")
        }
        return faults.map { .invalid(path.key(key), .string(key), $0) }
    }
}

extension FieldReader {
    /// A map of bytes, written in base64; empty when absent. Values that are wrong are told, not shown: they may be secret.
    public mutating func bytes(_ field: String) -> [String: [UInt8]] {
        var result: [String: [UInt8]] = [:]
        for (key, text) in map(field).sorted(by: { $0.key < $1.key }) {
            if let bytes = Base64.bytes(of: text) {
                result[key] = bytes
            } else {
                report(.typeInvalid(path(field).key(key), "…", "must be base64"))
            }
        }
        return result
    }
}
