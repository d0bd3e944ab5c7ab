internal import KubeAPI
internal import Logging
internal import NIOCore
internal import Reconcile

/// Carries out what ``InformerStateMachine`` decides, for one collection.
struct Informer {
    let kind: GroupVersionKind
    let path: String
    /// Parameters of every request, such as a field selector; encoded.
    let selection: String
    let registry: Registry
    let backoff: Backoff
    let transport: any APITransport
    let clock: any Clock<Duration>
    let random: @Sendable () -> Double
    /// Whether the server need not serve the kind.
    let isOptional: Bool
    /// Whether the server may forbid to read it.
    let mayBeForbidden: Bool
    let logger: Logger

    /// How long a watch is asked to last, before the spread: as client-go does, 5 to 10 minutes.
    private static var watchSeconds: Double { 300 }

    /// Follows until the task is cancelled.
    ///
    /// - Parameter deliver: takes what came together.
    func run(_ deliver: @escaping @Sendable ([ObjectEvent]) -> Void) async {
        let outbox = Outbox(deliver)
        var machine = InformerStateMachine(
            origin: path, backoff: backoff, isOptional: isOptional, mayBeForbidden: mayBeForbidden)
        var action = machine.start()
        while !Task.isCancelled {
            logger.debug("informer", metadata: ["path": "\(path)", "action": "\(action)"])
            switch action {
            case .list(let token, let limit):
                let step = await list(token, limit, &machine)
                tell(step.events, outbox)
                action = step.action
            case .watch(let version):
                action = await watch(version, &machine, outbox)
            case .wait(let duration):
                do { try await clock.sleep(for: duration) } catch { return }
                action = machine.waited()
            case .read:
                preconditionFailure("asked to read a watch that is not open")
            }
        }
    }

    private func tell(_ events: [ObjectEvent], _ outbox: Outbox) {
        keep(events, outbox)
        outbox.send()
    }

    private func keep(_ events: [ObjectEvent], _ outbox: Outbox) {
        // A request that ends because we end is no fault of the server, and nobody is to hear of it.
        if !Task.isCancelled { outbox.put(events) }
    }
}

// MARK: - Listing

extension Informer {
    private func list(_ token: String?, _ limit: Int?, _ machine: inout InformerStateMachine) async -> InformerStateMachine.Step {
        var query = selection
        if let limit { query += "&limit=\(limit)" }
        if let token { query += "&continue=\(percentEncoded(token))" }
        do {
            let response = try await transport.send(APIRequest(.get, target(query)))
            let bytes = try await response.bytes()
            guard response.status == 200 else { return machine.listFailed(failure(response.status, bytes), random: random()) }
            let list = try JSONReader().document(bytes).value
            let readings = (list["items"]?.array ?? []).map { registry.read($0, as: kind) }
            let metadata = list["metadata"]
            return machine.listed(
                readings, continuing: metadata?["continue"]?.string, resourceVersion: metadata?["resourceVersion"]?.string ?? "")
        } catch {
            return machine.listFailed(InformerStateMachine.Failure(status: nil, message: "\(error)"), random: random())
        }
    }
}

// MARK: - Watching

extension Informer {
    private func watch(
        _ version: String, _ machine: inout InformerStateMachine, _ outbox: Outbox
    ) async -> InformerStateMachine.Action {
        let seconds = Int(Self.watchSeconds * (1 + random()))
        let query =
            selection
            + "&watch=true&allowWatchBookmarks=true&timeoutSeconds=\(seconds)&resourceVersion=\(percentEncoded(version))"
        let step: InformerStateMachine.Step
        let lasted = clock.stopwatch()
        do {
            let response = try await transport.send(APIRequest(.get, target(query), isWatch: true))
            if response.status == 200 {
                tell(machine.watchOpened(), outbox)
                let wanted = try await withTaskExecutorPreference(response.loop) {
                    try await read(response, &machine, outbox)
                }
                if let wanted { return wanted }
                step = machine.watchEnded(nil, after: lasted(), random: random())
            } else {
                step = machine.watchEnded(failure(response.status, try await response.bytes()), after: lasted(), random: random())
            }
        } catch {
            step = machine.watchEnded(
                InformerStateMachine.Failure(status: nil, message: "\(error)"), after: lasted(), random: random())
        }
        tell(step.events, outbox)
        return step.action
    }

    /// Reads a watch until it ends in order (`nil`) or the machine wants something else.
    private func read(
        _ response: APIResponse, _ machine: inout InformerStateMachine, _ outbox: Outbox
    ) async throws -> InformerStateMachine.Action? {
        var stream = JSONStream()
        // Nothing that was read is kept from anybody by how the watch ends.
        defer { outbox.send() }
        for try await chunk in response.body {
            let isFirst = outbox.isEmpty
            for document in try stream.feed(chunk.readableBytesView) {
                let step = machine.watched(try event(document), random: random())
                keep(step.events, outbox)
                guard step.action == .read else { return step.action }
            }
            guard let loop = response.loop else {
                outbox.send()
                continue
            }
            // More chunks may have been read with this one: they are told together.
            if isFirst, !outbox.isEmpty { loop.afterwards { outbox.send() } }
        }
        // A server that ends a watch cuts it between two events; a cut inside one is a broken connection.
        try stream.finish()
        return nil
    }

    private func event(_ document: JSONValue) throws -> InformerStateMachine.WatchEvent {
        let tree = document["object"] ?? .null
        let version = tree["metadata"]?["resourceVersion"]?.string ?? ""
        switch document["type"]?.string {
        case "ADDED": return .added(registry.read(tree, as: kind), resourceVersion: version)
        case "MODIFIED": return .modified(registry.read(tree, as: kind), resourceVersion: version)
        case "DELETED":
            let metadata = tree["metadata"]
            guard let name = metadata?["name"]?.string else { throw Unusable(description: "a deletion without a name") }
            return .deleted(
                ObjectKey(kind, namespace: metadata?["namespace"]?.string ?? "", name: name), resourceVersion: version)
        case "BOOKMARK": return .bookmark(resourceVersion: version)
        case "ERROR": return .error(failure(nil, tree))
        default: throw Unusable(description: "a watch event of the unknown type \(document["type"] ?? .null)")
        }
    }
}

// MARK: - Requests

extension Informer {
    private struct Unusable: Error, CustomStringConvertible {
        let description: String
    }

    private func target(_ query: String) -> String {
        query.isEmpty ? path : "\(path)?\(query.drop { $0 == "&" })"
    }

    /// A refusal's text: the message of a `Status`, or the beginning of what a proxy says instead.
    private func failure(_ status: Int, _ bytes: [UInt8]) -> InformerStateMachine.Failure {
        if let tree = try? JSONReader().document(bytes).value { return failure(status, tree) }
        return InformerStateMachine.Failure(status: status, message: String(decoding: bytes.prefix(200), as: UTF8.self))
    }

    private func failure(_ status: Int?, _ tree: JSONValue) -> InformerStateMachine.Failure {
        let code = tree["code"]?.number?.integer.flatMap { Int(exactly: $0) }
        return InformerStateMachine.Failure(
            status: status ?? code, message: tree["message"]?.string ?? tree["reason"]?.string ?? "")
    }
}

/// Text in a query: everything but RFC 3986's unreserved characters is escaped.
func percentEncoded(_ text: String) -> String {
    var result = ""
    for byte in text.utf8 {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
            result.unicodeScalars.append(Unicode.Scalar(byte))
        default:
            result += (byte < 0x10 ? "%0" : "%") + String(byte, radix: 16, uppercase: true)
        }
    }
    return result
}
