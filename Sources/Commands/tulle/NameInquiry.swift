import Agent
import DNS
import KubeAPI
import NameServer

/// A name that was asked for as a program does: the rounds through the search list, and what is known of the last one.
struct NameInquiry {
    struct Round {
        let question: Question
        let place: NameServerPlace
        let said: NameServerPlace.Answer
        var answer: Message { said.message }

        /// An alias alone tells nothing of the name that it leads to.
        var isFound: Bool { answer.tells(question.type) }
    }

    /// As it was written.
    let name: String
    let type: RecordType
    /// How many names the search list makes of it.
    let most: Int
    private(set) var rounds: [Round] = []
    /// Where the pod's search list led the server by itself, so that the client asks no more.
    private var shortcut: (name: DomainName, explanation: JSONValue?)?
    /// The transports by which policies do not let the pod ask, of which it was told nothing here.
    var refused: [String] = []

    /// Asks for one name after the other until one has what is looked for.
    ///
    /// - Throws: when nobody answers.
    init(
        _ name: String, _ type: RecordType, _ names: [DomainName], at places: [NameServerPlace], overTCP isStream: Bool,
        now: () -> Duration
    ) throws {
        (self.name, self.type, most) = (name, type, names.count)
        for name in names {
            // Who showed nothing once is not waited for again.
            let asksWhy = rounds.last.map { $0.said.explanation != nil } ?? true
            let round = try Self.round(Question(name, type), places, isStream, asksWhy, now)
            rounds.append(round)
            if round.isFound { break }
        }
        if let last = decisive, case .agent(let node) = last.place, node.pod != nil,
            last.said.explanation?["code"]?.string == "\(ResponseCode.nameError)",
            case .cname(let target)? = last.answer.answers.first?.data
        {
            var explanation = (try? node.ask(Question(target, type)))?.explanation
            // By now it is remembered in any case.
            explanation?[at: "memory"] = nil
            shortcut = (target, explanation)
        }
    }

    private static func round(
        _ question: Question, _ places: [NameServerPlace], _ isStream: Bool, _ asksWhy: Bool, _ now: () -> Duration
    ) throws -> Round {
        for place in places {
            if let said = try place.answer(question, overTCP: isStream, asksWhy: asksWhy, now: now) {
                return Round(question: question, place: place, said: said)
            }
        }
        throw NobodyAnswers(places: places)
    }

    var isFound: Bool { rounds.last?.isFound ?? false }

    /// The one that says what came of it: the one that found something, or else the first name that is there, or may be.
    private var decisive: Round? {
        isFound ? rounds.last : rounds.first { $0.answer.responseCode != .nameError } ?? rounds.last
    }
}

/// Said in one sentence; the program ends with 2.
struct NobodyAnswers: Error, CustomStringConvertible {
    let places: [NameServerPlace]

    var description: String {
        let names = places.map(\.description).joined(separator: ", ")
        if case .agent? = places.first {
            return
                "nobody answers at \(names); look whether the agent runs, or name its socket with --agent, or a server with --server"
        }
        return "nobody answers at \(names); look whether a name server runs there, or name another with --server"
    }
}

// MARK: - For people

extension NameInquiry: CustomStringConvertible {
    var description: String {
        var lines = rounds.enumerated().map { number, round in "\(number + 1)/\(most)  \(Self.line(round))" }
        guard let last = decisive else { return "" }
        if let refusal { lines.insert(refusal, at: 0) }
        lines.append("")
        lines += last.answer.answers.map(\.description)
        if isFound, last.answer.header.isTruncated {
            lines.append("There are more than an answer holds: these are \(last.answer.answers.count) of them.")
        }
        if !isFound { lines.append(absence(last)) }
        return (lines + why(last)).joined(separator: "\n")
    }

    /// What policies keep from the pod of all that follows; resolvers ask by UDP, and by TCP what did not fit.
    private var refusal: String? {
        switch (refused.contains("udp"), refused.contains("tcp")) {
        case (true, true): "policies do not let the pod ask for names: it hears nothing. Without them it would hear:"
        case (true, false):
            "policies do not let the pod ask for names by UDP, as resolvers do at first: so it hears nothing. By TCP it hears:"
        case (false, true):
            "policies do not let the pod ask for names by TCP: it does not hear what is too large for UDP. By UDP it hears:"
        case (false, false): nil
        }
    }

