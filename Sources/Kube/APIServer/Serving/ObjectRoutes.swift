import HTTPTypes
import Hummingbird
import NIOCore

/// The store over HTTP, shaped as the Kubernetes API: the bodies are opaque, so a revision travels as `ETag` and `If-Match`.
struct ObjectRoutes: Sendable {
    let store: Store
    let largestBody: Int

    func add(to router: Router<Call>) {
        router.get("api/v1/:resource") { request, call in
            try await collection(Selection(resource: call.parameters.require("resource")), request, call)
        }
        let namespaced = router.group("api/v1/namespaces/:namespace/:resource")
        namespaced.get { request, call in
            let selection = Selection(
                resource: try call.parameters.require("resource"), namespace: try call.parameters.require("namespace"))
            return try await collection(selection, request, call)
        }
        namespaced.get(":name") { _, call in try await read(Self.key(call)) }
        namespaced.post(":name") { request, call in try await create(Self.key(call), request) }
        namespaced.put(":name") { request, call in try await update(Self.key(call), request) }
        namespaced.delete(":name") { request, call in try await delete(Self.key(call), request) }
    }

    private func read(_ key: ObjectKey) async throws -> Response {
        guard let object = try await store.object(key) else { throw StoreError.notFound(key) }
        return Self.answer(object)
    }

    private func create(_ key: ObjectKey, _ request: Request) async throws -> Response {
        Self.answer(try await store.create(key, try await body(request)), status: .created)
    }

    private func update(_ key: ObjectKey, _ request: Request) async throws -> Response {
        Self.answer(try await store.update(key, try await body(request), expected: Self.expected(request)))
    }

    private func delete(_ key: ObjectKey, _ request: Request) async throws -> Response {
        Self.answer(try await store.delete(key, expected: Self.expected(request)))
    }

    private func collection(_ selection: Selection, _ request: Request, _ call: Call) async throws -> Response {
        let query = try CollectionQuery(request.uri.queryParameters)
        if query.isWatch { return try await watch(selection, since: query.revision, call) }
        var from: Page.Continuation?
        if let token = query.rest {
            guard let rest = Page.Continuation(token: token, resource: selection.resource) else {
                throw Status.badRequest("the continue parameter is none of ours: list again without it")
            }
            from = rest
        }
        return Self.answer(try await store.list(selection, limit: query.limit, from: from))
    }

    private func watch(_ selection: Selection, since revision: Revision?, _ call: Call) async throws -> Response {
        let stream: WatchStream
        if let revision {
            stream = WatchStream(first: [], watch: try await store.watch(selection, after: revision))
        } else {
            // Without a revision a watch begins with everything that is there.
            let page = try await store.list(selection)
            stream = WatchStream(
                first: page.objects.map { Change(.added, $0) },
                watch: try await store.watch(selection, after: page.revision))
        }
        return stream.response(on: call.channel)
    }

    private func body(_ request: Request) async throws -> Body {
        let buffer = try await request.body.collect(upTo: largestBody)
        return Body(Array(buffer.readableBytesView))
    }
}

extension ObjectRoutes {
    private static func key(_ call: Call) throws -> ObjectKey {
        ObjectKey(
            resource: try call.parameters.require("resource"), namespace: try call.parameters.require("namespace"),
            name: try call.parameters.require("name"))
    }

    private static func expected(_ request: Request) throws -> Revision? {
        guard let text = request.headers[.ifMatch] else { return nil }
        let digits = text.hasPrefix("\"") && text.hasSuffix("\"") ? String(text.dropFirst().dropLast()) : text
        guard let revision = Revision(digits) else { throw Status.badRequest("If-Match \(text) is no revision") }
        return revision
    }

    private static func answer(_ object: StoredObject, status: HTTPResponse.Status = .ok) -> Response {
        Response(
            status: status, headers: [.contentType: "application/json", .eTag: "\"\(object.revision)\""],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: object.body)))
    }

    private static func answer(_ page: Page) -> Response {
        var json = JSONText()
        json.raw(#"{"kind":"List","apiVersion":"v1","metadata":{"resourceVersion":""#)
        json.raw(page.revision.description)
        json.raw("\"")
        if let rest = page.rest {
            json.raw(#","continue":"#)
            json.string(rest.token)
        }
        json.raw(#"},"items":["#)
        for (index, object) in page.objects.enumerated() {
            if index > 0 { json.raw(",") }
            json.raw(object.body)
        }
        json.raw("]}")
        return Response(
            status: .ok, headers: [.contentType: "application/json"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: json.bytes)))
    }
}
