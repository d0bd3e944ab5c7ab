import Addressing
import Cluster
import Glibc
import HostNetwork
import HostNetworkKernel
import NFTables
import NFTablesKernel
import Netlink
import Plan

/// A node that is a namespace, with a real agent that reads its objects from a file.
final class SoakScene {
    let responder = SoakResponder()
    /// How runtimes ask the agent.
    let courier: Courier
    let node: NetworkNamespace
    private let directory: String
    private let programs: String
    private let tables: KernelTables
    private let far: NetworkNamespace
    private let host: KernelHost
    private let connections: NetlinkSocket
    private var agent: Call.Running?
    private var writes = 0

    struct Footprint {
        var kibibytes = 0
        var descriptors = 0
    }

    init() throws {
        var template = Array("/tmp/tulle-soak-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw KernelError(Errno(rawValue: errno), "make a directory") }
        directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        let own = String(decoding: buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        programs = String(own[..<(own.lastIndex(of: "/") ?? own.startIndex)])
        courier = Courier(programs: programs, directory: directory)
        node = try .new()
        far = try .new()
        host = try KernelHost(node)
        tables = try KernelTables(in: node)
        connections = try NetlinkSocket(.netfilter, in: node)
        host.namespaces["far"] = far
        let address = InterfaceAddress(.v4(IPv4Address(192, 0, 2, 1)), length: 24)
        let refusals = try host.apply([
            .change(from: .link(Link("lo", .loopback, isUp: false)), to: .link(Link("lo", .loopback))),
            .add(.link(Link("eth0", .veth(peer: Link.Peer("eth0", in: "far")), mtu: 1500, makesLinkLocal: false))),
            .add(.address(Address(address, on: "eth0"))),
        ])
        if let refusal = refusals.first { throw refusal.kernelError }
    }

    var log: String { (try? Call(["/bin/cat", "\(directory)/log"]).run().output) ?? "" }

    func end() {
        stop()
        responder.stop()
        _ = try? Call(["/bin/rm", "-r", directory]).run()
    }

    private func stop() {
        guard let agent else { return }
        kill(agent.process, SIGTERM)
        waitpid(agent.process, nil, 0)
        close(agent.output)
        self.agent = nil
    }

    // MARK: - The agent

    func start() throws {
        _ = try Call(["/bin/rm", "-f", "\(directory)/state/status"]).run()
        agent = try Call(
            [
                "\(programs)/tulle", "agent", "--node", SoakModel.node, "--objects", "\(directory)/objects.yaml", "--state",
                "\(directory)/state", "--backend", "vxlan", "--service-cidr", SoakModel.serviceRange.description,
            ], log: "\(directory)/log"
        ).spawn(in: node)
        try wait("the agent is ready") {
            guard try courier.call("STATUS", "", "").run().status == 0, status("whole-rounds") > 0 else { return "it is not" }
            return nil
        }
    }

    /// Another agent, which looks at everything.
    ///
    /// - Returns: what it found to change.
    func restart() throws -> Int {
        stop()
        try start()
        return status("changes")
    }

    private func status(_ name: String) -> Int {
        let text = (try? Call(["/bin/cat", "\(directory)/state/status"]).run().output) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix(name + " ") }
        return line.flatMap { Int($0.dropFirst(name.count + 1)) } ?? 0
    }

    func footprint() -> Footprint {
        guard let process = agent?.process else { return Footprint() }
        let lines = (try? Call(["/bin/cat", "/proc/\(process)/status"]).run().output) ?? ""
        let size = lines.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }?.split { !$0.isNumber }.first.flatMap { Int($0) }
        let open = (try? Call(["/bin/ls", "/proc/\(process)/fd"]).run().output.split(separator: "\n").count) ?? 0
        return Footprint(kibibytes: size ?? 0, descriptors: open)
    }

    func write(_ model: SoakModel) throws { try write(model.documents) }

    /// A new file in the place of the old one.
    func write(_ documents: [String]) throws {
        writes += 1
        let (draft, path) = ("\(directory)/draft", "\(directory)/objects.yaml")
        guard let file = fopen(draft, "we") else { throw KernelError(Errno(rawValue: errno), "write \(draft)") }
        fputs(documents.joined(separator: "\n---\n") + "\n", file)
        fclose(file)
        guard rename(draft, path) == 0 else { throw KernelError(Errno(rawValue: errno), "write \(path)") }
    }

    // MARK: - Pods

    func attach(_ name: String) throws -> SoakPod {
        let namespace = try NetworkNamespace.new()
        return SoakPod(
            name: name, namespace: namespace, address: try courier.add(name, namespace),
            responder: try SoakResponder.Seat(name, in: namespace))
    }

    func detach(_ pod: SoakPod) throws { try courier.delete(pod.name, pod.namespace) }

    /// Calls `tulle-cni`.
    struct Courier: Sendable {
        let programs: String
        let directory: String

        /// - Parameter kubernetes: the namespace of the pod of this name; `nil`: it is none of Kubernetes'.
        /// - Returns: its address of IPv4.
        func add(_ name: String, _ namespace: NetworkNamespace, kubernetes: String? = nil) throws -> IPv4Address {
            let outcome = try call("ADD", name, Self.path(namespace), kubernetes: kubernetes).run()
            let addresses = outcome.output.split(separator: "\"").compactMap { InterfaceAddress(String($0))?.address }
            guard outcome.status == 0, case .v4(let address)? = addresses.first(where: { $0.family == .v4 }) else {
                throw KernelError(.inputOutput, "attach \(name): \(outcome.output)")
            }
            return address
        }

