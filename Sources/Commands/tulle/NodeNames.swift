import Agent
import CLinux
import DNS
import Glibc
import KubeAPI
import Telemetry

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

    /// What a pod appends to short names, and by which transports no policy lets it ask.
    struct SearchList {
        let searches: [DomainName]
        let dots: Int
        let refused: [String]
    }

    /// There was no answer.
    struct Silence: Error, CustomStringConvertible {
        /// Somebody is there, and says why there is none.
        let isRefusal: Bool
        /// `node n1 has no pod shop/cart-0`
        let said: String

        var description: String {
            isRefusal
                ? "\(said); name one of them with --server: kubectl --namespace kube-system get service kube-dns tells its address"
                : said
        }
    }

    /// Whether somebody takes connections at a socket.
    static func isThere(_ socket: String) -> Bool {
        let descriptor = clinux_unix_socket()
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return clinux_unix_connect(descriptor, socket) == 0
    }

    /// Of the pod.
    func searchList() throws -> SearchList {
        let tree = try page("/names/pod/\(pod.map { "\($0.namespace)/\($0.name)" } ?? "")")
        let searches = (tree["searches"]?.array ?? []).compactMap { $0.string.flatMap { DomainName($0) } }
        let refused = (tree["refused"]?.array ?? []).compactMap(\.string)
        return SearchList(searches: searches, dots: Int(tree["ndots"]?.number?.integer ?? 1), refused: refused)
    }

    func ask(_ question: Question) throws -> Answer {
        let suffix = pod.map { "/\($0.namespace)/\($0.name)" } ?? ""
        let name = HTTPQuestion.part("\(question.name)")
        let tree = try page("/names/ask/\(question.type)/\(name)\(suffix)")
        let bytes = (tree["message"]?.array ?? []).compactMap { $0.number?.integer.flatMap { UInt8(exactly: $0) } }
        guard let message = try? Message(bytes) else { throw silent("what is said there is no answer") }
        let (node, server) = (tree["node"]?.string ?? "", tree["server"]?.string ?? "")
        return Answer(who: "the agent of \(node), at \(server)", message: message, explanation: tree["explanation"] ?? .null)
    }

    private func silent(_ why: String) -> Silence { Silence(isRefusal: false, said: "the agent's socket \(socket): \(why)") }

    private func page(_ path: String) throws -> JSONValue {
        let descriptor = clinux_unix_socket()
        guard descriptor >= 0 else { throw silent("no socket: \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        // An outside name takes as long as a client waits for it.
        _ = clinux_socket_receive_timeout(descriptor, 6000)
        _ = clinux_socket_send_timeout(descriptor, 1000)
        guard clinux_unix_connect(descriptor, socket) == 0 else { throw silent(String(cString: strerror(errno))) }
        let request = Array("GET \(path) HTTP/1.1\r\nhost: agent\r\nconnection: close\r\n\r\n".utf8)
        guard write(descriptor, request, request.count) == request.count else { throw silent("nobody listens") }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 65536)
        while bytes.count < 1 << 22 {
            let count = read(descriptor, &piece, piece.count)
            guard count > 0 else { break }
            bytes += piece[..<count]
        }
        let text = String(decoding: bytes, as: UTF8.self)
        guard text.hasPrefix("HTTP/1.1 "), let end = text.firstRange(of: "\r\n\r\n") else {
            throw silent("no answer within six seconds")
        }
        let body = text[end.upperBound...]
        guard text.hasPrefix("HTTP/1.1 200 ") else { throw Silence(isRefusal: true, said: String(body.prefix { $0 != "\n" })) }
        do { return try JSONReader().value(String(body)) } catch { throw silent("what is said there is no JSON") }
    }
}
