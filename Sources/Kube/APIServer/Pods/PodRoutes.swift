import Hummingbird
import KubeAPI
import NIOCore

/// The parts of a pod that somebody else answers: the one who runs it.
struct PodRoutes: Sendable {
    let api: ObjectAPI
    let tokens: AccessTokens
    /// `nil`: nobody runs pods here.
    let streams: (any PodStreams)?

    func log(_ kind: ServedKind, _ namespace: String, _ name: String, _ query: Query, _ channel: any Channel) async throws
        -> Response
    {
        let options = try LogOptions(query)
        let target = try await target(kind, namespace, name)
        guard let streams else { throw Self.nobody }
        let log = try await streams.log(of: target, options)
        channel.closeFuture.whenComplete { _ in log.cancel() }
        return Response(
            status: .ok, headers: [.contentType: "text/plain"],
            body: ResponseBody { writer in
                defer { log.cancel() }
                // The head goes out at once, also when the log is silent.
                try await writer.write(ByteBuffer())
                for try await chunk in log.chunks { try await writer.write(chunk) }
                try await writer.finish(nil)
            })
    }

    /// exec and attach, over WebSockets; what cannot be had is refused in one sentence.
    var webSockets: [WebSocketRoute] {
        StreamKind.allCases.map { stream in
            var route = WebSocketRoute(
                serves: { path in
                    guard let target = Target(path: path) else { return false }
                    return target.group.isEmpty && target.plural == "pods" && target.namespace != nil
                        && target.subresource == stream.rawValue
                },
                subprotocols: stream == .portForward ? [] : WebSocketRoute.channelProtocols
            ) { socket in
                do {
                    try await serve(stream, socket)
                } catch {
                    // Channel 3 carries how it ended, as a Status.
                    var message = ByteBuffer(bytes: [3])
                    message.writeBytes(Status(describing: error).json)
                    try await socket.send(.binary(message))
                }
            }
            route.advice = stream == .portForward ? Self.noForwarding : Self.noSPDY(stream)
            return route
        }
    }

    private static let noForwarding = Status.notImplemented(
        "port-forward is not served: reach the pod from a node, for example with tulle lab node NAME -- curl ADDRESS")

    private static func noSPDY(_ stream: StreamKind) -> Status {
        .badRequest(
            "\(stream.rawValue) is served over WebSockets (\(WebSocketRoute.channelProtocols.joined(separator: ", "))) and not over SPDY: upgrade to a WebSocket, with kubectl from version 1.30 on, or take tulle lab exec"
        )
    }

    private func serve(_ stream: StreamKind, _ socket: WebSocket) async throws {
        let door = Doorkeeper(tokens: tokens, api: api)
        guard try await door.user(authorization: socket.authorization) != nil else { throw Status.unauthorized }
        let options = try StreamOptions(try Query(socket.query))
        guard let place = Target(path: socket.path), let name = place.name, let kind = api.kinds.kind(place) else {
            throw Status.unknownPath
        }
        let target = try await target(kind, place.namespace ?? "", name)
        if stream == .exec, options.command.isEmpty {
            throw Status.badRequest("you must specify at least one command for the container")
        }
        guard let streams else { throw Self.nobody }
        try await streams.serve(stream, of: target, options, over: socket)
    }

    private func target(_ kind: ServedKind, _ namespace: String, _ name: String) async throws -> PodTarget {
        let pod = try await api.object(kind, namespace, name)
        let node = pod.at("spec", "nodeName")?.string ?? ""
        guard !node.isEmpty else { throw Status.badRequest("pod \(name) does not have a host assigned") }
        return PodTarget(namespace: namespace, name: name, node: node, object: pod)
    }

    private static let nobody = Status(
        code: 503, reason: "ServiceUnavailable", message: "nobody runs pods for this server: their logs and streams cannot be had"
    )
}
