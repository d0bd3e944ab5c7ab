public import KubeAPI
public import Logging

/// Something to be said in an object's status.
public struct ConditionNote: Hashable, Sendable {
    public var resource: ResourceType
    /// Empty for objects of the cluster.
    public var namespace: String
    public var name: String
    public var condition: Condition
    /// Of the object that it is said of: of another one it is not said.
    public var generation: Int64

    public init(_ resource: ResourceType, namespace: String = "", name: String, _ condition: Condition, generation: Int64) {
        (self.resource, self.namespace, self.name) = (resource, namespace, name)
        (self.condition, self.generation) = (condition, generation)
    }

    /// Says it in an object.
    ///
    /// Nothing changes when it is said already, or of another generation. That all is well is said only where it was not.
    public func write(in tree: inout JSONValue, at now: Timestamp) {
        guard tree[at: "metadata", "generation"]?.number?.integer ?? 0 == generation else { return }
        var all = tree[at: "status", "conditions"]?.array ?? []
        let place = all.firstIndex { $0["type"]?.string == condition.type }
        let before = place.map { all[$0] }
        guard before != nil || condition.status != .true else { return }
        var next: JSONValue = [
            "type": .string(condition.type), "status": .string(condition.status.rawValue), "reason": .string(condition.reason),
            "message": .string(condition.message), "observedGeneration": .number(JSONNumber(generation)),
        ]
        let isSame = before?["status"]?.string == condition.status.rawValue
        next[at: "lastTransitionTime"] = (isSame ? before?["lastTransitionTime"] : nil) ?? .string(now.description)
        if let place { all[place] = next } else { all.append(next) }
        tree[at: "status", "conditions"] = .array(all)
    }
}

/// Writes conditions, in order, one at a time. Many may say the same of one object: the first one's stands, and the others read it
/// and write nothing. Nobody waits for them; one that is lost is said again when its object changes.
public struct ConditionWriter: Sendable {
    private let notes: AsyncStream<ConditionNote>
    private let continuation: AsyncStream<ConditionNote>.Continuation
    private let client: APIClient
    private let now: @Sendable () -> Timestamp
    private let logger: Logger

    public init(client: APIClient, now: @escaping @Sendable () -> Timestamp, logger: Logger) {
        (notes, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1000))
        (self.client, self.now, self.logger) = (client, now, logger)
    }

    /// Returns at once.
    public func record(_ note: ConditionNote) { continuation.yield(note) }

    /// Writes until its task is cancelled. To be called once.
    public func run() async {
        for await note in notes {
            do {
                let namespace = note.namespace.isEmpty ? nil : note.namespace
                try await client.modify(note.resource, note.name, in: namespace, subresource: .status) {
                    note.write(in: &$0, at: now())
                }
            } catch {
                logger.debug(
                    "a condition was lost",
                    metadata: ["type": "\(note.condition.type)", "object": "\(note.name)", "failure": "\(error)"])
            }
        }
    }
}