        func delete(_ name: String, _ namespace: NetworkNamespace) throws {
            let outcome = try call("DEL", name, Self.path(namespace)).run()
            guard outcome.status == 0 else { throw KernelError(.inputOutput, "detach \(name): \(outcome.output)") }
        }

        private static func path(_ namespace: NetworkNamespace) -> String {
            "/proc/\(getpid())/fd/\(namespace.descriptor.rawValue)"
        }

        func call(_ verb: String, _ container: String, _ pod: String, kubernetes: String? = nil) -> Call {
            let arguments = kubernetes.map {
                ["CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAMESPACE=\($0);K8S_POD_NAME=\(container)"]
            }
            return Call(
                ["\(programs)/tulle-cni"],
                environment: [
                    "CNI_COMMAND=\(verb)", "CNI_CONTAINERID=\(container)", "CNI_NETNS=\(pod)", "CNI_IFNAME=eth0",
                    "CNI_PATH=/usr/lib/cni", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                ] + (arguments ?? []),
                input: #"{"cniVersion":"1.1.0","name":"soak","type":"tulle-cni","agentSocket":"\#(directory)/state/cni.sock""#
                    + #","queueDirectory":"\#(directory)/state/deletions"}"#)
        }
    }
}

// MARK: - The plan and the kernel

extension SoakScene {
    /// Waits until the kernel is what the objects ask for.
    func awaitPlan(of model: SoakModel) throws {
        let snapshot = try model.snapshot()
        try wait("the kernel is as planned") { try self.lag(behind: model, snapshot) }
    }

    /// What is not as planned, in words; `nil` when everything is.
    private func lag(behind model: SoakModel, _ snapshot: Snapshot) throws -> String? {
        let uplink = NodeFacts.Uplink(device: "eth0", segment: IPPrefix(.v4(IPv4Address(192, 0, 2, 0)), length: 24), mtu: 1500)
        let facts = NodeFacts(
            name: SoakModel.node, uplinks: [.v4(IPv4Address(192, 0, 2, 1)): uplink], families: host.hasIPv6 ? [.v4, .v6] : [.v4])
        let plan = NodePlan(facts: facts, snapshot: snapshot, attachments: [:], network: SoakModel.settings)
        let whole = plan.parts(plan.keys)
        // Pods' own things are not planned here.
        let observed = try host.observe(Interest(in: whole.network)).filter { object in
            if case .link(let link) = object { return !PacketPath.isPodLink(link.name) }
            return !(object.link.map(PacketPath.isPodLink) ?? false)
        }
        if let step = difference(from: observed, to: whole.network, owned: NodePlan.ownership).first { return "\(step)" }
        for id in NodePlan.tables where try tables.observe(id)?.table != whole.tables[id] { return "table \(id)" }
        guard let services = plan.serviceFacts(ranges: [SoakModel.serviceRange], nodePortAddresses: []) else { return "no node" }
        let id = NodePlan.serviceTables[0]
        let there = try tables.observe(id)
        let table = ServiceTable(
            services, .v4,
            Dictionary(uniqueKeysWithValues: snapshot.services.names.map { ($0, snapshot.services.ports(of: $0)) }),
            after: there?.table)
        if let step = difference(from: there, to: table.serviceNames.isEmpty ? nil : table.table).first(where: { !$0.isLeftover })
        {
            return "\(step)"
        }
        return try stale(model)
    }

    /// A UDP connection that somebody answers who should not.
    private func stale(_ model: SoakModel) throws -> String? {
        for connection in try connections.connections(ConnectionFilter(.v4, 17)) {
            guard connection.status.contains(.destinationTranslated), case .v4(let asked) = connection.original.destination,
                asked.rawValue >> 8 == SoakModel.address(ofService: 0).rawValue >> 8
            else { continue }
            let service = model.services[Int(asked.rawValue & 0xFF)]
            let members = (service?.members ?? []).compactMap { model.pods[$0] }.map(IPAddress.v4)
            if service?.port != connection.original.destinationPort || !members.contains(connection.reply.source) {
                return "connection \(connection)"
            }
        }
        return nil
    }

    private func wait(_ what: String, _ lag: () throws -> String?) throws {
        var last = ""
        for _ in 0..<1200 {
            guard let text = try lag() else { return }
            last = text
            poll(nil, 0, 50)
        }
        throw KernelError(Errno(rawValue: ETIMEDOUT), "wait until \(what)", explanation: last)
    }

    /// How many of what the kernel has of ours.
    func census() throws -> [String: Int] {
        var counts: [String: Int] = [:]
        for object in try host.observe(Interest()).objects.values {
            counts[String(object.description.prefix { $0 != " " }), default: 0] += 1
        }
        for id in try tables.tables() {
            guard let table = try tables.observe(id)?.table else { continue }
            counts["tables", default: 0] += 1
            // Chains for so many endpoints, once made, stay.
            for set in table.sets.values where set.shape.data != .verdict && !set.shape.isDynamic {
                counts["elements of \(id) \(set.name)"] = set.elements.count
            }
        }
        return counts
    }
}

extension NFTables.Change {
    /// Chains for a number of endpoints are kept when nobody has that number any more, and the elements that lead there.
    fileprivate var isLeftover: Bool {
        switch self {
        case .deleteChain, .flushChain: true
        case .deleteElements(_, let shape, _): shape.data == .verdict
        default: false
        }
    }
}
