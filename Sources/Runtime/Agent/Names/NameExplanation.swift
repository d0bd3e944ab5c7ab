import Addressing
import DNS
import KubeAPI
import NameServer

/// The answer that a question gets from the cluster's zones, and where it comes from.
struct NameExplanation {
    let json: JSONValue

    /// - Parameters:
    ///   - forwarder: who asks for names that are in none of the zones; `nil`: nobody does.
    ///   - now: as the forwarder's memory has it.
    init(_ question: Question, _ zones: Zones, _ forwarder: Forwarder?, now: Duration) {
        var tree: JSONValue = [
            "name": .string(question.name.description), "type": .string(question.type.description),
        ]
        var answering = Answering()
        let query = Message.query(question, id: 0)
        let (outcome, bytes) = answering.answer(query.bytes(), from: zones, Circumstances(.tcp, forwards: true))
        switch outcome {
        case .outside:
            tree[at: "outside"] = .string(question.name.description)
            tree[at: "upstreams"] = Self.upstreams(forwarder, of: question.name)
            tree[at: "memory"] = Self.memory(question, forwarder, now)
        case .answer, .unfinished, .silence:
            guard let message = try? Message(bytes) else { break }
            tree[at: "code"] = .string(message.responseCode.description)
            tree[at: "answers"] = .array(message.answers.map { .string($0.description) })
            tree[at: "from"] = Self.sources([question.name] + message.answers.map(\.name), in: zones)
            if case .unfinished(_, _, let alias) = outcome {
                tree[at: "outside"] = .string(alias.description)
                tree[at: "upstreams"] = Self.upstreams(forwarder, of: alias)
                tree[at: "memory"] = Self.memory(Question(alias, question.type), forwarder, now)
            }
        }
        if let zone = zones.zone(of: question.name) {
            tree[at: "zone"] = .string(zone.apex.description)
        } else if zones.covers(question.name) {
            // A host is a zone of its own.
            tree[at: "zone"] = .string(question.name.description)
        }
        json = tree
    }

    /// Each name once, with the objects that gave what stands there.
    private static func sources(_ names: [DomainName], in zones: Zones) -> JSONValue {
        var seen: Set<DomainName> = []
        return .array(
            names.filter { seen.insert($0).inserted }.compactMap { name in
                let sources = zones.sources(of: name)
                guard !sources.isEmpty else { return nil }
                return ["name": .string(name.description), "objects": .array(sources.map { .string($0) })]
            })
    }

    /// What is remembered of a name outside: `state` is `hit`, `stale` (its time is over, and it is given while nobody answers) or `miss`;
    /// what there is has a `kind`, and `seconds` for which it is known yet.
    private static func memory(_ question: Question, _ forwarder: Forwarder?, _ now: Duration) -> JSONValue? {
        guard let memory = forwarder?.memory else { return nil }
        let wish = OutsideWish(question)
        let fresh = memory.look(wish, now: now)
        guard let known = fresh ?? memory.stale(wish, now: now, isCounted: false) else { return ["state": "miss"] }
        var tree: JSONValue = ["state": fresh == nil || known.error == .staleAnswer ? "stale" : "hit"]
        let isDenial = known.code == .nameError || !known.authorities.isEmpty
        tree[at: "kind"] = isDenial ? "denial" : known.code == .noError ? "answer" : "failure"
        if let ttl = (known.answers + known.authorities).map(\.ttl.seconds).min(), tree["state"] == "hit" {
            tree[at: "seconds"] = .number(JSONNumber(Int64(ttl)))
        }
        return tree
    }

    /// Those that are asked for this name alone.
    private static func upstreams(_ forwarder: Forwarder?, of name: DomainName) -> JSONValue {
        .array(
            (forwarder?.upstreams(of: name) ?? []).map { peer in
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
