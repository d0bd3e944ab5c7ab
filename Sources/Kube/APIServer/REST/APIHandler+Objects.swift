import HTTPTypes
import Hummingbird
import KubeAPI
import NIOCore

// MARK: - Collections

extension APIHandler {
    func collection(_ exchange: Exchange) async throws -> Response {
        let kind = exchange.kind
        if kind.isReview { return try await review(exchange) }
        switch exchange.method {
        case .get: return try await read(exchange)
        case .post:
            guard !kind.isNamespaced || exchange.target.namespace != nil else { throw Status.unknownMethod }
            return try await create(exchange)
        case .delete:
            guard !kind.isNamespaced || exchange.target.namespace != nil, !kind.isNamespace else { throw Status.unknownMethod }
            return try await deleteCollection(exchange)
        default: throw Status.unknownMethod
        }
    }

    private func read(_ exchange: Exchange) async throws -> Response {
        let kind = exchange.kind
        let query = try CollectionQuery(try exchange.query(), kind, api.rules)
        var rendering = try exchange.rendering(api.rules, now: api.surroundings.now)
        rendering.includeObject = query.includeObject
        if query.isWatch { return try await watch(exchange, query, rendering) }
        if rendering.form == .object, !query.selects, !kind.isConverted {
            let text = try await api.plainList(kind, in: exchange.target.namespace, query)
            return Response(status: .ok, headers: [.contentType: "application/json"], body: ResponseBody(byteBuffer: text))
        }
        let listing = try await api.list(kind, in: exchange.target.namespace, query)
        return .json(rendering.list(listing.objects, revision: listing.revision, rest: listing.rest))
    }

    private func watch(_ exchange: Exchange, _ query: CollectionQuery, _ rendering: Rendering) async throws -> Response {
        let selection = api.selection(exchange.kind, exchange.target.namespace)
        var first: [JSONValue] = []
        var from = query.revision
        if from == nil {
            // Without a version a watch begins with everything that is there.
            var all = query
            (all.limit, all.rest) = (nil, nil)
            let listing = try await api.list(exchange.kind, in: exchange.target.namespace, all)
            (first, from) = (listing.objects, listing.revision)
        }
        let watch = try await api.store.watch(selection, after: from ?? .zero)
        return WatchStream(watch: watch, first: first, query: query, rendering: rendering, patience: patience).response(
            on: exchange.channel)
    }

    private func review(_ exchange: Exchange) async throws -> Response {
        let kind = exchange.kind
        guard exchange.method == .post, kind.isNamespaced == (exchange.target.namespace != nil) else {
            throw Status.unknownMethod
        }
        let options = try WriteOptions(try exchange.query())
        // A review has no name, and is in no store.
        let place = Submission(kind: kind, namespace: exchange.namespace, name: nil)
        let reading = try place.reading(try await json(exchange), options, api.rules)
        let answer = try await AccessReviews(door: door).answer(kind, reading.object, by: exchange.caller)
        return .json(answer, status: .created, warnings: reading.warnings)
    }

    private func create(_ exchange: Exchange) async throws -> Response {
        let kind = exchange.kind
        if let refusal = kind.refusal { throw Status.forbidden(kind, "", refusal) }
        let options = try WriteOptions(try exchange.query())
        let rendering = try exchange.rendering(api.rules, now: api.surroundings.now)
        let place = Submission(kind: kind, namespace: exchange.namespace, name: nil)
        let reading = try place.reading(try await json(exchange), options, api.rules)
        let made = try await api.create(kind, reading.object, isDryRun: options.isDryRun)
        return .json(rendering.one(made), status: .created, warnings: reading.warnings)
    }

    private func deleteCollection(_ exchange: Exchange) async throws -> Response {
        let kind = exchange.kind
        let options = try await deleteOptions(exchange)
        let query = try CollectionQuery(try exchange.query(), kind, api.rules)
        let listing = try await api.list(kind, in: exchange.target.namespace, query)
        var gone: [JSONValue] = []
        for object in listing.objects {
            do {
                gone.append(try await api.delete(kind, object.namespace, object.name, options).object)
            } catch let status as Status where status.code == 404 {
                // Somebody else was quicker.
                continue
            }
        }
        let rendering = try exchange.rendering(api.rules, now: api.surroundings.now)
        return .json(rendering.list(gone, revision: listing.revision, rest: listing.rest))
    }
}

