import APIServer
import KubeAPI
import Lab

/// Which fields of an object in a file its kind has not. A server says so itself.
enum UnknownFields {
    /// - Parameter kind: one that nobody serves has every field.
    static func find(in tree: JSONValue, of kind: GroupVersionKind) -> [FieldPath] {
        guard let served = ServedKinds.kind(kind) ?? custom[kind] else { return [] }
        return Decoding.review(tree, served).unknownFields
    }

    private static let custom: [GroupVersionKind: ServedKind] = {
        let kinds = LabDefinitions.all.flatMap(ServedKind.kinds(ofCRD:))
        return Dictionary(kinds.map { ($0.groupVersionKind, $0) }) { first, _ in first }
    }()
}