    private static func line(_ round: Round) -> String {
        let code = round.answer.responseCode
        let what = code == .noError && !round.isFound ? "NOERROR, nothing of the type" : "\(code)"
        return "\(round.question.name)  \(what)  (\(round.said.who), \(round.said.time.wholeMicroseconds) µs)"
    }

    /// Why there is nothing, and where to look.
    private func absence(_ last: Round) -> String {
        let whole = last.question.name
        switch last.answer.responseCode {
        case .noError where last.answer.header.isTruncated:
            return "What \(whole) has of the type \(type) is more than an answer holds."
        case .noError:
            if let shortcut, last.answer.answers.count == 1 {
                return "\(shortcut.name) exists and has nothing of the type \(type); ask for another type with --type."
            }
            if let alias = alias(last) {
                return "\(whole) is an alias of \(alias), of which nothing of the type \(type) is told."
            }
            return "\(whole) exists and has nothing of the type \(type); ask for another type with --type."
        case .nameError where most > 1:
            return "There is no \(name): none of the \(most) names that the search list makes of it exists; \(remedy(rounds[0]))."
        case .nameError: return "There is no \(whole); \(remedy(last))." + shortness(last)
        case .serverFailure: return failure(last) + absenceBefore(last) + shortness(last)
        case .refused:
            if let alias = alias(last) { return "\(whole) is an alias of \(alias), and \(last.said.who) asks nobody for that." }
            return "\(last.said.who) does not answer for \(whole); name a server that does with --server." + absenceBefore(last)
                + shortness(last)
        default: return "\(last.said.who) answers \(last.answer.responseCode) for \(whole)."
        }
    }

    /// Who misses a service is to look there, though the name was asked for outside in the end.
    private func absenceBefore(_ last: Round) -> String {
        guard last.question != rounds[0].question, rounds[0].answer.responseCode == .nameError else { return "" }
        return " In the cluster there is no \(name); \(remedy(rounds[0]))."
    }

    /// A word alone is hardly a name that was meant whole.
    private func shortness(_ last: Round) -> String {
        if case .agent(let node) = last.place, node.pod != nil { return "" }
        guard most == 1, rounds[0].question.name.labelCount == 1 else { return "" }
        return " There is no search list here that makes more of \(name); --as pod/NAMESPACE/NAME takes that of a pod."
    }

    /// What could not be found out, and who said what when it was asked.
    private func failure(_ last: Round) -> String {
        let error = last.answer.edns?.options.compactMap(\.extendedError).first
        let code = error.map { "extended error \($0.rawValue)" }
        let upstreams = (explanation?["upstreams"]?.array ?? []).map(Self.upstream)
        let whom = upstreams.isEmpty ? "" : ", asked was \(upstreams.joined(separator: ", "))"
        let why =
            if let error, !error.text.isEmpty {
                ": \(error.text) (\(code ?? ""))"
            } else if let error, explanation?["outside"] != nil, upstreams.isEmpty {
                ": there is nobody to ask for this name (extended error \(error.rawValue))"
            } else if let error {
                // What is remembered of a failure has no text.
                ": \(Self.words[error] ?? "no reason is told") (\(code ?? ""))\(whom)"
            } else { whom }
        let (who, whole) = (last.said.who, "\(last.question.name)")
        let what = alias(last).map { "\(whole) is an alias of \($0), and what that is could not be found out" }
        return (what ?? "What \(whole) is could not be found out") + why + "; see the log of \(who)"
            + (last.place.pages == nil ? "." : ", and /ready beside its figures.")
    }

    private static let words: [ExtendedError: String] = [
        .notReady: "it does not know the cluster's objects yet", .noReachableAuthority: "nobody answered",
        .networkError: "the network says that nobody is there",
        .notAuthoritative: "whoever was asked does not answer for this name",
    ]

    /// The name outside that the one that was asked for leads to.
    private func alias(_ last: Round) -> String? {
        let aliases = last.answer.answers.compactMap { record in if case .cname(let target) = record.data { target } else { nil }
        }
        let target = explanation?["outside"]?.string ?? aliases.last.map { "\($0)" }
        return target == "\(last.question.name)" ? nil : target
    }