// MARK: - Objects

extension APIHandler {
    func object(_ exchange: Exchange, _ name: String) async throws -> Response {
        let rendering = try exchange.rendering(api.rules, now: api.surroundings.now)
        switch exchange.method {
        case .get:
            let query = try exchange.query()
            // kubectl's old way to watch one object.
            guard try !query.bool("watch") else {
                throw Status.badRequest("watch the collection with fieldSelector=metadata.name=\(name)")
            }
            return .json(rendering.one(try await api.object(exchange.kind, exchange.namespace, name)))
        case .put: return try await rendered(exchange) { try await replace(exchange, name, .main) }
        case .patch: return try await rendered(exchange) { try await patch(exchange, name, .main) }
        case .delete: return try await delete(exchange, name, rendering)
        default: throw Status.unknownMethod
        }
    }

    func replace(_ exchange: Exchange, _ name: String, _ part: ObjectLife.Part) async throws -> Submission.Reading {
        let options = try WriteOptions(try exchange.query())
        let place = Submission(kind: exchange.kind, namespace: exchange.namespace, name: name)
        let reading = try place.reading(try await json(exchange), options, api.rules)
        let object = reading.object
        if exchange.kind.isCustom, object.resourceVersion.isEmpty {
            let fault = FieldError.invalid(FieldPath("metadata", "resourceVersion"), 0, "must be specified for an update")
            throw Status.invalid(exchange.kind, name, [fault])
        }
        let outcome = try await api.change(
            exchange.kind, exchange.namespace, name, part: part, isDryRun: options.isDryRun
        ) { _ in object }
        return Submission.Reading(object: outcome.object, warnings: reading.warnings)
    }

    func patch(_ exchange: Exchange, _ name: String, _ part: ObjectLife.Part) async throws -> Submission.Reading {
        let options = try WriteOptions(try exchange.query())
        let request = APIRules.PatchRequest(
            contentType: exchange.request.headers[.contentType] ?? "", body: try await body(exchange))
        if MediaType(request.contentType).type == "application/apply-patch+yaml" {
            // Refused before the object is looked for: it is what would make one that is not there.
            _ = try api.rules.patched(request, [:], exchange.kind)
        }
        let duplicates = try Submission.duplicates(request.body, options)
        let place = Submission(kind: exchange.kind, namespace: exchange.namespace, name: name)
        let outcome = try await api.change(
            exchange.kind, exchange.namespace, name, part: part, isDryRun: options.isDryRun
        ) { old -> Submission.Reading in
            let new = try place.checked(try api.rules.patched(request, old, exchange.kind))
            return Submission.Reading(object: new, warnings: try place.warnings(new, duplicates, options, api.rules))
        }
        return Submission.Reading(object: outcome.object, warnings: outcome.warnings)
    }

    private func delete(_ exchange: Exchange, _ name: String, _ rendering: Rendering) async throws -> Response {
        let outcome = try await api.delete(exchange.kind, exchange.namespace, name, try await deleteOptions(exchange))
        guard outcome.isGone, !exchange.kind.isPod else { return .json(rendering.one(outcome.object)) }
        return .json(Self.success(exchange.kind, outcome.object))
    }

    static func success(_ kind: ServedKind, _ object: JSONValue) -> JSONValue {
        var details = Status.Details()
        (details.name, details.group, details.kind, details.uid) = (object.name, kind.group, kind.plural, object.uid)
        return ["kind": "Status", "apiVersion": "v1", "metadata": [:], "status": "Success", "details": details.tree]
    }
}

// MARK: - Subresources

extension APIHandler {
    func part(_ exchange: Exchange, _ name: String, _ part: String) async throws -> Response {
        let kind = exchange.kind
        guard kind.subresource(part) != nil else { throw Self.refusal(of: part, kind) }
        switch (part, exchange.method) {
        case ("status", .get): return try await object(exchange, name)
        case ("status", .put): return try await rendered(exchange) { try await replace(exchange, name, .status) }
        case ("status", .patch): return try await rendered(exchange) { try await patch(exchange, name, .status) }
        case ("finalize", .put): return try await rendered(exchange) { try await replace(exchange, name, .finalizers) }
        case ("scale", .get):
            var rendering = try exchange.rendering(api.rules, now: api.surroundings.now)
            rendering.kind = Scale.kind
            return .json(rendering.one(try Scale(kind).of(try await api.object(kind, exchange.namespace, name))))
        case ("scale", .put), ("scale", .patch): return try await scale(exchange, name)
        case ("eviction", .post): return try await evict(exchange, name)
        case ("binding", .post): return try await bind(exchange, name)
        case ("token", .post): return try await token(exchange, name)
        case ("log", .get):
            return try await pods.log(kind, exchange.namespace, name, try exchange.query(), exchange.channel)
        default: throw Status.unknownMethod
        }
    }

