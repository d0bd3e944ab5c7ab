import KubeAPI
import KubeClient
import Reconcile
import Synchronization

@testable import Lab

/// What the API says of a few kinds at every moment, for tests that wait for something to become so.
final class ClusterMirror: Sendable {
    private let state = Mutex(State())

    struct View: Sendable {
        var objects: [ObjectKey: JSONValue] = [:]

        func all(_ kind: GroupVersionKind, in namespace: String = "default") -> [Item] {
            objects.filter { $0.key.isOf(kind) && $0.key.namespace == namespace }.values.compactMap(Item.init)
                .sorted { $0.name < $1.name }
        }
        func one(_ kind: GroupVersionKind, _ name: String, in namespace: String = "default") -> Item? {
            objects[ObjectKey(kind, namespace: namespace, name: name)].flatMap(Item.init)
        }
        /// Pods of the name's beginning that are Ready and are to stay.
        func ready(_ prefix: String) -> [Item] {
            all(Kinds.pod).filter { $0.name.hasPrefix(prefix) && $0.isReadyPod && !$0.isBeingDeleted }
        }
    }

    private struct State {
        var view = View()
        /// Every pod that ever was, by uid.
        var seen: [String: String] = [:]
        var waiting: [(isMet: @Sendable (View) -> Bool, CheckedContinuation<View, Never>)] = []
    }

    /// The names of all pods that ever were there.
    var pods: [String] { state.withLock { Array($0.seen.values) } }
    var view: View { state.withLock { $0.view } }

    func run(_ client: APIClient, _ kinds: [GroupVersionKind]) async {
        let source = client.source(
            kinds.map { .init(Kinds.resource($0)) }, registry: Registry([]),
            backoff: Backoff(first: .milliseconds(10), limit: .milliseconds(100)))
        await withDiscardingTaskGroup { group in
            group.addTask { await source.run() }
            for await batch in source.events {
                for event in batch.events {
                    switch event {
                    case .listed(let objects): change { view in for object in objects { view.objects[object.key] = object.tree } }
                    case .added(let object), .modified(let object): change { $0.objects[object.key] = object.tree }
                    case .deleted(let key, _): change { $0.objects[key] = nil }
                    case .faults: break
                    }
                }
            }
            group.cancelAll()
        }
    }

    private func change(_ body: (inout View) -> Void) {
        let (met, view) = state.withLock { state -> ([CheckedContinuation<View, Never>], View) in
            body(&state.view)
            for (key, tree) in state.view.objects where key.isOf(Kinds.pod) {
                state.seen[tree[field: "metadata", "uid"]?.string ?? ""] = key.name
            }
            let view = state.view
            let met = state.waiting.filter { $0.isMet(view) }.map(\.1)
            state.waiting.removeAll { $0.isMet(view) }
            return (met, view)
        }
        for continuation in met { continuation.resume(returning: view) }
    }

    /// Returns when it has become so.
    @discardableResult
    func until(_ isMet: @escaping @Sendable (View) -> Bool) async -> View {
        await withCheckedContinuation { continuation in
            let view = state.withLock { state -> View? in
                if isMet(state.view) { return state.view }
                state.waiting.append((isMet, continuation))
                return nil
            }
            if let view { continuation.resume(returning: view) }
        }
    }
}

/// Counts what is written.
struct CountingTransport: APITransport {
    let inner: any APITransport
    let writes: Tally

    final class Tally: Sendable {
        private let lines = Mutex<[String]>([])
        func note(_ line: String) { lines.withLock { $0.append(line) } }
        var all: [String] { lines.withLock { $0 } }
    }

    func send(_ request: APIRequest) async throws -> APIResponse {
        if request.method != .get { writes.note(request.description) }
        return try await inner.send(request)
    }
}
