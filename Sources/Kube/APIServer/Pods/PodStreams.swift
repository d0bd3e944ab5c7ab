public import KubeAPI
public import NIOCore

/// What the server asks of whoever runs the pods. The server looks the pod up and reads the request; this answers it.
///
/// Throw a ``Status`` to say why something cannot be had: the client sees it as it is.
public protocol PodStreams: Sendable {
    /// A container's log. Called before the answer begins, so what it throws becomes the answer.
    func log(of pod: PodTarget, _ options: LogOptions) async throws -> PodLog

    /// Serves exec, attach or port-forward until one side has enough; the connection is closed when it returns.
    ///
    /// The messages are those of the subprotocol agreed on (`channel.k8s.io`): the first byte of a binary message is its channel.
    func serve(_ kind: StreamKind, of pod: PodTarget, _ options: StreamOptions, over socket: WebSocket) async throws
}

/// The pod that a stream is about, as it is stored.
public struct PodTarget: Sendable {
    public var namespace: String
    public var name: String
    public var node: String
    public var object: JSONValue
}

/// A log as it is sent: whole or going on.
public struct PodLog: Sendable {
    let chunks: AsyncThrowingStream<ByteBuffer, any Error>
    let cancel: @Sendable () -> Void

    /// - Parameters:
    ///   - chunks: the bytes, until there are no more.
    ///   - cancel: called when nobody listens any more, also after the end; it must end `chunks`.
    public init(_ chunks: AsyncThrowingStream<ByteBuffer, any Error>, cancel: @escaping @Sendable () -> Void) {
        self.chunks = chunks
        self.cancel = cancel
    }
}

/// The query of `pods/log`.
public struct LogOptions: Hashable, Sendable {
    /// Empty when the pod's only container is meant.
    public var container = ""
    public var follows = false
    /// Of the container before its last restart.
    public var isPrevious = false
    public var showsTimestamps = false
    /// `nil` for all.
    public var tailLines: Int64?
    public var limitBytes: Int64?
    public var sinceSeconds: Int64?
    /// RFC 3339.
    public var sinceTime: String?

    public init() {}
}

public enum StreamKind: String, Hashable, Sendable, CaseIterable {
    case exec
    case attach
    /// Refused by the server until it is served.
    case portForward = "portforward"
}

/// The query of exec, attach and port-forward.
public struct StreamOptions: Hashable, Sendable {
    public var container = ""
    public var command: [String] = []
    public var stdin = false
    public var stdout = false
    public var stderr = false
    public var tty = false
    public var ports: [UInt16] = []

    public init() {}
}

extension LogOptions {
    init(_ query: Query) throws(Status) {
        container = query["container"] ?? ""
        (follows, isPrevious) = (try query.bool("follow"), try query.bool("previous"))
        showsTimestamps = try query.bool("timestamps")
        tailLines = try Self.count(query, "tailLines", from: 0)
        limitBytes = try Self.count(query, "limitBytes", from: 1)
        sinceSeconds = try Self.count(query, "sinceSeconds", from: 1)
        sinceTime = query["sinceTime"]
    }

    private static func count(_ query: Query, _ name: String, from least: Int64) throws(Status) -> Int64? {
        guard let number = try query.integer(name) else { return nil }
        guard number >= least else { throw .badRequest("\(name) must be at least \(least), not \(number)") }
        return number
    }
}

extension StreamOptions {
    init(_ query: Query) throws(Status) {
        container = query["container"] ?? ""
        command = query.all("command")
        (stdin, stdout) = (try query.bool("stdin"), try query.bool("stdout"))
        (stderr, tty) = (try query.bool("stderr"), try query.bool("tty"))
        ports = try query.all("ports").flatMap { $0.split(separator: ",") }.map { text throws(Status) in
            guard let port = UInt16(text), port > 0 else { throw .badRequest("ports must be 1 to 65535, not \(text)") }
            return port
        }
    }
}