    /// Where somebody looks who misses a name.
    private func remedy(_ round: Round) -> String {
        let labels = round.question.name.description.split(separator: ".").map(String.init)
        guard let place = labels.firstIndex(of: "svc"), place >= 2, place + 1 < labels.count else {
            return "look at how it is written"
        }
        let (service, namespace) = (labels[place - 2], labels[place - 1])
        return "see kubectl get services,endpointslices --namespace \(namespace), for the service \(service)"
    }

    /// Of the answer that counts.
    private var explanation: JSONValue? { shortcut?.explanation ?? decisive?.said.explanation }

    private func why(_ last: Round) -> [String] {
        guard let tree = explanation else {
            guard let pages = last.place.pages else { return [] }
            return [
                "",
                "Why is not known: no name server of Tulle shows it at \(pages). --metrics-port names its port, 0 asks for none.",
            ]
        }
        var lines: [String] = [""]
        if let shortcut {
            lines.append("\(last.question.name) does not exist: the pod's search list leads to \(shortcut.name) at once")
        }
        let sources = tree["from"]?.array ?? []
        for source in sources {
            let objects = (source["objects"]?.array ?? []).compactMap(\.string).joined(separator: ", ")
            lines.append("\(source["name"]?.string ?? "") is from \(objects)")
        }
        if let outside = tree["outside"]?.string {
            let upstreams = (tree["upstreams"]?.array ?? []).map(Self.upstream)
            let whom =
                upstreams.isEmpty ? "and nobody is there to be asked" : "and is asked of \(upstreams.joined(separator: ", "))"
            lines.append("\(outside) is in no zone of the cluster, \(whom)")
            lines += tree["memory"].map { [Self.memory($0)] } ?? []
        } else if sources.isEmpty, let zone = tree["zone"]?.string {
            lines.append("\(shortcut?.name ?? last.question.name) is in the cluster's zone \(zone), and no object gives it")
        }
        return lines
    }

    private static func upstream(_ tree: JSONValue) -> String {
        var text = tree["address"]?.string ?? ""
        if let time = tree["microseconds"]?.number?.integer { text += " (\(time) µs)" }
        if let state = tree["state"]?.string { text += " (\(state))" }
        return text
    }

    private static func memory(_ tree: JSONValue) -> String {
        let what = ["answer": "an answer", "denial": "that there is none", "failure": "that it could not be found out"]
        let kind = tree["kind"]?.string.flatMap { what[$0] } ?? "something"
        switch tree["state"]?.string {
        case "hit":
            let rest = tree["seconds"]?.number?.integer.map { ", for \($0) s more" } ?? ""
            return "remembered was \(kind)\(rest)"
        case "stale": return "remembered was \(kind), whose time is over: it is given while nobody answers"
        default: return "nothing of it was remembered"
        }
    }
}

// MARK: - For programs

extension NameInquiry {
    /// What the text says, as one object.
    var tree: JSONValue {
        var tree: JSONValue = ["name": .string(name), "type": .string("\(type)")]
        tree[at: "rounds"] = .array(
            rounds.map { round in
                [
                    "name": .string("\(round.question.name)"), "server": .string(round.said.who),
                    "code": .string("\(round.answer.responseCode)"),
                    "answers": .number(JSONNumber(Int64(round.answer.answers.count))),
                    "microseconds": .number(JSONNumber(round.said.time.wholeMicroseconds)),
                ]
            })
        guard let last = decisive else { return tree }
        tree[at: "found"] = .bool(isFound)
        tree[at: "code"] = .string("\(last.answer.responseCode)")
        tree[at: "server"] = .string(last.said.who)
        if last.answer.header.isTruncated { tree[at: "truncated"] = .bool(true) }
        if let shortcut { tree[at: "leadsTo"] = .string("\(shortcut.name)") }
        if !refused.isEmpty { tree[at: "refused"] = .array(refused.map(JSONValue.string)) }
        tree[at: "answers"] = .array(last.answer.answers.map { .string($0.description) })
        if !isFound { tree[at: "message"] = .string(absence(last)) }
        for key in ["zone", "from", "outside", "upstreams", "memory"] {
            if let value = explanation?[key] { tree[at: key] = value }
        }
        return tree
    }
}

extension Duration {
    fileprivate var wholeMicroseconds: Int64 { Int64(self / .microseconds(1)) }
}
