internal import FoundationEssentials
internal import KubeAPI

/// What tells a change of an object from a repetition: a hash of each object that is there, and whose name it is.
///
/// The objects themselves are with whoever follows the source; kept here as well they would be in memory twice. The hash is keyed by
/// chance for each process (SipHash), so nobody can make an object that is taken for another, and by accident one change in 2⁶⁴ is.
struct ObjectMarks: ObjectMemory {
    /// Of one source all objects are mostly of one kind.
    private var marks: [Kind: [Name: Mark]] = [:]

    private struct Kind: Hashable {
        var group: String
        var kind: String
    }

    private struct Name: Hashable {
        var namespace: String
        var name: String
    }

    private struct Mark {
        var hash: Int
        var uid: UID
    }

    /// 16 bytes where it is what an API server gives, and else the text.
    private enum UID {
        case uuid(UUID)
        case text(String)

        init(_ text: String) {
            let uuid = UUID(uuidString: text)
            self = if let uuid, UID.uuid(uuid).text == text { .uuid(uuid) } else { .text(text) }
        }

        var text: String {
            switch self {
            case .uuid(let uuid): uuid.uuidString.lowercased()
            case .text(let text): text
            }
        }
    }

    var isEmpty: Bool { marks.isEmpty }

    mutating func put(_ object: any KubernetesObject) -> ObjectEvent? {
        let (kind, name) = Self.place(object.key)
        var hasher = Hasher()
        object.hash(into: &hasher)
        let mark = Mark(hash: hasher.finalize(), uid: UID(object.metadata.uid))
        guard let before = marks[kind, default: [:]].updateValue(mark, forKey: name) else { return .added(object) }
        return before.hash == mark.hash ? nil : .modified(object)
    }

    mutating func remove(_ key: ObjectKey) -> ObjectEvent? {
        let (kind, name) = Self.place(key)
        guard let mark = marks[kind]?.removeValue(forKey: name) else { return nil }
        if marks[kind]?.isEmpty == true { marks[kind] = nil }
        return .deleted(key, uid: mark.uid.text)
    }

    var keys: [ObjectKey] {
        marks.flatMap { kind, names in
            names.keys.map { name in
                ObjectKey(
                    GroupVersionKind(group: kind.group, version: "", kind: kind.kind), namespace: name.namespace, name: name.name)
            }
        }
    }

    private static func place(_ key: ObjectKey) -> (Kind, Name) {
        (Kind(group: key.group, kind: key.kind), Name(namespace: key.namespace, name: key.name))
    }
}
