import HTTPTypes
import Hummingbird
import KubeAPI
import NIOCore
import Synchronization

/// A watch as an answer: one JSON event a line, until either side has enough.
struct WatchStream: Sendable {
    let watch: Watch
    /// What comes before the watch's own changes.
    let first: [JSONValue]
    let query: CollectionQuery
    let rendering: Rendering
    /// How long a client may take to read what is left when the watch is over.
    let patience: TimeAmount

    /// How often a client that asked for bookmarks is told how far it has come.
    static let bookmarkInterval = TimeAmount.seconds(60)

    func response(on channel: any Channel) -> Response {
        // A watch of something quiet writes nothing for hours, and would not notice by itself that nobody listens any more.
        channel.closeFuture.whenComplete { [watch] _ in watch.cancel() }
        // One that does not read holds the writer up, which then cannot see that the watch is over.
        let farewell = Farewell(channel: channel, patience: patience)
        watch.onEnd { farewell.begin() }
        let end = query.timeout.map { seconds in
            channel.eventLoop.scheduleTask(in: .seconds(min(seconds, 1 << 31))) { [watch] in watch.cancel() }
        }
        let bookmarks = query.wantsBookmarks ? tick(on: channel.eventLoop) : nil
        return Response(
            status: .ok, headers: [.contentType: "application/json"],
            body: ResponseBody { writer in
                defer {
                    end?.cancel()
                    bookmarks?.cancel()
                    farewell.finish()
                }
                var lines = EventLines(query: query, rendering: rendering)
                do {
                    for object in first { lines.write("ADDED", object) }
                    // The head goes out at once: a client waits for it before it trusts the watch.
                    try await writer.write(lines.take())
                    while let step = try await watch.step() {
                        switch step {
                        case .changes(let changes): for change in changes { try lines.write(change) }
                        case .bookmark(let revision): lines.write(bookmark: revision)
                        }
                        let text = lines.take()
                        if text.readableBytes > 0 { try await writer.write(text) }
                    }
                } catch let error as StoreError {
                    var line = ByteBuffer()
                    line.writeEvent("ERROR", Status(error).tree)
                    try await writer.write(line)
                }
                try await writer.finish(nil)
            })
    }

    private func tick(on loop: any EventLoop) -> RepeatedTask {
        loop.scheduleRepeatedTask(initialDelay: Self.bookmarkInterval, delay: Self.bookmarkInterval) { [watch] _ in watch.nudge()
        }
    }
}

/// Closes a connection whose client does not read to the end of its watch.
private final class Farewell: Sendable {
    private struct State: Sendable {
        var isFinished = false
        var timer: Scheduled<Void>?
    }

    private let channel: any Channel
    private let patience: TimeAmount
    private let state = Mutex(State())

    init(channel: any Channel, patience: TimeAmount) {
        self.channel = channel
        self.patience = patience
    }

    /// From now on the answer has to come to its end. Called once.
    func begin() {
        state.withLock { state in
            guard !state.isFinished else { return }
            state.timer = channel.eventLoop.scheduleTask(in: patience) { [channel] in channel.close(promise: nil) }
        }
    }

    /// The answer is written.
    func finish() {
        let timer = state.withLock { state in
            state.isFinished = true
            return state.timer
        }
        timer?.cancel()
    }
}

/// Turns changes into a watch's lines. Pure.
///
/// | the selection holds it | before | after | event |
/// |---|---|---|---|
/// | | no | yes | ADDED |
/// | | yes | yes | MODIFIED |
/// | | yes | no | DELETED, with the object as it was and the version of the change |
struct EventLines {
    let query: CollectionQuery
    let rendering: Rendering
    private var isFirst = true
    private var text = ByteBuffer()

    init(query: CollectionQuery, rendering: Rendering) {
        self.query = query
        self.rendering = rendering
    }

    /// What was written since the last call.
    mutating func take() -> ByteBuffer {
        defer { text = ByteBuffer() }
        return text
    }

    mutating func write(_ change: Change) throws {
        if !query.selects, rendering.form == .object, !rendering.kind.isConverted {
            text.writeEvent(change.kind.rawValue, change.object.body)
            return
        }
        let object = try ObjectAPI.tree(change.object, as: rendering.kind)
        guard query.selects else { return write(change.kind.rawValue, object) }
        // What could not be read was selected by nobody.
        let before = change.previous.flatMap { try? ObjectAPI.tree($0, as: rendering.kind) }
        let (was, now) = (before.map(query.selects) ?? false, change.kind != .deleted && query.selects(object))
        switch (was, now) {
        case (false, true): write("ADDED", object)
        case (true, true): write("MODIFIED", object)
        case (true, false):
            var last = before ?? object
            last.set(.string(change.revision.description), at: "metadata", "resourceVersion")
            write("DELETED", change.kind == .deleted ? object : last)
        case (false, false): break
        }
    }

    mutating func write(_ type: String, _ object: JSONValue) {
        text.writeEvent(type, rendering.event(object, isFirst: isFirst))
        isFirst = false
    }

    mutating func write(bookmark revision: Revision) {
        let metadata: JSONValue = ["resourceVersion": .string(revision.description), "creationTimestamp": nil]
        var object: JSONValue = [
            "kind": .string(rendering.kind.kind), "apiVersion": .string(rendering.kind.apiVersion), "metadata": metadata,
        ]
        switch rendering.form {
        case .object: break
        case .metadata: object = ["kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata]
        case .table:
            object = [
                "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": ["resourceVersion": .string(revision.description)],
                "columnDefinitions": [], "rows": [],
            ]
        }
        text.writeEvent("BOOKMARK", object)
    }
}

extension ByteBuffer {
    /// One event of a watch and its newline.
    mutating func writeEvent(_ type: String, _ object: [UInt8]) {
        writeString(#"{"type":""#)
        writeString(type)
        writeString(#"","object":"#)
        writeBytes(object)
        writeString("}\n")
    }

    mutating func writeEvent(_ type: String, _ object: JSONValue) {
        writeEvent(type, JSONWriter().bytes(of: object))
    }
}
