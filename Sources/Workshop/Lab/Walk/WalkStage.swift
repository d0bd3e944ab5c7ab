import Addressing
import HostNetwork
import HostNetworkKernel
import KubeAPI

/// Where a walk plays: everything between its first namespace and its last.
final class WalkStage {
    private let cast: Cast
    private let objects: String
    private let directory: String
    private let tools: Tools
    private let interruption: WalkInterruption
    private let say: (String) throws -> Void

    private var fabric: Fabric?
    private var nodes: [LabNode] = []
    private var agents: [ChildProcess] = []
    private var pods: [LabPod] = []

    init(
        _ cast: Cast, objects: String, directory: String, tools: Tools, interruption: WalkInterruption,
        say: @escaping (String) throws -> Void
    ) {
        self.cast = cast
        self.objects = objects
        self.directory = directory
        self.tools = tools
        self.interruption = interruption
        self.say = say
    }

    func play() throws {
        try say("Objects   \(objects): \(cast.nodes.count) nodes, \(cast.pods.count) pods")
        let fabric = try Fabric(tools: tools)
        self.fabric = fabric
        interruption.reach(fabric.holder)
        // The kernel stamps packets only while somebody wants to know, and begins a moment after it was asked.
        let clock = try Witness("fabric", in: fabric.holder.namespace)
        defer { withExtendedLifetime(clock) {} }
        for (position, node) in cast.nodes.enumerated() { try add(node, position, to: fabric) }
        for node in nodes { agents.append(try node.startAgent(objects: objects)) }
        for (node, agent) in zip(nodes, agents) {
            try node.awaitReady(agent)
            try interruption.check()
        }
        for node in nodes {
            let routes = try KernelHost(node.holder.namespace).observe(Interest([.routes])).routes.filter { $0.gateway != nil }
            for route in routes.sorted(by: { $0.prefix < $1.prefix }) { try say("Plan      \(node.name)  \(route)") }
        }
        for line in problems() { try say(line) }
        for pod in cast.pods { try attach(pod) }
        for exchange in cast.exchanges { try walk(exchange, fabric) }
        try detach()
    }

    private func add(_ node: Node, _ position: Int, to fabric: Fabric) throws {
        let name = node.metadata.name
        let made = try LabNode(name, directory: WalkDirectory.node(name, position, in: directory), tools: tools)
        nodes.append(made)
        interruption.reach(made.holder)
        try fabric.connect(made.holder, addresses: node.internalAddresses, lengths: cast.segmentLengths)
        let addresses = node.internalAddresses.map(\.description).joined(separator: ", ")
        try say("Node      \(name)  \(addresses), pods \(node.spec.podCIDRs.map(\.description).joined(separator: ", "))")
    }

    private func attach(_ pod: Pod) throws {
        guard let node = nodes.first(where: { $0.name == pod.spec.nodeName }) else { return }
        let made = try LabPod(pod, on: node, tools: tools)
        pods.append(made)
        interruption.reach(made.sandbox)
        try made.attach()
        try made.serve()
        let addresses = made.addresses.map(\.description).joined(separator: ", ")
        try say("Pod       \(made.name)  on \(node.name)  \(addresses)  by \(made.link)")
    }

    private func detach() throws {
        for pod in pods { try pod.detach() }
        for node in nodes {
            let left = try KernelHost(node.holder.namespace).observe(Interest([])).links.filter { $0.name.hasPrefix("tl") }
            guard left.isEmpty else { throw LabError(.attachmentFailed, "DEL left \(left.map(\.name).joined(separator: ", "))") }
        }
        try say("")
        try say("DEL       all \(pods.count) pods detached; no link of theirs is left")
    }
}

// MARK: - Its end

extension WalkStage {
    /// Ends every process, inner ones first. What was made in the kernel goes with them.
    func takeDown() {
        for pod in pods { pod.end() }
        for agent in agents { agent.stop() }
        for holder in nodes.map(\.holder) + (fabric.map { [$0.holder] } ?? []) { holder.end() }
    }

