import Addressing
import CNI
import Glibc
import HostNetwork
import HostNetworkKernel
import NFTables
import NFTablesKernel
import Netlink
import Plan
import Testing

@testable import Agent

/// A node that is a namespace: eth0 leads to another namespace, the neighbour; the real agent runs in it.
final class TestNode {
    let directory: TemporaryDirectory
    let namespace: NetworkNamespace
    let neighbour: NetworkNamespace
    let holder: String
    let host: KernelHost
    let name: String
    private let pause: Program
    private(set) var agent: Program?

    /// A node whose network somebody else makes; `neighbour` is the namespace that its packets go to.
    init(name: String, neighbour: NetworkNamespace) throws {
        (self.name, self.neighbour) = (name, neighbour)
        directory = try TemporaryDirectory()
        pause = try Program([try Program.product("tulle-pod"), "pause", "--new", "net"])
        holder = pause.line()
        namespace = try NetworkNamespace(path: "/proc/\(holder)/ns/net")
        host = try KernelHost(namespace)
    }

    init(objects: String = TestNode.objects(1, 2)) throws {
        name = "n1"
        directory = try TemporaryDirectory()
        pause = try Program([try Program.product("tulle-pod"), "pause", "--new", "net"])
        holder = pause.line()
        namespace = try NetworkNamespace(path: "/proc/\(holder)/ns/net")
        neighbour = try .new()
        host = try KernelHost(namespace)
        host.namespaces["neighbour"] = neighbour
        let far = try KernelHost(neighbour)
        try directory.write(objects, to: "objects.yaml")
        try #require(
            host.apply([.add(try Self.eth0(1, peer: Link.Peer("eth0", in: "neighbour", mac: MACAddress(local: 2))))]) == [])
        let made = Link("eth0", .veth(peer: nil), isUp: false, makesLinkLocal: true)
        try #require(far.apply([.change(from: .link(made), to: try Self.eth0(2, peer: nil))] + Self.addresses(2)) == [])
        try #require(host.apply(try Self.addresses(1)) == [])
        try host.settleCarrier(of: "eth0")
        for text in ["2001:db8::1"] { try host.settleAddress(ip(text)) }
    }

    deinit {
        agent?.end(by: SIGKILL)
        pause.end(by: SIGTERM)
    }

    /// Without link-local addresses: their duplicate address detection would be news for seconds.
    private static func eth0(_ number: UInt64, peer: Link.Peer?) throws -> Object {
        .link(Link("eth0", .veth(peer: peer), mac: MACAddress(local: number), makesLinkLocal: false))
    }

    private static func addresses(_ number: Int) throws -> [HostNetwork.Change] {
        try ["192.0.2.\(number)/24", "2001:db8::\(number)/64"].map {
            .add(.address(Address(try #require(InterfaceAddress($0)), on: "eth0")))
        }
    }

    /// Nodes n1, n2 … with a range of each family.
    static func objects(_ numbers: Int...) -> String {
        numbers.map { number in
            """
            apiVersion: v1
            kind: Node
            metadata: {name: n\(number)}
            spec: {podCIDRs: [10.244.\(number).0/24, "fd00:10:244:\(number)::/64"]}
            status: {addresses: [{type: InternalIP, address: 192.0.2.\(number)}, {type: InternalIP, address: "2001:db8::\(number)"}]}

            """
        }.joined(separator: "---\n")
    }
}

// MARK: - The agent

extension TestNode {
    /// - Parameter around: a command that runs the agent, such as strace.
    /// - Parameter source: which node it is and where the objects come from; `nil`: this one, and a file.
    /// - Parameter state: of the node's own directory.
    /// - Parameter options: further words.
    func launch(around: [String] = [], source: [String]? = nil, state: String = "state", options: [String] = []) throws {
        directory.remove("\(state)/status")
        agent = try tulle(
            ["--state", "\(directory.path)/\(state)", "--log-level", "debug"]
                + (source ?? ["--node", name, "--objects", "\(directory.path)/objects.yaml"]) + options, around: around,
            log: "log")
    }

    /// `tulle agent` in the node's namespace.
    func tulle(_ words: [String], around: [String] = [], log: String) throws -> Program {
        try Program(
            [try Program.product("tulle-pod"), "run", "--join", holder, "--namespaces", "net", "--"] + around
                + [try Program.product("tulle"), "agent"] + words, log: "\(directory.path)/\(log)")
    }

    func start(_ options: String...) throws { try start(options) }

    func start(_ options: [String]) throws {
        try launch(options: options)
        try eventually("the agent is ready\n\(log)") { status.rounds > 0 && isReady }
    }

    /// Its exit status, as a shell says it.
    @discardableResult
    func stop(by signal: Int32 = SIGTERM) -> Int32? {
        defer { agent = nil }
        return agent?.end(by: signal)
    }

    /// It was killed by somebody else, or ends now; with it what runs inside the command around it.
    func bury() {
        guard let process = agent?.process else { return }
        let children = (try? Program.run(["cat", "/proc/\(process)/task/\(process)/children"]).output) ?? ""
        for child in children.split(separator: " ").compactMap({ pid_t($0) }) { kill(child, SIGKILL) }
        stop(by: SIGKILL)
    }

    var log: String { directory.read("log") }

    var status: (rounds: Int, changes: Int, problems: [String]) {
        let status = status(in: "state")
        return (status.rounds, status.changes, status.problems)
    }

    func status(in state: String) -> (rounds: Int, wholeRounds: Int, changes: Int, problems: [String]) {
        let lines = directory.read("\(state)/status").split(separator: "\n").map { $0.split(separator: " ", maxSplits: 1) }
        func number(_ name: String) -> Int { lines.first { $0[0] == name }.flatMap { Int($0[1]) } ?? 0 }
        return (
            number("rounds"), number("whole-rounds"), number("changes"), lines.filter { $0[0] == "problem" }.map { String($0[1]) }
        )
    }

    var isReady: Bool {
        let request = CourierRequest(environment: ["CNI_COMMAND": "STATUS"], input: Array(configuration().utf8))
        return (try? Courier(socket: "\(directory.path)/state/cni.sock", patience: .seconds(5)).carry(request)) == .done
    }
}

// MARK: - The runtime

extension TestNode {
    func configuration(_ more: String = "", version: String = "1.1.0") -> String {
        """
        {"cniVersion":"\(version)","name":"pods","type":"tulle-cni","agentSocket":"\(directory.path)/state/cni.sock",\
        "queueDirectory":"\(directory.path)/state/deletions"\(more)}
        """
    }

    /// The real tulle-cni, started and fed.
    func begin(
        _ verb: String, _ container: String, _ namespace: String, interface: String = "eth0", more: String = ""
    ) throws -> Program {
        let program = try Program(
            [try Program.product("tulle-cni")],
            environment: [
                "CNI_COMMAND": verb, "CNI_CONTAINERID": container, "CNI_IFNAME": interface, "CNI_NETNS": namespace,
                "CNI_PATH": "/x",
                "CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=\(container)",
            ])
        program.feed(configuration(more))
        return program
    }

    func call(
        _ verb: String, _ container: String, _ namespace: String, interface: String = "eth0", more: String = ""
    ) throws -> Program.Outcome {
        try begin(verb, container, namespace, interface: interface, more: more).finish()
    }

    /// An ADD that succeeds.
    @discardableResult
    func add(_ container: String, _ pod: NetworkNamespace) throws -> AttachmentResult {
        let outcome = try call("ADD", container, pod.path)
        guard outcome.status == 0, let document = outcome.document else { throw Broken("ADD \(container): \(outcome)\n\(log)") }
        return try AttachmentResult(json: document)
    }
}

extension NetworkNamespace {
    /// Good as long as this value and this process are there.
    var path: String { "/proc/\(getpid())/fd/\(descriptor.rawValue)" }
}

extension AttachmentResult {
    /// Without the lengths of their prefixes.
    var addresses: [String] { ips.compactMap { $0.address.split(separator: "/").first.map(String.init) } }
}

// MARK: - What is there

extension TestNode {
    /// The node's network, without lo and what some kernels put into every namespace.
    func network() throws -> String { try Self.text(host, sysctls: Set(NodePlan.settings)) }

    static func text(_ host: KernelHost, sysctls: Set<String> = [], hasLoopback: Bool = false) throws -> String {
        try host.observe(Interest(sysctls: sysctls)).filter { object in
            guard case .link(let link) = object else { return true }
            if case .other = link.kind { return false }
            return hasLoopback || link.kind != .loopback
        }.description
    }

    func tables() throws -> String {
        let tables = try KernelTables(in: namespace)
        return try tables.tables().compactMap { try tables.observe($0)?.table.text }.joined()
    }

    func generation() throws -> UInt32 { try KernelTables(in: namespace).generation() }

    /// Everything that a start has to come to, as text: the node, its tables, and who holds what.
    func whole() throws -> String {
        let files = directory.names(in: "state/attachments").map { "\($0): \(directory.read("state/attachments/\($0)"))" }
        return try network() + tables() + files.joined() + directory.names(in: "state/deletions").joined(separator: "\n")
    }

    var attachments: [String] { directory.names(in: "state/attachments") }

    /// A change made by hand.
    func change(_ changes: HostNetwork.Change..., sourceLocation: SourceLocation = #_sourceLocation) throws {
        let refusals = try host.apply(changes)
        #expect(refusals.isEmpty, "\(refusals.map(\.description))", sourceLocation: sourceLocation)
    }
}

/// The kernel suites run one after the other: they measure, they kill, and two processors are not many.
@Suite("with the kernel", .tags(.kernel), .enabled(if: hasKernel, "needs root"), .serialized)
struct KernelTests {}
