public import KubeAPI
public import Logging
internal import NIOCore
public import Reconcile

/// Reads and writes single objects of an API server, as trees: what is written back holds every field that was read, also
/// those nobody here knows.
///
/// ```swift
/// let client = APIClient(transport: transport, clock: ContinuousClock(), random: { .random(in: 0..<1) }, logger: logger)
/// try await client.modify(Node.resource, "n1") { $0[at: "spec", "unschedulable"] = true }
/// ```
/// Requests are repeated as ``Retries`` says. Failures are ``APIFailure``, or a `CancellationError` when the task is cancelled.
public struct APIClient: Sendable {
    /// A part of an object with a path of its own, so that who writes it touches nothing else.
    public enum Subresource: String, Hashable, Sendable, CaseIterable {
        case status
        case scale
        /// A pod's assignment to a node; created, never read.
        case binding
        /// An eviction; created, never read.
        case eviction
        /// A token of a service account; created, never read.
        case token
    }

    private let transport: any APITransport
    private let retries: Retries
    private let clock: any Clock<Duration>
    private let random: @Sendable () -> Double
    private let logger: Logger
    /// Who the server notes as the writer of fields; `nil` leaves it to guess from the user agent.
    private let fieldManager: String?

    /// - Parameter random: 0 ..< 1, spreads retries.
    public init(
        transport: any APITransport, retries: Retries = Retries(), fieldManager: String? = nil, clock: any Clock<Duration>,
        random: @escaping @Sendable () -> Double, logger: Logger
    ) {
        self.transport = transport
        self.retries = retries
        self.fieldManager = fieldManager
        self.clock = clock
        self.random = random
        self.logger = logger
    }
}

// MARK: - Reading

extension APIClient {
    public func get(
        _ resource: ResourceType, _ name: String, in namespace: String? = nil, subresource: Subresource? = nil
    ) async throws -> JSONValue {
        try await document(APIRequest(.get, path(resource, name, namespace, subresource)))
    }

    /// Everything of a collection, however many pages the server makes of it.
    public struct List: Hashable, Sendable {
        /// The items say `apiVersion` and `kind`, which servers leave out in lists.
        public var items: [JSONValue]
        /// Where to watch from.
        public var resourceVersion: String
    }

    /// - Parameter namespace: `nil`: all of them.
    /// - Parameter pageSize: a list whose pages expire while it is read is asked for again in one piece.
    public func list(
        _ resource: ResourceType, in namespace: String? = nil, labels: LabelSelector? = nil, fields: String? = nil,
        pageSize: Int = 500
    ) async throws -> List {
        var selection: [(String, String)] = []
        if let labels { selection.append(("labelSelector", labels.description)) }
        if let fields { selection.append(("fieldSelector", fields)) }
        do {
            return try await list(resource, namespace, selection, pageSize: pageSize)
        } catch APIFailure.gone {
            return try await list(resource, namespace, selection, pageSize: nil)
        }
    }

    private func list(
        _ resource: ResourceType, _ namespace: String?, _ selection: [(String, String)], pageSize: Int?
    ) async throws -> List {
        var list = List(items: [], resourceVersion: "")
        var token: String?
        repeat {
            var query = selection
            if let pageSize { query.append(("limit", "\(pageSize)")) }
            if let token { query.append(("continue", token)) }
            let page = try await document(APIRequest(.get, target(resource.path(namespace: namespace), query)))
            list.items += (page["items"]?.array ?? []).map { item in
                var item = item
                item[at: "apiVersion"] = .string(resource.kind.apiVersion)
                item[at: "kind"] = .string(resource.kind.kind)
                return item
            }
            list.resourceVersion = page[at: "metadata", "resourceVersion"]?.string ?? ""
            token = page[at: "metadata", "continue"]?.string.flatMap { $0.isEmpty ? nil : $0 }
        } while token != nil
        return list
    }
}

// MARK: - Writing

extension APIClient {
    /// - Parameter namespace: of the object when it names none itself.
    /// - Returns: the object as the server keeps it.
    @discardableResult
    public func create(
        _ tree: JSONValue, of resource: ResourceType, in namespace: String? = nil, named name: String? = nil,
        subresource: Subresource? = nil
    ) async throws -> JSONValue {
        let namespace = tree[at: "metadata", "namespace"]?.string ?? namespace
        var target = resource.path(namespace: namespace)
        if let subresource, let name { target = path(resource, name, namespace, subresource) }
        return try await write(.post, target, "application/json", tree)
    }

    /// Replaces the object by the tree. With a `resourceVersion` in it, it is a ``APIFailure/conflict`` when somebody else was
    /// quicker; without one the other's change is lost.
    @discardableResult
    public func update(
        _ tree: JSONValue, of resource: ResourceType, subresource: Subresource? = nil
    ) async throws -> JSONValue {
        let name = tree[at: "metadata", "name"]?.string ?? ""
        let target = path(resource, name, tree[at: "metadata", "namespace"]?.string, subresource)
        guard !name.isEmpty else {
            throw APIFailure(APIRequest(.put, target), APIFailure.invalid, "the object to write has no metadata.name", cause: nil)
        }
        return try await write(.put, target, "application/json", tree)
    }

    @discardableResult
    public func patch(
        _ resource: ResourceType, _ name: String, in namespace: String? = nil, _ patch: Patch, subresource: Subresource? = nil
    ) async throws -> JSONValue {
        try await write(.patch, path(resource, name, namespace, subresource), patch.contentType, patch.body)
    }

