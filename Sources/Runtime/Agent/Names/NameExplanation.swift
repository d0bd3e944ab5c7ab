import Addressing
import DNS
import KubeAPI
import NameServer

/// The answer that a question gets from the cluster's zones, and where it comes from.
struct NameExplanation {
    let json: JSONValue

    /// - Parameter forwarder: who asks for names that are in none of the zones.
    init(_ question: Question, _ zones: Zones, _ forwarder: Forwarder?) {
        var tree: JSONValue = [
            "name": .string(question.name.description), "type": .string(question.type.description),
        ]
        var answering = Answering()
        let query = Message.query(question, id: 0)
        let (outcome, bytes) = answering.answer(query.bytes(), from: zones, Circumstances(.tcp, forwards: true))
        switch outcome {
        case .outside:
            tree[at: "outside"] = .string(question.name.description)
            tree[at: "upstreams"] = Self.upstreams(forwarder)
        case .answer, .unfinished, .silence:
            guard let message = try? Message(bytes) else { break }
            tree[at: "code"] = .string(message.responseCode.description)
            tree[at: "answers"] = .array(message.answers.map { .string($0.description) })
            tree[at: "from"] = Self.sources([question.name] + message.answers.map(\.name), in: zones)
            if case .unfinished(_, _, let alias) = outcome {
                tree[at: "outside"] = .string(alias.description)
                tree[at: "upstreams"] = Self.upstreams(forwarder)
            }
        }
        if let zone = zones.zone(of: question.name) { tree[at: "zone"] = .string(zone.apex.description) }
        json = tree
    }

    /// Each name once, with the objects that gave what stands there.
    private static func sources(_ names: [DomainName], in zones: Zones) -> JSONValue {
        var seen: Set<DomainName> = []
        return .array(
            names.filter { seen.insert($0).inserted }.compactMap { name in
                let sources = zones.zone(of: name)?.sources(of: name) ?? []
                guard !sources.isEmpty else { return nil }
                return ["name": .string(name.description), "objects": .array(sources.map { .string($0) })]
            })
    }

    private static func upstreams(_ forwarder: Forwarder?) -> JSONValue {
        .array(
            (forwarder?.figures.upstreams ?? []).map { peer in
                var tree: JSONValue = ["address": .string(peer.upstream.description)]
                if let latency = peer.latency {
                    tree[at: "microseconds"] = .number(JSONNumber(Int64(latency / .microseconds(1))))
                }
                if peer.isResting { tree[at: "state"] = "resting: it has not answered lately" }
                if peer.isLoop { tree[at: "state"] = "not asked: what is sent to it comes back" }
                return tree
            })
    }
}
