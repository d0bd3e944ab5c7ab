public import KubeAPI
public import Logging

/// Writes events to the API server, in order, one at a time. Nobody waits for them, and losing one is no harm: a server that is
/// away costs the events of that time.
public struct EventRecorder: Sendable {
    /// `v1 Event`. It has no projection: nobody here reads events.
    public static let resource = ResourceType(
        GroupVersionKind(version: "v1", kind: "Event"), plural: "events", shortNames: ["ev"], isNamespaced: true)

    private let notes: AsyncStream<EventNote>
    private let continuation: AsyncStream<EventNote>.Continuation
    private let aggregator: EventAggregator
    private let client: APIClient
    private let now: @Sendable () -> Timestamp
    private let logger: Logger

    public init(
        _ aggregator: EventAggregator, client: APIClient, now: @escaping @Sendable () -> Timestamp, logger: Logger
    ) {
        // The newest win: what waits behind a server that is away is news nobody reads.
        (notes, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1000))
        self.aggregator = aggregator
        self.client = client
        self.now = now
        self.logger = logger
    }

    /// Returns at once.
    public func record(_ note: EventNote) { continuation.yield(note) }

    /// Writes until its task is cancelled. To be called once.
    public func run() async {
        var aggregator = aggregator
        for await note in notes {
            do {
                switch aggregator.write(note, at: now()) {
                case .create(let tree):
                    do {
                        try await client.create(tree, of: Self.resource)
                    } catch APIFailure.alreadyExists {
                        // Another has said the same.
                    }
                case .count(let name, let namespace, let patch, let otherwise):
                    do {
                        try await client.patch(Self.resource, name, in: namespace, .merge(patch))
                    } catch APIFailure.notFound {
                        try await client.create(otherwise, of: Self.resource)
                    }
                case .nothing: break
                }
            } catch {
                logger.debug("an event was lost", metadata: ["reason": "\(note.reason)", "failure": "\(error)"])
            }
        }
    }
}