    /// What is alive after ``takeDown()`` and should not be.
    func leftovers() -> [String] {
        Leftovers(pods.map(\.sandbox) + nodes.map(\.holder) + (fabric.map { [$0.holder] } ?? [])).processes()
    }

    /// What the agents know of why a walk failed.
    func findings() -> [String] {
        problems()
            + zip(nodes, agents).compactMap { node, agent in
                agent.ending.map { "Agent     \(node.name)  ended with \($0)\(node.lastWords)" }
            }
    }

    /// Each problem once, with the nodes whose agents have it.
    private func problems() -> [String] {
        var finders: [(problem: String, nodes: [String])] = []
        for node in nodes {
            for problem in node.problems {
                if let place = finders.firstIndex(where: { $0.problem == problem }) {
                    finders[place].nodes.append(node.name)
                } else {
                    finders.append((problem, [node.name]))
                }
            }
        }
        return finders.map { "Problem   \($0.nodes.joined(separator: ", "))  \($0.problem)" }
    }
}

// MARK: - Exchanges

extension WalkStage {
    private func made(_ pod: Pod) throws(LabError) -> LabPod {
        guard let found = pods.first(where: { $0.pod.key == pod.key }) else {
            throw LabError(.attachmentFailed, "\(pod.key) is not attached")
        }
        return found
    }

    private func address(of pod: LabPod, _ family: IPFamily) throws(LabError) -> IPAddress {
        guard let address = pod.addresses.first(where: { $0.family == family }) else {
            throw LabError(.attachmentFailed, "ADD gave \(pod.pod.key) no \(family.name) address")
        }
        return address
    }

    /// One exchange, with witnesses in every namespace on its way.
    private func walk(_ exchange: Cast.Exchange, _ fabric: Fabric) throws {
        try interruption.check()
        let (asking, serving) = (try made(cast.couple.asking), try made(cast.couple.serving))
        let own = try address(of: asking, exchange.family)
        let server = SocketAddress(try address(of: serving, exchange.family), exchange.port)
        let places =
            [("pod \(asking.fullName)", asking.sandbox), (asking.node.name, asking.node.holder), ("the fabric", fabric.holder)]
            + [(serving.node.name, serving.node.holder), ("pod \(serving.fullName)", serving.sandbox)]
        let witnesses = try places.map { try Witness($0.0, in: $0.1.namespace) }
        // Two pods of two namespaces may have one name.
        let hosts = Dictionary(try places.map { ($0.0, try KernelHost($0.1.namespace)) }) { first, _ in first }
        let message = "hello from \(asking.name)"
        let answer = try asking.ask(exchange.transport, server.address, server.port, message)
        guard answer.text.contains("request=\(message)") else {
            throw LabError(.unanswered, "\(serving.name) answered something else: \(answer.text)")
        }
        let hops = Hops(sightings: witnesses.flatMap { $0.sightings() }, hosts: hosts)
        let there = hops.way(exchange.transport, to: server, from: own)
        try say("")
        try say(
            "\(exchange.transport.rawValue) over \(exchange.family.name)   \(asking.name) \(own)  ──►  \(serving.name) \(server)")
        for line in hops.lines(there) { try say(line) }
        guard let client = there.first?.packet.source else {
            throw LabError(.unanswered, "an answer came, but no witness saw the question")
        }
        let back = hops.wayBack(exchange.transport, from: server, to: client)
        let nodesPassed = back.filter { !$0.isOutgoing }.map(\.place)
        try say("   answered in \(answer.microseconds) µs, back by way of \(nodesPassed.joined(separator: ", "))")
        try say("   “\(answer.text)”")
        // Every namespace sees it come and go; of the two pods, one only sees it go and one only sees it come.
        let expected = 2 * places.count - 2
        guard there.count == expected, back.count == expected, answer.text.contains("client=\(client)") else {
            throw LabError(
                .unanswered,
                "the packet was seen \(there.count) times there and \(back.count) times back instead of \(expected), "
                    + "or its source changed on the way (\(client))")
        }
    }
}
