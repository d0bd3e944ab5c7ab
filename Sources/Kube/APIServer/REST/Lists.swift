import Hummingbird
import KubeAPI
import NIOCore

extension ObjectAPI {
    /// A page of selected objects.
    struct Listing: Sendable {
        var revision: Revision
        var objects: [JSONValue]
        var rest: Page.Continuation?
    }

    func selection(_ kind: ServedKind, _ namespace: String?) -> Selection {
        Selection(resource: kind.storage, namespace: kind.isNamespaced ? namespace : nil)
    }

    /// Reads page after page until there are as many selected objects as asked for.
    func list(_ kind: ServedKind, in namespace: String?, _ query: CollectionQuery) async throws -> Listing {
        var from = try await start(kind, query)
        var found: [JSONValue] = []
        while true {
            let page = try await store.list(selection(kind, namespace), limit: query.limit, from: from)
            for (position, stored) in page.objects.enumerated() {
                let object = try Self.tree(stored, as: kind)
                guard query.selects(object) else { continue }
                found.append(object)
                guard found.count == query.limit else { continue }
                let isLast = position == page.objects.count - 1 && page.rest == nil
                let rest = Page.Continuation(revision: page.revision, after: stored.key)
                return Listing(revision: page.revision, objects: found, rest: isLast ? nil : rest)
            }
            guard let rest = page.rest else { return Listing(revision: page.revision, objects: found) }
            from = rest
        }
    }

    /// The same as JSON text, when the objects go out as they are stored: nothing is read and written again.
    func plainList(_ kind: ServedKind, in namespace: String?, _ query: CollectionQuery) async throws -> ByteBuffer {
        let page = try await store.list(selection(kind, namespace), limit: query.limit, from: try await start(kind, query))
        var metadata: JSONValue = ["resourceVersion": .string(page.revision.description)]
        if let rest = page.rest { metadata.set(.string(rest.token), at: "continue") }
        var text = ByteBuffer()
        text.reserveCapacity(page.objects.reduce(256) { $0 + $1.body.count + 1 })
        text.writeString(#"{"kind":"\#(kind.listKind)","apiVersion":"\#(kind.apiVersion)","metadata":\#(metadata),"items":["#)
        for (position, object) in page.objects.enumerated() {
            if position > 0 { text.writeInteger(UInt8(ascii: ",")) }
            text.writeBytes(object.body)
        }
        text.writeString("]}")
        return text
    }

    private func start(_ kind: ServedKind, _ query: CollectionQuery) async throws -> Page.Continuation? {
        if let token = query.rest {
            guard let rest = Page.Continuation(token: token, resource: kind.storage) else {
                throw Status.badRequest("continue key is not valid: it is none of ours: list again without it")
            }
            return rest
        }
        guard let revision = query.revision else { return nil }
        let reached = try await store.revision()
        guard revision <= reached else { throw StoreError.future(revision, reached: reached) }
        // A limit with a version and no match means that version, as in kube-apiserver.
        guard query.match == .exact || (query.match == nil && query.limit != nil) else { return nil }
        return Page.Continuation(revision: revision, after: ObjectKey(resource: kind.storage, name: ""))
    }
}
