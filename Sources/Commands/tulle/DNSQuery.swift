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
            end is asked for as it is. Of the last round it shows which objects the answer comes from, and of names outside who is \
            asked for them and what was remembered before (a page beside the server's figures; of another program's server nothing \
            is known).

            On a node whose agent answers names, that agent is asked (--agent), as the node or as one of its pods; else the cluster's \
            servers. Each round says who answered.

            --as takes the search list that the pod's resolver has, from the agent or the pod's object; a cluster's server is asked from \
            here.

            Examples:
              tulle dns query web.shop.svc.cluster.local
              tulle dns query web --as pod/shop/cart-0 --kubeconfig $(tulle lab kubeconfig) --server 10.96.0.10
              tulle dns query _http._tcp.web.shop.svc.cluster.local --type SRV --tcp
              tulle dns query www.example.org --server 10.96.0.10 --output json
              kubectl exec cart-0 -- tulle dns query web AAAA

            Exit codes: 0 there is an answer, 1 there is none, 2 nobody answered, 64 wrong usage.
            """)

    @Argument(help: "The name, short or whole.")
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
            Whose search list counts: pod/NAMESPACE/NAME, NAMESPACE/NAME, or a pod of the kubeconfig's namespace by its name. \
            [default: that of --resolver]
            """, valueName: "pod"))
    var subject: String?

    @Flag(help: "Ask over TCP only.")
    var tcp = false

    @Option(name: .shortAndLong, help: "How it is said.")
    var output = OutputForm.text

    @Option(
        help: ArgumentHelp("Who is asked, such as 10.96.0.10 or [::1]:5353. [default: those of --resolver]", valueName: "server"))
    var server: String?

    @Option(
        help: ArgumentHelp(
            "The socket of this node's agent, which is asked where neither --server nor --tcp is given; “off”: it is not asked.",
            valueName: "socket"),
        completion: .file())
    var agent = LocalNameSettings.socket(in: "/run/tulle")

    @Option(
        help: ArgumentHelp("The file that says who is asked, and the search list.", valueName: "file"), completion: .file())
    var resolver = "/etc/resolv.conf"

    @Option(help: ArgumentHelp("Where the server shows its figures; 0: it is not asked why.", valueName: "port"))
    var metricsPort: UInt16 = 9153

    @Option(help: ArgumentHelp("With --as: what the cluster's names end with.", valueName: "domain"))
    var domain = "cluster.local"

    @OptionGroup var source: AgentSourceOptions

    func validate() throws {
        if let word = typeWord, let option = typeOption, word.uppercased() != option.uppercased() {
            throw ValidationError("\(word) and --type \(option): two types; ask for one")
        }
        guard RecordType(type.uppercased()) != nil else { throw ValidationError("“\(type)” is no type of records; one is AAAA") }
        guard DomainName(name) != nil else { throw ValidationError("“\(name)” is no domain name") }
        if let server, Upstream(server) == nil {
            throw ValidationError("--server \(server): an address, and perhaps a port, such as 10.96.0.10 or [::1]:5353")
        }
        if let subject, pod(subject) == nil {
            throw ValidationError("--as \(subject): write it as pod/NAMESPACE/NAME, NAMESPACE/NAME or NAME")
        }
        guard NameServerConfiguration.clusterDomain(domain) != nil else {
            throw ValidationError("--domain \(domain): a domain name of at most 150 characters, such as cluster.local")
        }
    }

    private var type: String { typeOption ?? typeWord ?? "A" }

    /// Its namespace is `nil` when none is named.
    private func pod(_ text: String) -> (namespace: String?, name: String)? {
        var parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        if parts.count > 1, parts[0] == "pod" { parts.removeFirst() }
        guard parts.count <= 2, !parts.contains("") else { return nil }
        return parts.count == 2 ? (parts[0], parts[1]) : (nil, parts[0])
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
        guard let type = RecordType(type.uppercased()) else { return }
        if let inquiry = askAgent(type, file) { return try say(inquiry) }
        let places = try NameServerPlace.places(server: server, resolver: (resolver, file), metricsPort: metricsPort)
        var (searches, dots) = (file.search, file.dots)
        if let subject, let pod = pod(subject) {
            (searches, dots) = try await searchList(namespace: pod.namespace, pod: pod.name)
        }
        let names = SearchRounds(name, searches: searches, dots: dots).names
        try say(try NameInquiry(name, type, names, at: places, overTCP: tcp, now: Surroundings.real.now))
    }

    /// `nil` when it is not to be asked, when nobody answers names at its socket, or when the pod is not one of its node.
    private func askAgent(_ type: RecordType, _ file: ResolverFile) -> NameInquiry? {
        guard server == nil, !tcp, agent != "off" else { return nil }
        let subject = subject.flatMap(pod)
        var (list, refused) = ((file.search, file.dots), [String]())
        var pod: (namespace: String, name: String)?
        if let subject {
            guard let namespace = subject.namespace else { return nil }
            pod = (namespace, subject.name)
        }
        let node = NodeNames(socket: agent, pod: pod)
        if pod != nil {
            guard let known = node.searchList else { return nil }
            (list, refused) = ((known.searches, known.dots), known.refused)
        }
        let names = SearchRounds(name, searches: list.0, dots: list.1).names
        var inquiry = try? NameInquiry(name, type, names, at: [.agent(node)], overTCP: false, now: Surroundings.real.now)
        inquiry?.refused = refused
        return inquiry
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

    /// What the kubelet of a pod wrote for it, but for what it took over from its node.
    private func searchList(namespace: String?, pod name: String) async throws -> ([DomainName], Int) {
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
        let namespace = namespace ?? access.namespace
        do {
            outcome = .success(try await client.get(Pod.resource, name, in: namespace))
        } catch APIFailure.notFound {
            outcome = .failure(
                AgentUsage(
                    "--as: there is no pod \(name) in the namespace \(namespace); see kubectl get pods --namespace \(namespace)"))
        } catch {
            outcome = .failure(error)
        }
        try await transport.shutdown()
        var fields = FieldReader(try outcome.get())
        let pod = Pod(reading: &fields)
        let plan = NamePlan(NameSettings(domain: DomainName(domain) ?? NameSettings.usualDomain))
        let list = plan.searchList(of: NamedPod(pod))
        return (list.searches, list.dots)
    }
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
