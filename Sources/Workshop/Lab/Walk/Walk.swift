import Addressing
import CNI
import Glibc
import HostNetwork
import HostNetworkKernel
import KubeAPI
import KubeClient
import Netlink

/// One packet goes all the way: objects from a file, a plan, the kernel, the plugin, and real connections between pods on
/// different nodes, with every hop as the kernel saw it. Then everything is taken down, and the host is as it was.
public struct Walk {
    private let tools: Tools
    private let objectsPath: String
    private let directory: String
    private let say: (String) -> Void

    /// - Parameter objects: a file with at least two nodes and, on different nodes, a pod that serves and one that asks.
    /// - Parameter programs: the directory of Tulle's own programs.
    /// - Parameter directory: for state and logs; made by the walk, and removed when all went well.
    /// - Parameter say: takes one line of the account.
    public init(objects: String, programs: String, directory: String, say: @escaping (String) -> Void) throws {
        tools = try Tools(directory: programs)
        objectsPath = objects.hasPrefix("/") ? objects : Self.workingDirectory() + "/" + objects
        self.directory = directory.hasPrefix("/") ? directory : Self.workingDirectory() + "/" + directory
        self.say = say
    }

    private static func workingDirectory() -> String {
        guard let path = realpath(".", nil) else { return "." }
        defer { free(path) }
        return String(cString: path)
    }

    public func run() throws {
        let before = try HostFingerprint()
        let cast = try Cast(objectsPath)
        guard mkdir(directory, 0o700) == 0 else {
            throw LabError(.processFailed, "make \(directory): errno \(errno)", remedy: "is another walk running?")
        }
        do {
            try stage(cast)
        } catch {
            say("")
            say("The agents' logs are kept in \(directory)/<node>/agent.log")
            throw error
        }
        removeDirectory()
        let changes = try HostFingerprint().changes(since: before)
        guard changes.isEmpty else {
            throw LabError(.hostChanged, "the host is not as it was: \(changes.joined(separator: "; "))")
        }
        say("")
        say(
            "Everything is taken down. The host is as it was: \(before.count) links, addresses, routes, rules and mounts compared."
        )
    }

    /// Everything between the first namespace and the last.
    private func stage(_ cast: Cast) throws {
        say("Objects   \(objectsPath): \(cast.nodes.count) nodes, \(cast.pods.count) pods")
        let fabric = try Fabric(tools: tools)
        defer { fabric.holder.end() }
        // The kernel stamps packets only while somebody wants to know, and begins a moment after it was asked.
        let clock = try Witness("fabric", in: fabric.holder.namespace)
        defer { withExtendedLifetime(clock) {} }
        var nodes: [String: LabNode] = [:]
        defer { for node in nodes.values { node.holder.end() } }
        for node in cast.nodes {
            let name = node.metadata.name
            let made = try LabNode(name, directory: "\(directory)/\(name)", tools: tools)
            nodes[name] = made
            try fabric.connect(made.holder, addresses: node.internalAddresses, lengths: cast.segmentLengths)
            let addresses = node.internalAddresses.map(\.description).joined(separator: ", ")
            say("Node      \(name)  \(addresses), pods \(node.spec.podCIDRs.map(\.description).joined(separator: ", "))")
        }
        var agents: [ChildProcess] = []
        defer { for agent in agents { agent.stop() } }
        for node in nodes.values.sorted(by: { $0.name < $1.name }) { agents.append(try node.startAgent(objects: objectsPath)) }
        for (node, agent) in zip(nodes.values.sorted(by: { $0.name < $1.name }), agents) { try node.awaitReady(agent) }
        for node in nodes.values.sorted(by: { $0.name < $1.name }) {
            let routes = try KernelHost(node.holder.namespace).observe(Interest([.routes])).routes.filter { $0.gateway != nil }
            for route in routes.sorted(by: { $0.prefix < $1.prefix }) { say("Plan      \(node.name)  \(route)") }
        }
        try talk(cast, nodes, fabric)
    }

