import Addressing
import Glibc
import HostNetwork
import HostNetworkKernel
import Netlink

/// A node that is a namespace, an API server on its loopback, a real agent that follows it, and pods that tulle-cni attaches.
final class RolloutScene {
    struct Trouble: Error, CustomStringConvertible { var description: String }

    /// As the slice tells it.
    struct Endpoint {
        var address: IPv4Address
        var isTerminating = false
    }

    static let front = SocketAddress(.v4(IPv4Address(10, 96, 0, 10)), 80)
    static let port: UInt16 = 8080

    private let directory: Directory
    private let socket: IsolatedSocket
    private let server: ServerProcess
    private var client: PlainConnection
    private let far: NetworkNamespace
    private let programs: String
    private var agent: Call.Running?
    private var pods: [String: NetworkNamespace] = [:]

    init() throws {
        directory = try Directory()
        socket = try IsolatedSocket()
        server = try ServerProcess(directory.file("store"), socket.descriptor)
        client = try PlainConnection(socket.namespace, port: socket.port)
        far = try .new()
        let program = try RoadAgent.program()
        programs = String(program[..<(program.lastIndex(of: "/") ?? program.startIndex)])
        let host = try KernelHost(socket.namespace)
        host.namespaces["far"] = far
        let address = InterfaceAddress(.v4(IPv4Address(192, 0, 2, 1)), length: 24)
        let refusals = try host.apply([
            .add(.link(Link("eth0", .veth(peer: Link.Peer("eth0", in: "far")), mtu: 1500, makesLinkLocal: false))),
            .add(.address(Address(address, on: "eth0"))),
        ])
        if let refusal = refusals.first { throw refusal.kernelError }
        try write(
            "POST", "/api/v1/nodes",
            #"{"metadata":{"name":"n1"},"spec":{"podCIDRs":["10.244.0.0/24"]},"status":{"addresses":"#
                + #"[{"type":"InternalIP","address":"192.0.2.1"}]}}"#)
        try write(
            "POST", "/api/v1/namespaces/default/services",
            #"{"metadata":{"name":"web"},"spec":{"clusterIP":"10.96.0.10","ports":[{"name":"http","port":80,"targetPort":8080}]}}"#
        )
        try write("POST", Self.slices, Self.slice([]))
        try start()
    }

    func end() {
        if let agent {
            kill(agent.process, SIGTERM)
            waitpid(agent.process, nil, 0)
            close(agent.output)
        }
        client.close()
        server.kill()
        close(socket.descriptor)
        _ = try? Call(["/bin/rm", "-r", directory.file("")]).run()
    }

    private func start() throws {
        let kubeconfig = directory.file("kubeconfig")
        socket.writeKubeconfig(to: kubeconfig)
        agent = try Call(
            [
                "\(programs)/tulle", "agent", "--node", "n1", "--kubeconfig", kubeconfig, "--state", directory.file("state"),
                "--service-cidr", "10.96.0.0/16",
            ], log: directory.file("log")
        ).spawn(in: socket.namespace)
        for _ in 0..<600 {
            if try call("STATUS", "", "").run().status == 0 { return }
            poll(nil, 0, 50)
        }
        throw Trouble(description: "the agent is not ready after half a minute; its log is \(directory.file("log"))")
    }

    // MARK: - Pods

    /// As a runtime does: a namespace, and then ADD.
    func attach(_ name: String) throws -> (namespace: NetworkNamespace, address: IPv4Address) {
        let namespace = try NetworkNamespace.new()
        let outcome = try call("ADD", name, Self.path(namespace)).run()
        let addresses = outcome.output.split(separator: "\"").compactMap { InterfaceAddress(String($0))?.address }
        guard outcome.status == 0, case .v4(let address)? = addresses.first(where: { $0.family == .v4 }) else {
            throw Trouble(description: "attach \(name): \(outcome.output)")
        }
        pods[name] = namespace
        return (namespace, address)
    }

    func detach(_ name: String) throws {
        guard let namespace = pods.removeValue(forKey: name) else { return }
        let outcome = try call("DEL", name, Self.path(namespace)).run()
        guard outcome.status == 0 else { throw Trouble(description: "detach \(name): \(outcome.output)") }
    }

    private static func path(_ namespace: NetworkNamespace) -> String {
        "/proc/\(getpid())/fd/\(namespace.descriptor.rawValue)"
    }

    private func call(_ verb: String, _ container: String, _ pod: String) -> Call {
        Call(
            ["\(programs)/tulle-cni"],
            environment: [
                "CNI_COMMAND=\(verb)", "CNI_CONTAINERID=\(container)", "CNI_NETNS=\(pod)", "CNI_IFNAME=eth0",
                "CNI_PATH=/usr/lib/cni", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
            ],
            input:
                #"{"cniVersion":"1.1.0","name":"rollout","type":"tulle-cni","agentSocket":"\#(directory.file("state"))/cni.sock""#
                + #","queueDirectory":"\#(directory.file("state"))/deletions"}"#)
    }

    // MARK: - Objects

    private static let slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"

    /// What the endpoint slice controller writes.
    func publish(_ endpoints: [Endpoint]) throws { try write("PUT", "\(Self.slices)/web-a", Self.slice(endpoints)) }

    private static func slice(_ endpoints: [Endpoint]) -> String {
        let entries = endpoints.map {
            #"{"addresses":["\#($0.address)"],"nodeName":"n1","conditions":{"ready":\#(!$0.isTerminating),"serving":true,"#
                + #""terminating":\#($0.isTerminating)}}"#
        }
        return #"{"metadata":{"name":"web-a","labels":{"kubernetes.io/service-name":"web"}},"addressType":"IPv4","#
            + #""endpoints":[\#(entries.joined(separator: ","))],"ports":[{"name":"http","port":8080}]}"#
    }

    private func write(_ method: String, _ path: String, _ body: String) throws {
        let status = try client.ask(method, path, body).status
        guard status == 200 || status == 201 else { throw Trouble(description: "\(method) \(path) is answered \(status)") }
    }
}