    /// What Kubernetes serves and this server does not.
    private static func refusal(of part: String, _ kind: ServedKind) -> Status {
        switch (kind.group, kind.plural, part) {
        case ("", "pods", "proxy"), ("", "services", "proxy"), ("", "nodes", "proxy"):
            return .notImplemented("the proxy to \(kind.plural) is not served: reach them from a node")
        case ("", "pods", "ephemeralcontainers"):
            // kubectl reads the details to tell this from a pod that is not there.
            var status = Status.notFound("ephemeral containers are not served: use kubectl exec")
            status.details = Status.Details()
            return status
        case ("", "pods", "resize"): return .notImplemented("pods cannot be resized: create them anew")
        default: return .unknownPath
        }
    }

    private func rendered(_ exchange: Exchange, _ body: () async throws -> Submission.Reading) async throws -> Response {
        let rendering = try exchange.rendering(api.rules, now: api.surroundings.now)
        let reading = try await body()
        return .json(rendering.one(reading.object), warnings: reading.warnings)
    }

    private func scale(_ exchange: Exchange, _ name: String) async throws -> Response {
        let scale = try Scale(exchange.kind)
        let options = try WriteOptions(try exchange.query())
        let isPut = exchange.method == .put
        let request = APIRules.PatchRequest(
            contentType: exchange.request.headers[.contentType] ?? "",
            body: isPut ? try await json(exchange) : try await body(exchange))
        var sent: JSONValue?
        if isPut { sent = try Submission.tree(request.body, refusingDuplicates: options.refusesDuplicates) }
        let outcome = try await api.change(exchange.kind, exchange.namespace, name, isDryRun: options.isDryRun) { [sent] old in
            let wanted = try sent ?? api.rules.patched(request, try scale.of(old), Scale.kind)
            return try scale.applying(wanted, to: old)
        }
        return .json(try scale.of(outcome.object))
    }

    private func evict(_ exchange: Exchange, _ name: String) async throws -> Response {
        let tree = try Submission.tree(try await json(exchange), refusingDuplicates: false)
        let options = try DeleteOptions(try exchange.query(), body: tree["deleteOptions"])
        let outcome = try await api.delete(exchange.kind, exchange.namespace, name, options)
        return .json(Self.success(exchange.kind, outcome.object), status: .created)
    }

    private func token(_ exchange: Exchange, _ name: String) async throws -> Response {
        let options = try WriteOptions(try exchange.query())
        let place = Submission(kind: ObjectAPI.tokenRequest, namespace: exchange.namespace, name: name)
        let reading = try place.reading(try await json(exchange), options, api.rules)
        let account = try await api.object(exchange.kind, exchange.namespace, name)
        let answer = try await api.token(for: account, reading.object, isDryRun: options.isDryRun)
        return .json(answer, status: .created, warnings: reading.warnings)
    }

    /// The scheduler's word: which node runs a pod. Said once.
    private func bind(_ exchange: Exchange, _ name: String) async throws -> Response {
        let options = try WriteOptions(try exchange.query())
        let tree = try Submission.tree(try await json(exchange), refusingDuplicates: options.refusesDuplicates)
        guard let node = tree.at("target", "name")?.string, !node.isEmpty else {
            throw Status.invalid(exchange.kind, name, [.required(FieldPath("target", "name"), "")])
        }
        let now = api.surroundings.now
        let pod = try await api.change(exchange.kind, exchange.namespace, name, isDryRun: options.isDryRun) { pod in
            try Binding.bound(pod, to: node, exchange.kind)
        }.object
        // The condition is part of the status, which is written apart from the spec.
        _ = try await api.change(exchange.kind, exchange.namespace, name, part: .status, isDryRun: options.isDryRun) { pod in
            Binding.scheduled(pod, now: now)
        }
        return .json(Self.success(exchange.kind, pod), status: .created)
    }
}