    private func talk(_ cast: Cast, _ nodes: [String: LabNode], _ fabric: Fabric) throws {
        var pods: [LabPod] = []
        defer { for pod in pods { pod.end() } }
        for pod in cast.pods {
            guard let node = nodes[pod.spec.nodeName] else { continue }
            let made = try LabPod(pod, on: node, tools: tools)
            pods.append(made)
            try made.attach()
            try made.serve()
            let addresses = made.addresses.map(\.description).joined(separator: ", ")
            say("Pod       \(made.name)  on \(node.name)  \(addresses)  by \(made.link)")
        }
        guard let (asking, serving) = cast.couple(pods) else {
            throw LabError(
                .objectsUnusable, "\(objectsPath) has no pod with a containerPort and another pod on another node",
                remedy: "see examples/two-pods.yaml")
        }
        for exchange in cast.exchanges(with: serving) { try walk(exchange, asking, serving, nodes, fabric) }
        for pod in pods { try pod.detach() }
        for node in nodes.values {
            let left = try KernelHost(node.holder.namespace).observe(Interest([])).links.filter { $0.name.hasPrefix("tl") }
            guard left.isEmpty else { throw LabError(.attachmentFailed, "DEL left \(left.map(\.name).joined(separator: ", "))") }
        }
        say("")
        say("DEL       both pods detached; no link of theirs is left")
    }

    /// One exchange, with witnesses in every namespace on its way.
    private func walk(
        _ exchange: Cast.Exchange, _ asking: LabPod, _ serving: LabPod, _ nodes: [String: LabNode], _ fabric: Fabric
    ) throws {
        guard let own = asking.addresses.first(where: { $0.family == exchange.address.family }) else { return }
        let places =
            [("pod \(asking.fullName)", asking.sandbox), (asking.node.name, asking.node.holder), ("the fabric", fabric.holder)]
            + [(serving.node.name, serving.node.holder), ("pod \(serving.fullName)", serving.sandbox)]
        let witnesses = try places.map { try Witness($0.0, in: $0.1.namespace) }
        // Two pods of two namespaces may have one name.
        let hosts = Dictionary(try places.map { ($0.0, try KernelHost($0.1.namespace)) }) { first, _ in first }
        let message = "hello from \(asking.name)"
        let answer = try asking.ask(exchange.transport, exchange.address, exchange.port, message)
        guard answer.text.contains("request=\(message)") else {
            throw LabError(.unanswered, "\(serving.name) answered something else: \(answer.text)")
        }
        let hops = Hops(sightings: witnesses.flatMap { $0.sightings() }, hosts: hosts)
        let server = SocketAddress(exchange.address, exchange.port)
        let there = hops.way(exchange.transport, to: server, from: own)
        say("")
        say(
            "\(exchange.transport.rawValue) over \(exchange.address.family.name)   \(asking.name) \(own)  ──►  \(serving.name) \(server)"
        )
        for line in hops.lines(there) { say(line) }
        guard let client = there.first?.packet.source else {
            throw LabError(.unanswered, "an answer came, but no witness saw the question")
        }
        let back = hops.wayBack(exchange.transport, from: server, to: client)
        let nodesPassed = back.filter { !$0.isOutgoing }.map(\.place)
        say("   answered in \(answer.microseconds) µs, back by way of \(nodesPassed.joined(separator: ", "))")
        say("   “\(answer.text)”")
        // Every namespace sees it come and go; of the two pods, one only sees it go and one only sees it come.
        let expected = 2 * places.count - 2
        guard there.count == expected, back.count == expected, answer.text.contains("client=\(client)") else {
            throw LabError(
                .unanswered,
                "the packet was seen \(there.count) times there and \(back.count) times back instead of \(expected), "
                    + "or its source changed on the way (\(client))")
        }
    }

    private func removeDirectory() {
        _ = try? ChildProcess("rm", ["/bin/rm", "-rf", directory]).finish(within: .seconds(10))
    }
}
