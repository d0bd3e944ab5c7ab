public import KubeAPI
public import Logging
public import Reconcile
internal import Synchronization

/// Feeds the objects of an API server: one informer for each collection, and one stream of events.
public struct ServerObjectSource: ObjectSource {
    /// A collection to follow.
    public struct Collection: Hashable, Sendable {
        public var resource: ResourceType
        /// `nil`: all namespaces.
        public var namespace: String?
        /// kubectl's `--field-selector`, such as `spec.nodeName=n1`.
        public var fieldSelector: String?
        public var labelSelector: LabelSelector?
        /// Whether a server need not serve it: then there is none of it, and it is looked for again.
        public var isOptional: Bool
        /// Whether a server may forbid to read it: then there is none of it, which is told as a fault, and it is asked for again.
        public var mayBeForbidden: Bool

        public init(
            _ resource: ResourceType, namespace: String? = nil, fieldSelector: String? = nil, labelSelector: LabelSelector? = nil,
            isOptional: Bool = false, mayBeForbidden: Bool = false
        ) {
            (self.isOptional, self.mayBeForbidden) = (isOptional, mayBeForbidden)
            self.resource = resource
            self.namespace = namespace
            self.fieldSelector = fieldSelector
            self.labelSelector = labelSelector
        }
    }

    public let events: AsyncStream<ObjectBatch>

    private let continuation: AsyncStream<ObjectBatch>.Continuation
    private let informers: [Informer]
    private let clock: any Clock<Duration>

    /// - Parameters:
    ///   - backoff: of lists and watches that came to nothing.
    ///   - random: 0 ..< 1, spreads watches and retries.
    public init(
        _ collections: [Collection], registry: Registry = .standard, backoff: Backoff = Backoff(),
        transport: any APITransport, clock: any Clock<Duration>, random: @escaping @Sendable () -> Double, logger: Logger
    ) {
        (events, continuation) = AsyncStream.makeStream()
        self.clock = clock
        informers = collections.map { collection in
            Informer(
                kind: collection.resource.kind, path: collection.resource.path(namespace: collection.namespace),
                selection: collection.selection, registry: registry, backoff: backoff, transport: transport, clock: clock,
                random: random, isOptional: collection.isOptional, mayBeForbidden: collection.mayBeForbidden, logger: logger)
        }
    }

    public func run() async {
        let gathering = Gathering(count: informers.count, clock: clock, continuation: continuation)
        await withTaskGroup { group in
            for (position, informer) in informers.enumerated() {
                group.addTask { await informer.run { gathering.receive($0, from: position) } }
            }
        }
        continuation.finish()
    }
}

extension ServerObjectSource.Collection {
    var selection: String {
        var query = ""
        if let fieldSelector { query += "&fieldSelector=\(percentEncoded(fieldSelector))" }
        if let labelSelector { query += "&labelSelector=\(percentEncoded(labelSelector.description))" }
        return query
    }
}

/// Makes one stream of several: the first lists are held back until all are there, since half a cluster is none.
private final class Gathering: Sendable {
    private let merger: Mutex<EventMerger>
    private let clock: any Clock<Duration>
    private let continuation: AsyncStream<ObjectBatch>.Continuation

    init(count: Int, clock: any Clock<Duration>, continuation: AsyncStream<ObjectBatch>.Continuation) {
        merger = Mutex(EventMerger(count: count))
        (self.clock, self.continuation) = (clock, continuation)
    }

    func receive(_ events: [ObjectEvent], from position: Int) {
        let age = clock.stopwatch()
        // Under the lock, so that all hear the events in the order in which they were merged.
        merger.withLock { merger in
            let merged = events.flatMap { merger.receive($0, from: position) }
            if !merged.isEmpty { continuation.yield(ObjectBatch(merged, age: age)) }
        }
    }
}

/// The rule behind it, as a value.
struct EventMerger: Sendable {
    private var missing: Set<Int>
    private var lists: [[any KubernetesObject]]
    private var faults: [[SourceFault]]
    /// Changes that came while others still listed.
    private var held: [ObjectEvent] = []

    init(count: Int) {
        missing = Set(0..<count)
        lists = Array(repeating: [], count: count)
        faults = Array(repeating: [], count: count)
    }

    mutating func receive(_ event: ObjectEvent, from position: Int) -> [ObjectEvent] {
        switch event {
        case .faults(let new):
            faults[position] = new
            return [.faults(faults.flatMap(\.self))]
        case .listed(let objects):
            lists[position] = objects
            missing.remove(position)
            guard missing.isEmpty else { return [] }
            defer { (lists, held) = (lists.map { _ in [] }, []) }
            return [.listed(lists.flatMap(\.self))] + held
        case .added, .modified, .deleted:
            guard missing.isEmpty else {
                held.append(event)
                return []
            }
            return [event]
        }
    }
}
