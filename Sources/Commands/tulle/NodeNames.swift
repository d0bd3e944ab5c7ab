import Agent
import CLinux
import DNS
import Glibc
import KubeAPI

/// The name server of a node, asked by its agent's socket: what a pod would be answered there.
struct NodeNames {
    let socket: String
    /// As whom; `nil`: as the node itself.
    let pod: (namespace: String, name: String)?

    struct Answer {
        /// Who answered: `the agent of n1, at 10.96.0.10`.
        let who: String
        let message: Message
        /// Which objects gave it, as ``NameExplanation`` tells it.
        let explanation: JSONValue
    }

    /// What the pod appends to short names, and by which transports no policy lets it ask; `nil` when nobody answers at the socket or
    /// knows the pod.
    var searchList: (searches: [DomainName], dots: Int, refused: [String])? {
        guard let pod, let tree = page("/names/pod/\(pod.namespace)/\(pod.name)") else { return nil }
        let searches = (tree["searches"]?.array ?? []).compactMap { $0.string.flatMap { DomainName($0) } }
        let refused = (tree["refused"]?.array ?? []).compactMap(\.string)
        return (searches, Int(tree["ndots"]?.number?.integer ?? 1), refused)
    }

    /// `nil` when nobody answers at the socket, or the node leaves names to the cluster's servers.
    func ask(_ question: Question) -> Answer? {
        let suffix = pod.map { "/\($0.namespace)/\($0.name)" } ?? ""
        guard let tree = page("/names/ask/\(question.type)/\(question.name)\(suffix)"),
            let message = try? Message(
                (tree["message"]?.array ?? []).compactMap { $0.number?.integer.flatMap { UInt8(exactly: $0) } })
        else { return nil }
        let (node, server) = (tree["node"]?.string ?? "", tree["server"]?.string ?? "")
        return Answer(who: "the agent of \(node), at \(server)", message: message, explanation: tree["explanation"] ?? .null)
    }

    private func page(_ path: String) -> JSONValue? {
        let descriptor = clinux_unix_socket()
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        // An outside name takes as long as a client waits for it.
        _ = clinux_socket_receive_timeout(descriptor, 6000)
        _ = clinux_socket_send_timeout(descriptor, 1000)
        guard clinux_unix_connect(descriptor, socket) == 0 else { return nil }
        let request = Array("GET \(path) HTTP/1.1\r\nhost: agent\r\nconnection: close\r\n\r\n".utf8)
        guard write(descriptor, request, request.count) == request.count else { return nil }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 65536)
        while bytes.count < 1 << 22 {
            let count = read(descriptor, &piece, piece.count)
            guard count > 0 else { break }
            bytes += piece[..<count]
        }
        let text = String(decoding: bytes, as: UTF8.self)
        guard text.hasPrefix("HTTP/1.1 200 "), let end = text.firstRange(of: "\r\n\r\n") else { return nil }
        return try? JSONReader().value(String(text[end.upperBound...]))
    }
}
