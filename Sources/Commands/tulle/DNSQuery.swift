import Addressing
import Agent
import ArgumentParser
import DNS
import Glibc
import KubeAPI
import NameServer
import Plan

struct DNSQuery: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "query",
        abstract: "Ask for a name as a program does, and say why it is answered so.",
        usage: "tulle dns query <name> [<type>] [--as pod/<namespace>/<name>] [--server <server>] [<option> ...]",
        discussion: """
            Goes through the search list as the C library does, and shows what each round was answered; a name with a dot at its \
            end is asked for as it is. Of the round that counts it shows which objects the answer comes from, and of names outside who is \
            asked for them and what was remembered before (a page beside the server's figures; of another program's server nothing \
            is known).

            On a node whose agent answers names, that agent is asked (--agent), as the node or as one of its pods; in a pod, the \
            cluster's servers, as its resolv.conf says. Elsewhere nobody is asked who is not named: the question would leave the \
            cluster. Each round says who answered.

            --as takes the search list that the pod's resolver has: from the agent of its node, or, with --server, from the pod's \
            object; then the server is asked from here.

            Examples:
              tulle dns query web.shop.svc.cluster.local            on a node
              tulle dns query 10.96.0.10                            whose address it is
              tulle dns query web --as pod/shop/cart-0              on that pod's node
              tulle lab node node-1 -- tulle dns query kubernetes.default.svc.cluster.local
              kubectl exec cart-0 -- tulle dns query web AAAA --output json
              kubectl exec cart-0 -- tulle dns query _http._tcp.web --type SRV --tcp
              tulle dns query www.example.org --server 127.0.0.1:5353

            Exit codes: 0 there is an answer, 1 there is none, 2 nobody answered, 64 wrong usage.
            """)

    @Argument(help: "The name, short or whole; an address is asked for the name that it has.")
    var name: String

    @Argument(
        help: ArgumentHelp("A type of records, such as A, AAAA, SRV, PTR or TXT. [default: A]", valueName: "type"),
        completion: .list(typesToComplete))
    var typeWord: String?

    @Option(
        name: .customLong("type"), help: ArgumentHelp("The same, as an option.", valueName: "type"),
        completion: .list(typesToComplete))
    var typeOption: String?

    private static let typesToComplete = ["A", "AAAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT"]

    @Option(
        name: .customLong("as"),
        help: ArgumentHelp(
            """
            Whose search list counts: pod/NAMESPACE/NAME, NAMESPACE/NAME, or a pod of the kubeconfig's namespace by its name; the \
            kubeconfig is --kubeconfig or KUBECONFIG. [default: that of --resolver]
            """, valueName: "pod"))
    var subject: String?

    @Flag(help: "Ask over TCP only.")
    var tcp = false

    @Option(name: .shortAndLong, help: "How it is said.")
    var output = OutputForm.text

    @Option(
        help: ArgumentHelp(
            "Who is asked, such as 10.96.0.10 or [::1]:5353. [default: the agent, or those of --resolver]", valueName: "server"))
    var server: String?

    @Option(
        help: ArgumentHelp(
            """
            The socket of this node's agent, which is asked where none of --server, --resolver and --tcp is given; “off”: it is not \
            asked. [default: TULLE_AGENT_SOCKET in the environment, or \(LocalNameSettings.socket(in: "/run/tulle"))]
            """, valueName: "socket"),
        completion: .file())
    var agent: String?

    @Option(
        help: ArgumentHelp(
            """
            The file that says who is asked, and the search list; with --agent or --server the search list alone. \
            [default: \(usualResolver), where it is a pod's]
            """, valueName: "file"), completion: .file())
    var resolver: String?
    private static let usualResolver = "/etc/resolv.conf"

    @Option(help: ArgumentHelp("Where the server shows its figures; 0: it is not asked why.", valueName: "port"))
    var metricsPort: UInt16 = 9153

    @Option(help: ArgumentHelp("With --as: what the cluster's names end with.", valueName: "domain"))
    var domain = "cluster.local"

    @OptionGroup var apiServer: APIServerOptions

    func validate() throws {
        if let word = typeWord, let option = typeOption, word.uppercased() != option.uppercased() {
            throw ValidationError("\(word) and --type \(option): two types; ask for one")
        }
        guard RecordType(type.uppercased()) != nil else { throw ValidationError("“\(type)” is no type of records; one is AAAA") }
        guard DomainName(name) != nil else { throw ValidationError("“\(name)” is no domain name\(Self.fault(of: name))") }
        if let server, Upstream(server) == nil {
            throw ValidationError("--server \(server): an address, and perhaps a port, such as 10.96.0.10 or [::1]:5353")
        }
        try validateAsked()
        if let subject, PodReference(subject) == nil {
            throw ValidationError("--as \(subject): write it as \(PodReference.forms)")
        }
        guard NameServerConfiguration.clusterDomain(domain) != nil else {
            throw ValidationError("--domain \(domain): a domain name of at most 150 characters, such as cluster.local")
        }
    }

    /// Nothing that is said is passed over.
    private func validateAsked() throws {
        let asked = agent.flatMap { $0 == "off" ? nil : "--agent" } ?? server.map { _ in "--server" }
        if let agent, agent != "off" {
            if let server { throw ValidationError("--agent and --server \(server) both say who is asked; give one of them") }
            if tcp {
                throw ValidationError("--tcp asks over the network, and --agent by a socket of this machine; give one of them")
            }
        }
        if let asked, subject != nil, resolver != nil {
            throw ValidationError(
                "\(asked) says who is asked, and --as whose search list counts: nothing of --resolver would; leave it out")
        }
    }

    private var type: String { typeOption ?? typeWord ?? (IPAddress(name) == nil ? "A" : "PTR") }

    /// As it is asked for: of an address the name that its own stands at.
    private var asked: String {
        guard type.uppercased() == "PTR", let address = IPAddress(name) else { return name }
        return "\(DomainName(reversing: address))"
    }

    private static func fault(of name: String) -> String {
        if !name.utf8.allSatisfy({ $0 < 0x80 }) { return ": what is not ASCII is written in its form with xn--" }
        let labels = name.split(separator: ".", omittingEmptySubsequences: false)
        if labels.contains(where: { $0.utf8.count > 63 }) { return ": there are at most 63 characters between two dots" }
        if labels.dropLast().contains("") { return ": there is nothing before a dot, or between two" }
        return name.utf8.count > 253 ? ": it has more than 253 characters" : ""
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
        let path = resolver ?? Self.usualResolver
        let text = Self.text(of: path)
        if resolver != nil, text == nil {
            throw AgentUsage("--resolver: read \(path): \(String(cString: strerror(errno))); name one that can be read")
        }
        let file = ResolverFile(text ?? "")
        guard let type = RecordType(type.uppercased()) else { return }
        let subject = subject.flatMap { PodReference($0) }
        let home = PodHome(subject == nil ? nil : try PodHome.access(apiServer), domain: domain)
        if let socket = try agentSocket() { return try say(try await askAgent(socket, type, file, subject, home)) }
        // A pod's own resolver leads to the cluster's servers; any other one to the world outside.
        guard server != nil || resolver != nil || file.isOfPod else {
            throw AgentUsage(try await unasked(subject, home))
        }
        let places = try NameServerPlace.places(server: server, resolver: (path, file), metricsPort: metricsPort)
        var (searches, dots) = (file.search, file.dots)
        if let subject {
            guard home.isKnown else { throw AgentUsage("--as reads the pod from an API server; give --kubeconfig") }
            (searches, dots) = home.searchList(of: try await home.pod(subject.name, in: subject.namespace))
        }
        let names = SearchRounds(asked, searches: searches, dots: dots).names
        try say(try NameInquiry(name, type, names, at: places, overTCP: tcp, now: Surroundings.real.now))
    }

    /// Of the agent that is to be asked; `nil` when somebody else is, or when there is none where agents usually are.
    private func agentSocket() throws -> String? {
        if let agent {
            guard agent != "off" else { return nil }
            guard NodeNames.isThere(agent) else { throw NobodyAnswers(places: [.agent(NodeNames(socket: agent, pod: nil))]) }
            return agent
        }
        guard server == nil, resolver == nil, !tcp else { return nil }
        return NodeNames.isThere(Self.usualSocket) ? Self.usualSocket : nil
    }

    private static var usualSocket: String {
        environmentVariable("TULLE_AGENT_SOCKET").flatMap { $0.isEmpty ? nil : $0 } ?? LocalNameSettings.socket(in: "/run/tulle")
    }

    private func askAgent(
        _ socket: String, _ type: RecordType, _ file: ResolverFile, _ subject: PodReference?,
        _ home: PodHome
    ) async throws -> NameInquiry {
        var (list, refused) = ((file.search, file.dots), [String]())
        var pod: (namespace: String, name: String)?
        if let subject {
            guard let namespace = subject.namespace ?? home.namespace else {
                throw AgentUsage("--as \(subject.name): in which namespace? Write it as pod/NAMESPACE/\(subject.name)")
            }
            pod = (namespace, subject.name)
        }
        let node = NodeNames(socket: socket, pod: pod)
        if let pod {
            let known: NodeNames.SearchList
            do {
                known = try node.searchList()
            } catch let silence as NodeNames.Silence where silence.isRefusal {
                throw AgentUsage("--as: \(try await home.whereabouts(of: pod.name, in: pod.namespace, from: silence.said))")
            }
            (list, refused) = ((known.searches, known.dots), known.refused)
        }
        let names = SearchRounds(asked, searches: list.0, dots: list.1).names
        var inquiry = try NameInquiry(name, type, names, at: [.agent(node)], overTCP: false, now: Surroundings.real.now)
        inquiry.refused = refused
        return inquiry
    }

    /// Why nobody is asked, and what to do.
    private func unasked(_ subject: PodReference?, _ home: PodHome) async throws -> String {
        var why = tcp ? "--tcp asks over the network" : "there is no agent's socket \(Self.usualSocket)"
        if agent == "off" { why = "no agent is to be asked" }
        var words = ["tulle lab node node-1 -- tulle dns query \(name)"]
        if let subject, home.isKnown {
            let pod = try await home.pod(subject.name, in: subject.namespace)
            let (key, node) = (pod.metadata, pod.spec.nodeName)
            why += ", the pod \(key.namespace)/\(key.name) is on \(node.isEmpty ? "no node" : node)"
            if !node.isEmpty {
                words = ["tulle lab node \(node) -- tulle dns query \(name) --as pod/\(key.namespace)/\(key.name)"]
            }
        }
        words += ["name a server with --server ADDRESS", "ask whom this machine asks, with --resolver \(Self.usualResolver)"]
        return "\(why), and \(Self.usualResolver) is no pod's: the question would leave the cluster; ask on a node (in a lab: "
            + "\(words[0])), \(words[1]), or \(words[2])"
    }

    private func say(_ inquiry: NameInquiry) throws {
        FileHandles.say(output == .json ? inquiry.tree.description : inquiry.description)
        if !inquiry.isFound { throw ExitCode(1) }
    }

    static func text(of path: String) -> String? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 65536)
        return String(decoding: bytes[..<fread(&bytes, 1, bytes.count, file)], as: UTF8.self)
    }
}

extension ResolverFile {
    /// As kubelets write it: with the part of the cluster's names that are services.
    fileprivate var isOfPod: Bool { search.contains { "\($0)".hasPrefix("svc.") } }
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
