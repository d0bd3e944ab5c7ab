import Addressing
import Agent
import ArgumentParser
import CLinux
import Cluster
import DNS
import Glibc
import KubeAPI
import KubeClient
import Logging
import NameServer
import Plan

struct DNSQuery: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "query",
        abstract: "Ask for a name as a program does, and say why it is answered so.",
        usage: "tulle dns query <name> [<type>] [--as pod/<namespace>/<name>] [--server <server>] [<option> ...]",
        discussion: """
            Goes through the search list as the C library does, and shows what each round was answered; a name with a dot at its \
            end is asked for as it is. Then it asks the name server which objects the answer comes from (a page beside its figures; \
            of another program's server nothing is known).

            On a node whose agent answers names, that agent is asked (--agent), as the node or as one of its pods; else the cluster's \
            servers. Each round says who answered.

            --as takes the search list that the pod's resolver has, from the agent or the pod's object; a cluster's server is asked from \
            here.

            Examples:
              tulle dns query web.shop.svc.cluster.local
              tulle dns query web --as pod/shop/cart-0 --kubeconfig $(tulle lab kubeconfig) --server 10.96.0.10
              kubectl exec cart-0 -- tulle dns query web AAAA

            Exit codes: 0 there is an answer, 1 there is none, 2 nobody answered, 64 wrong usage.
            """)

    @Argument(help: "The name, short or whole.")
    var name: String

    @Argument(help: "A type of records, such as A, AAAA, SRV, PTR or TXT.")
    var type = "A"

    @Option(
        name: .customLong("as"),
        help: ArgumentHelp("Whose search list counts. [default: that of --resolver]", valueName: "pod/namespace/name"))
    var subject: String?

    @Option(
        help: ArgumentHelp("Who is asked, such as 10.96.0.10 or [::1]:5353. [default: those of --resolver]", valueName: "server"))
    var server: String?

    @Option(
        help: ArgumentHelp(
            "The socket of this node's agent, which is asked where --server names nobody; “off”: it is not asked.",
            valueName: "socket"))
    var agent = LocalNameSettings.socket(in: "/run/tulle")

    @Option(help: ArgumentHelp("The file that says who is asked, and the search list.", valueName: "file"))
    var resolver = "/etc/resolv.conf"

    @Option(help: ArgumentHelp("Where the server shows its figures; 0: it is not asked why.", valueName: "port"))
    var metricsPort: UInt16 = 9153

    @Option(help: ArgumentHelp("With --as: what the cluster's names end with.", valueName: "domain"))
    var domain = "cluster.local"

    @OptionGroup var source: AgentSourceOptions

    func validate() throws {
        guard RecordType(type.uppercased()) != nil else { throw ValidationError("“\(type)” is no type of records; one is AAAA") }
        guard DomainName(name) != nil else { throw ValidationError("“\(name)” is no domain name") }
        if let server, Upstream(server) == nil {
            throw ValidationError("--server \(server): an address, and perhaps a port, such as 10.96.0.10 or [::1]:5353")
        }
        if let subject, pod(subject) == nil { throw ValidationError("--as \(subject): write it as pod/NAMESPACE/NAME") }
        guard let domain = DomainName(domain), domain.wire.count <= 150 else {
            throw ValidationError("--domain \(domain): a domain name of at most 150 characters, such as cluster.local")
        }
    }

    private func pod(_ text: String) -> (namespace: String, name: String)? {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        return parts.count == 3 && parts[0] == "pod" && !parts.contains("") ? (parts[1], parts[2]) : nil
    }

    func run() async throws {
        do {
            try await ask()
        } catch let code as ExitCode {
            throw code
        } catch {
            FileHandles.complain("tulle dns query: \(error)")
            throw error is AgentUsage ? ExitCode(64) : ExitCode(2)
        }
    }

    private func ask() async throws {
        let file = ResolverFile(Self.text(of: resolver) ?? "")
        let servers = server.flatMap { Upstream($0) }.map { [$0] } ?? file.nameServers
        let node = server == nil && agent != "off" ? NodeNames(socket: agent, pod: subject.flatMap(pod)) : nil
        if let node, let type = RecordType(type.uppercased()), try ask(node, type, file) { return }
        guard !servers.isEmpty else { throw AgentUsage("\(resolver) names no server; give one with --server") }
        var (searches, dots) = (file.search, file.dots)
        if let subject, let pod = pod(subject) {
            (searches, dots) = try await searchList(namespace: pod.namespace, pod: pod.name)
        }
        guard let type = RecordType(type.uppercased()) else { return }
        let rounds = SearchRounds(name, searches: searches, dots: dots).names
        var (answer, who): (Message?, Upstream?) = (nil, nil)
        for (number, name) in rounds.enumerated() {
            guard let said = Self.first(of: servers, Question(name, type)) else {
                throw Unanswered(servers: servers)
            }
            FileHandles.say(Self.line(number + 1, of: rounds.count, name, said.message, "\(said.server)", said.time))
            (answer, who) = (said.message, said.server)
            if said.message.responseCode == .noError, !said.message.answers.isEmpty { break }
        }
        guard let answer, let who, let question = answer.questions.first else { throw ExitCode(1) }
        FileHandles.say("")
        for record in answer.answers { FileHandles.say("\(record)") }
        if answer.answers.isEmpty { FileHandles.say("There is no \(type) of that name: \(answer.responseCode).") }
        for line in why(question, who) { FileHandles.say(line) }
        if answer.answers.isEmpty { throw ExitCode(1) }
    }

    /// - Returns: false when no agent answers names here.
    private func ask(_ node: NodeNames, _ type: RecordType, _ file: ResolverFile) throws -> Bool {
        let list = node.searchList
        if node.pod != nil, list == nil { return false }
        let rounds = SearchRounds(name, searches: list?.searches ?? file.search, dots: list?.dots ?? file.dots).names
        if let list, !list.refused.isEmpty {
            FileHandles.say(
                "policies do not let the pod ask for names by \(list.refused.map { $0.uppercased() }.joined(separator: " and ")); if they did:"
            )
        }
        for (number, name) in rounds.enumerated() {
            let begin = Surroundings.real.now()
            guard let answer = node.ask(Question(name, type)) else {
                if number == 0 { return false }
                throw AgentSilent(socket: node.socket)
            }
            let time = Surroundings.real.now() - begin
            FileHandles.say(Self.line(number + 1, of: rounds.count, name, answer.message, answer.who, time))
            let isFound = answer.message.responseCode == .noError && !answer.message.answers.isEmpty
            guard isFound || number == rounds.count - 1 else { continue }
            FileHandles.say("")
            for record in answer.message.answers { FileHandles.say("\(record)") }
            if !isFound { FileHandles.say("There is no \(type) of that name: \(answer.message.responseCode).") }
            // The server went through the pod's search list by itself: what it came to has a reason.
            var (question, explanation) = (Question(name, type), answer.explanation)
            if case .cname(let target)? = answer.message.answers.first?.data, explanation["from"]?.array?.isEmpty == true {
                FileHandles.say("\n\(name) does not exist: the pod's search list leads to \(target) at once")
                (question.name, explanation) = (target, node.ask(Question(target, type))?.explanation ?? .null)
            }
            for line in Self.why(question, explanation) { FileHandles.say(line) }
            if isFound { return true }
        }
        throw ExitCode(1)
    }

    private static func first(
        of servers: [Upstream], _ question: Question
    ) -> (server: Upstream, message: Message, time: Duration)? {
        for server in servers {
            let begin = Surroundings.real.now()
            if let message = DNSAsker(server).ask(question) { return (server, message, Surroundings.real.now() - begin) }
        }
        return nil
    }

    private static func line(
        _ number: Int, of count: Int, _ name: DomainName, _ message: Message, _ who: String, _ time: Duration
    ) -> String {
        let (code, answers) = (message.responseCode, message.answers.count)
        let what = code == .noError && answers == 0 ? "NOERROR, nothing of the type" : code == .noError ? "NOERROR" : "\(code)"
        return "\(number)/\(count)  \(name)  \(what)  (\(who), \(Int64(time / .microseconds(1))) µs)"
    }

    static func text(of path: String) -> String? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 65536)
        return String(decoding: bytes[..<fread(&bytes, 1, bytes.count, file)], as: UTF8.self)
    }

    /// What the kubelet of a pod wrote for it, but for what it took over from its node.
    private func searchList(namespace: String, pod name: String) async throws -> ([DomainName], Int) {
        let origin = try source.origin(environment: environmentVariable)
        guard case .server(let access, _) = origin else {
            throw AgentUsage("--as reads the pod from an API server; give --kubeconfig")
        }
        let clock = ContinuousClock()
        let transport = try access.transport(clock: clock)
        let client = APIClient(
            transport: transport, fieldManager: "tulle-dns", clock: clock, random: { Double.random(in: 0..<1) },
            logger: Logger(label: "tulle.dns", factory: { _ in SwiftLogNoOpLogHandler() }))
        let outcome: Result<JSONValue, any Error>
        do { outcome = .success(try await client.get(Pod.resource, name, in: namespace)) } catch { outcome = .failure(error) }
        try await transport.shutdown()
        var fields = FieldReader(try outcome.get())
        let pod = Pod(reading: &fields)
        let plan = NamePlan(NameSettings(domain: DomainName(domain) ?? NameSettings.usualDomain))
        let list = plan.searchList(of: pod)
        return (list.searches, list.dots)
    }

    // MARK: Why

    private func why(_ question: Question, _ server: Upstream) -> [String] {
        guard metricsPort != 0 else { return [] }
        var place = server
        place.address.port = metricsPort
        guard let text = DNSAsker(place).page("/explain/\(question.type)/\(question.name)"),
            let tree = try? JSONReader().value(text)
        else { return ["", "Why is not known: no name server of Tulle shows it at \(place)."] }
        return Self.why(question, tree)
    }

    private static func why(_ question: Question, _ tree: JSONValue) -> [String] {
        var lines: [String] = [""]
        for source in tree["from"]?.array ?? [] {
            let objects = (source["objects"]?.array ?? []).compactMap(\.string).joined(separator: ", ")
            lines.append("\(source["name"]?.string ?? "") is from \(objects)")
        }
        if let outside = tree["outside"]?.string {
            let upstreams = (tree["upstreams"]?.array ?? []).map(Self.upstream)
            let whom =
                upstreams.isEmpty ? "and nobody is there to be asked" : "and is asked of \(upstreams.joined(separator: ", "))"
            lines.append("\(outside) is in no zone of the cluster, \(whom)")
            if let memory = tree["memory"]?.string { lines.append(memory) }
        } else if (tree["from"]?.array ?? []).isEmpty, let zone = tree["zone"]?.string {
            lines.append("\(question.name) is in the cluster's zone \(zone), and no object gives it")
        }
        return lines
    }

    private static func upstream(_ tree: JSONValue) -> String {
        var text = tree["address"]?.string ?? ""
        if let time = tree["microseconds"]?.number?.integer { text += " (\(time) µs)" }
        if let state = tree["state"]?.string { text += " (\(state))" }
        return text
    }
}

private struct AgentSilent: Error, CustomStringConvertible {
    let socket: String
    var description: String { "the agent at \(socket) does not answer any more" }
}

private struct Unanswered: Error, CustomStringConvertible {
    let servers: [Upstream]
    var description: String { "nobody answers at \(servers.map(\.description).joined(separator: ", "))" }
}

/// The names that a resolver asks for, one after the other, until one has what is looked for (resolv.conf(5), `ndots`).
struct SearchRounds {
    let names: [DomainName]

    init(_ text: String, searches: [DomainName], dots: Int) {
        guard let name = DomainName(text) else {
            names = []
            return
        }
        guard !text.hasSuffix(".") else {
            names = [name]
            return
        }
        let longer = searches.compactMap { DomainName(labels: name.labels + $0.labels) }
        names = name.labelCount - 1 >= dots ? [name] + longer : longer + [name]
    }
}
