import Addressing
public import DNS
import KubeAPI
import Logging
import NameServer
import Plan
import Telemetry

/// Where this node's people ask its name server, as its pods do: a unix socket in the agent's directory, spoken to over HTTP.
///
/// | | |
/// |---|---|
/// | `/names/pod/<namespace>/<name>` | a pod's search list, and by which transports it may not ask |
/// | `/names/ask/<type>/<name>` | an answer, as the node itself gets it, and where it comes from |
/// | `/names/ask/<type>/<name>/<namespace>/<pod>` | the same as the pod gets it |
///
/// A slash in a name is `%2F`, as in `0%2F25.2.0.192.in-addr.arpa`. 404 with a sentence: this node answers nobody, or has no such pod.
struct NameDesk {
    private let node: String
    private let server: LocalNameServer
    private let names: LocalNameKeeper

    init(_ node: String, _ server: LocalNameServer, _ names: LocalNameKeeper) {
        (self.node, self.server, self.names) = (node, server, names)
    }

    /// Listens in the agent's directory; that nobody can be asked there is told, and keeps nobody from anything.
    func open(in directory: String, logger: Logger) async -> AnswerServer? {
        let path = LocalNameSettings.socket(in: directory)
        do {
            return try await AnswerServer.open(atSocket: path) { question, answered in answer(question, answered) }
        } catch {
            logger.warning("nobody can be asked for names here", metadata: ["socket": "\(path)", "error": "\(error)"])
            return nil
        }
    }

    private func answer(_ question: HTTPQuestion, _ answered: @escaping @Sendable (HTTPAnswer) -> Void) {
        guard let words = question.parts, words.count >= 3, words[0] == "names" else { return answered(.notFound) }
        switch (words[1], words.count) {
        case ("pod", 4): answered(pod(ObjectKey(Pod.resource.kind, namespace: words[2], name: words[3])))
        case ("ask", 4), ("ask", 6):
            guard let type = RecordType(words[2]), let name = DomainName(words[3]) else {
                return answered(HTTPAnswer(400, "ask for /names/ask/<type>/<name>, such as /names/ask/A/example.org\n"))
            }
            let pod = words.count == 6 ? ObjectKey(Pod.resource.kind, namespace: words[4], name: words[5]) : nil
            ask(Question(name, type), as: pod, answered)
        default: answered(.notFound)
        }
    }

    private func pod(_ pod: ObjectKey) -> HTTPAnswer {
        guard let address = server.addresses(of: pod).first, let list = server.searchList(of: pod) else { return absent(pod) }
        return HTTPAnswer(
            200,
            [
                "searches": .array(list.searches.map { .string("\($0)") }), "ndots": .number(JSONNumber(Int64(list.dots))),
                "refused": .array(names.refusals(of: address).map { .string("\($0)") }),
            ])
    }

    private func ask(_ question: Question, as pod: ObjectKey?, _ answered: @escaping @Sendable (HTTPAnswer) -> Void) {
        guard let place = names.servers.sorted().first else {
            return answered(HTTPAnswer(404, "node \(node) leaves names to the cluster's servers\n"))
        }
        var client = LocalNameTable.prober(place.family)
        if let pod {
            guard let address = server.addresses(of: pod).first else { return answered(absent(pod)) }
            client = address
        }
        let isAsked = server.answer(question, from: client) { [node] bytes, why in
            guard let bytes else { return answered(HTTPAnswer(503, "the question is one that nobody answers\n")) }
            let isFound = (try? Message(bytes))?.tells(question.type) ?? false
            answered(
                HTTPAnswer(
                    200,
                    [
                        "node": .string(node), "server": .string("\(place)"), "found": .bool(isFound), "explanation": why,
                        "message": .array(bytes.map { .number(JSONNumber(Int64($0))) }),
                    ]))
        }
        if !isAsked { answered(HTTPAnswer(404, "node \(node) leaves names to the cluster's servers\n")) }
    }

    private func absent(_ pod: ObjectKey) -> HTTPAnswer {
        HTTPAnswer(404, "node \(node) has no pod \(pod.namespace)/\(pod.name)\n")
    }
}

extension Message {
    /// Whether something of the type is told: an alias alone tells nothing of the name that it leads to.
    public func tells(_ type: RecordType) -> Bool {
        responseCode == .noError && answers.contains { type == .any || $0.type == type }
    }
}

extension HTTPAnswer {
    fileprivate init(_ status: Int, _ tree: JSONValue) { self.init(status, "\(tree)\n", contentType: "application/json") }
}