    /// Deletes an object: it may stay for a while, with a deletion timestamp, until its finalizers or its grace are over.
    ///
    /// - Returns: the object, or a `Status`.
    @discardableResult
    public func delete(
        _ resource: ResourceType, _ name: String, in namespace: String? = nil, options: DeletionOptions = DeletionOptions()
    ) async throws -> JSONValue {
        try await write(.delete, path(resource, name, namespace, nil), "application/json", options.tree)
    }

    /// Reads, changes and writes, again and again until nobody was quicker.
    ///
    /// - Parameter tries: all together; then the ``APIFailure/conflict`` is thrown.
    /// - Parameter change: may be called several times, each time with the object as it is then. When it changes nothing,
    ///   nothing is written.
    @discardableResult
    public func modify(
        _ resource: ResourceType, _ name: String, in namespace: String? = nil, subresource: Subresource? = nil, tries: Int = 5,
        _ change: (inout JSONValue) throws -> Void
    ) async throws -> JSONValue {
        var left = tries
        while true {
            // A status is written through its own path, and read with the whole object.
            let before = try await get(resource, name, in: namespace, subresource: subresource == .scale ? .scale : nil)
            var after = before
            try change(&after)
            guard after != before else { return before }
            left -= 1
            do {
                return try await update(after, of: resource, subresource: subresource)
            } catch APIFailure.conflict where left > 0 {
                logger.debug("changed by another, reading again", metadata: ["kind": "\(resource.kind)", "name": "\(name)"])
            }
        }
    }

    /// How many replicas are wanted, and how many there are.
    public func replicas(
        _ resource: ResourceType, _ name: String, in namespace: String
    ) async throws -> (wanted: Int64, running: Int64) {
        let scale = try await get(resource, name, in: namespace, subresource: .scale)
        return (
            scale[at: "spec", "replicas"]?.number?.integer ?? 0, scale[at: "status", "replicas"]?.number?.integer ?? 0
        )
    }

    /// Asks for another number of replicas.
    public func scale(_ resource: ResourceType, _ name: String, in namespace: String, to replicas: Int64) async throws {
        try await patch(
            resource, name, in: namespace, .merge(["spec": ["replicas": .number(JSONNumber(replicas))]]), subresource: .scale)
    }
}

// MARK: - Following

extension APIClient {
    /// Follows collections over the same transport. The source retries in its own rhythm, not as ``Retries`` says.
    ///
    /// - Parameter backoff: of lists and watches that came to nothing.
    public func source(
        _ collections: [ServerObjectSource.Collection], registry: Registry = .standard, backoff: Backoff = Backoff()
    ) -> ServerObjectSource {
        ServerObjectSource(
            collections, registry: registry, backoff: backoff, transport: transport, clock: clock, random: random,
            logger: logger)
    }
}

// MARK: - Requests

extension APIClient {
    private func path(_ resource: ResourceType, _ name: String, _ namespace: String?, _ subresource: Subresource?) -> String {
        let path = "\(resource.path(namespace: namespace))/\(percentEncoded(name))"
        return subresource.map { "\(path)/\($0.rawValue)" } ?? path
    }

    private func target(_ path: String, _ query: [(String, String)]) -> String {
        guard !query.isEmpty else { return path }
        return "\(path)?\(query.map { "\($0)=\(percentEncoded($1))" }.joined(separator: "&"))"
    }

    private func write(
        _ method: APIRequest.Method, _ path: String, _ type: String, _ tree: JSONValue
    ) async throws -> JSONValue {
        var query: [(String, String)] = []
        if let fieldManager, method != .delete { query.append(("fieldManager", fieldManager)) }
        return try await document(
            APIRequest(method, target(path, query), contentType: type, body: JSONWriter().bytes(of: tree)))
    }

    private func document(_ request: APIRequest) async throws -> JSONValue {
        let bytes = try await succeed(request)
        do {
            return try JSONReader().document(bytes).value
        } catch {
            throw APIFailure(request, APIFailure.unreadable, status: 200, "the answer is no JSON: \(error)", cause: error)
        }
    }

    /// The body of a 2xx, after as many attempts as are safe.
    private func succeed(_ request: APIRequest) async throws -> [UInt8] {
        var retries = retries
        while true {
            let (failure, outcome): (APIFailure, Retries.Outcome)
            do {
                let response = try await transport.send(request)
                let bytes = try await response.bytes()
                if (200..<300).contains(response.status) { return bytes }
                failure = APIFailure(request, status: response.status, retryAfter: response.retryAfter, body: bytes)
                outcome = .refused(status: response.status, retryAfter: failure.retryAfter)
            } catch is CancellationError {
                throw CancellationError()
            } catch {
                // What is thrown by a cancelled request has the HTTP library's own name.
                try Task.checkCancellation()
                failure = APIFailure(request, APIFailure.unreachable, "no answer: \(error)", cause: error)
                outcome = error is ConnectionFailure ? .notConnected : .broken
            }
            guard let pause = retries.pause(after: outcome, isRead: request.method == .get, random: random()) else {
                throw failure
            }
            logger.debug("trying again", metadata: ["failure": "\(failure)", "pause": "\(pause)"])
            try await clock.sleep(for: pause)
        }
    }
}
