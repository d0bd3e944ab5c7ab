internal import KubeAPI

/// Tells changes of objects from repetitions.
protocol ObjectMemory: Sendable {
    /// Of the objects that are there.
    var keys: [ObjectKey] { get }

    /// The object is there now; `nil` when that is no news.
    mutating func put(_ object: any KubernetesObject) -> ObjectEvent?

    /// The object is not there any more; `nil` when that is no news.
    mutating func remove(_ key: ObjectKey) -> ObjectEvent?
}

extension ObjectMemory {
    /// These objects are all there are. The changes come in the order of their keys, deletions first.
    mutating func replace(with new: [any KubernetesObject]) -> [ObjectEvent] {
        let byKey = Dictionary(new.map { ($0.key, $0) }) { $1 }
        let gone = keys.filter { byKey[$0] == nil }.sorted()
        let changes = byKey.sorted { $0.key < $1.key }.compactMap { put($0.value) }
        return gone.compactMap { remove($0) } + changes
    }
}

/// What a source last said of every object.
struct ObjectCache: ObjectMemory {
    private(set) var objects: [ObjectKey: any KubernetesObject] = [:]

    var keys: [ObjectKey] { Array(objects.keys) }

    mutating func put(_ object: any KubernetesObject) -> ObjectEvent? {
        guard let before = objects.updateValue(object, forKey: object.key) else { return .added(object) }
        return before.isEqual(to: object) ? nil : .modified(object)
    }

    mutating func remove(_ key: ObjectKey) -> ObjectEvent? {
        objects.removeValue(forKey: key).map { .deleted(key, uid: $0.metadata.uid) }
    }
}
