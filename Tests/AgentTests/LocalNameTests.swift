import Addressing
import CLinux
import Glibc
import HostNetwork
import HostNetworkKernel
import NFTables
import NFTablesKernel
import Netlink
import Plan
import Testing

@testable import Agent

extension KernelTests {
    @Suite("names answered on the node", .timeLimit(.minutes(5)))
    struct LocalNameTests {
        private let node: TestNode
        private static let servers = ["10.96.0.10", "fd00:96::a"]

        private let parts = ["--parts", "pods,overlay,services,policies,dns"]

        init() throws { node = try TestNode() }

        /// The cluster's name server is at the neighbour, as its node's own address.
        private func objects(_ pods: [String] = [], _ more: String...) -> String {
            let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: default}\n"
            let service = """
                apiVersion: v1
                kind: Service
                metadata: {name: kube-dns, namespace: kube-system}
                spec:
                  clusterIP: 10.96.0.10
                  clusterIPs: [10.96.0.10, "fd00:96::a"]
                  ipFamilies: [IPv4, IPv6]
                  ipFamilyPolicy: RequireDualStack
                  ports: [{name: dns, protocol: UDP, port: 53}, {name: dns-tcp, protocol: TCP, port: 53}]

                """
            let slices = [("4", "IPv4", "192.0.2.2"), ("6", "IPv6", "2001:db8::2")].map { name, type, address in
                """
                apiVersion: discovery.k8s.io/v1
                kind: EndpointSlice
                metadata: {name: dns-\(name), namespace: kube-system, labels: {kubernetes.io/service-name: kube-dns}}
                addressType: \(type)
                endpoints: [{addresses: ["\(address)"], conditions: {ready: true}, nodeName: n2}]
                ports: [{name: dns, protocol: UDP, port: 53}, {name: dns-tcp, protocol: TCP, port: 53}]

                """
            }
            let pods = pods.map {
                "apiVersion: v1\nkind: Pod\nmetadata: {name: \($0), namespace: default, labels: {app: \($0)}}\n"
                    + "spec: {nodeName: n1, containers: [{name: main, image: none}]}\n"
            }
            return ([TestNode.objects(1, 2), namespace, service] + slices + pods + more).joined(separator: "---\n")
        }

        private struct Pod {
            let namespace: NetworkNamespace
            let addresses: [IPAddress]

            init(_ node: TestNode, _ name: String) throws {
                namespace = try .new()
                addresses = try node.add(name, namespace).addresses.map(ip)
            }
        }

        private func answers(_ namespace: NetworkNamespace) throws {
            for server in Self.servers {
                for isStream in [false, true] {
                    try eventually("\(server) answers, over TCP \(isStream)\n\(node.log)") {
                        NameAskers.ask(server, isStream: isStream, in: namespace)
                    }
                }
            }
        }

        @Test(
            "a pod is answered on its node, over both transports and families, and nothing is tracked",
            arguments: PodMode.allCases)
        func answered(_ mode: PodMode) throws {
            try node.directory.write(objects(["web"]), to: "objects.yaml")
            try node.start(["--pod-mode", mode.rawValue] + parts)
            let web = try Pod(node, "web")
            try answers(web.namespace)
            // What was asked before the server was there may have gone to the neighbour.
            let before = try tracked()
            try answers(web.namespace)
            #expect(try tracked() == before, "and no connection came of it")
            // A pod on the node's network, and the node itself.
            try answers(node.namespace)
            #expect(try tracked() == before)
            #expect(node.status.problems == [])
        }

        /// How many connections there are to port 53, or from it.
        private func tracked() throws -> Set<Flow> {
            var found: Set<Flow> = []
            _ = try KernelPolicyConnections(namespace: node.namespace).cut(Set(IPFamily.allCases)) { connection in
                if connection.original.destinationPort == 53 {
                    found.insert(Flow(source: connection.original.source, port: connection.original.sourcePort))
                }
                return false
            }
            return found
        }

        private struct Flow: Hashable {
            var source: IPAddress
            var port: UInt16
        }

        @Test("an agent that is killed, or hangs, is passed by: the cluster's server is asked", arguments: [SIGKILL, SIGSTOP])
        func passedBy(_ signal: Int32) throws {
            try node.directory.write(objects(["web"]), to: "objects.yaml")
            try node.start(parts)
            let web = try Pod(node, "web")
            try answers(web.namespace)
            let far = try Datagrams(in: node.neighbour, at: ip("192.0.2.2").mapped, port: 53)
            if signal == SIGKILL { node.bury() } else { kill(try #require(node.agent?.process), signal) }
            let asker = try Datagrams(in: web.namespace, at: ip("::ffff:0.0.0.0"))
            try eventually("the cluster's server is asked") {
                try asker.send("?", to: ip("10.96.0.10").mapped, port: 53)
                return far.hasSomething
            }
            guard signal == SIGSTOP else {
                try node.start(parts)
                return try answers(web.namespace)
            }
            kill(try #require(node.agent?.process), SIGCONT)
            try answers(web.namespace)
        }

        @Test("a pod whose policy does not let it ask hears nothing, from its first question on, and its neighbour is answered")
        func refused() throws {
            let closing = """
                apiVersion: networking.k8s.io/v1
                kind: NetworkPolicy
                metadata: {name: db, namespace: default}
                spec:
                  podSelector: {matchLabels: {app: db}}
                  policyTypes: [Egress]
                  egress: [{ports: [{protocol: UDP, port: 5353}]}]

                """
            try node.directory.write(objects(["db", "web"], closing), to: "objects.yaml")
            try node.start(parts)
            try answers(try Pod(node, "web").namespace)
            let db = try Pod(node, "db")
            for server in Self.servers {
                for isStream in [false, true] { #expect(!NameAskers.ask(server, isStream: isStream, in: db.namespace)) }
            }
            for family in [TableFamily.ip, .ip6] {
                let counted = try KernelTables(in: node.namespace).counters(
                    of: "refused", in: Table.ID(family, PacketPath.nameTable))
                #expect(counted.count == 2 && counted.values.allSatisfy { $0.packets > 0 }, "\(counted)")
            }
            // One transport is opened.
            let opening = closing.replacing("port: 5353", with: "port: 53").replacing("name: db,", with: "name: open,")
            try node.directory.write(objects(["db", "web"], closing, opening), to: "objects.yaml")
            for server in Self.servers {
                try eventually("\(server) answers over UDP\n\(node.log)") {
                    NameAskers.ask(server, isStream: false, in: db.namespace)
                }
                #expect(!NameAskers.ask(server, isStream: true, in: db.namespace))
            }
        }

        @Test("an address that is taken from lo comes back, and goes with the service; --clean leaves nothing")
        func drift() throws {
            try node.directory.write(objects(), to: "objects.yaml")
            try node.start(parts)
            let loopback = LoopbackAddresses(namespace: node.namespace)
            let both = try Set(Self.servers.map(ip))
            try eventually("both are held\n\(node.log)") { try held() == both }
            _ = try loopback.hold([])
            try eventually("both are put back\n\(node.log)") { try held() == both }
            try node.directory.write(TestNode.objects(1, 2), to: "objects.yaml")
            try eventually("both are gone\n\(node.log)") { try held() == [] }
            try node.directory.write(objects(), to: "objects.yaml")
            try eventually("both are held again\n\(node.log)") { try held() == both }
            node.stop()
            #expect(try held() == both, "they stay when the agent ends")
            let tables = try KernelTables(in: node.namespace).tables()
            #expect(Set(tables).isDisjoint(with: NodePlan.nameTables))
            _ = try node.tulle(["--clean", "--state", "\(node.directory.path)/state"], log: "clean").wait()
            #expect(try held() == [])
        }

        @Test("the table is read back as it was written")
        func table() throws {
            let refused = try [NameAsker(ip("10.244.1.2"), .udp), NameAsker(ip("fd00:10:244:1::2"), .tcp)]
            for family in IPFamily.allCases {
                var tables = try KernelTables(in: node.namespace)
                var table = try LocalNameTable(family, servers: Self.servers.map(ip), refused: refused)
                try tables.settle(table.id, to: table.table)
                #expect(try tables.settle(table.id, to: table.table).isEmpty)
                try tables.apply(table.refuse([]))
                #expect(try tables.settle(table.id, to: table.table).isEmpty)
            }
        }

        private func held() throws -> Set<IPAddress> {
            let found = try KernelHost(node.namespace).observe(.init([.addresses], links: ["lo"])).addresses
            return Set(found.filter { $0.proto == PacketPath.addressProtocol }.map(\.address.address))
        }
    }
}

/// Asks for what every server of the cluster's names knows.
private enum NameAskers {
    /// `dns-version.cluster.local`, TXT.
    private static let query: [UInt8] =
        [0x12, 0x34, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]
        + ["dns-version", "cluster", "local"].flatMap { [UInt8($0.utf8.count)] + $0.utf8 }
        + [0, 0, 16, 0, 1]

    /// Whether the version came back within a second.
    static func ask(_ server: String, isStream: Bool, in namespace: NetworkNamespace) -> Bool {
        guard let address = IPAddress(server) else { return false }
        let kind = Int32((isStream ? SOCK_STREAM : SOCK_DGRAM).rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard
            let socket = try? namespace.perform({ () throws(KernelError) in Descriptor(owning: Glibc.socket(AF_INET6, kind, 0)) })
        else { return false }
        var limit = timeval(tv_sec: 1, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(socket.rawValue, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
        }
        guard Datagrams.with(address.mapped, 53, { connect(socket.rawValue, $0, $1) }) == 0 else { return false }
        let bytes = isStream ? [0, UInt8(query.count)] + query : query
        guard send(socket.rawValue, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else { return false }
        var answer = [UInt8](repeating: 0, count: 512)
        let count = recv(socket.rawValue, &answer, answer.count, 0)
        return count > 0 && answer.prefix(count).suffix(6).elementsEqual([5] + "1.1.0".utf8)
    }
}

extension Datagrams {
    /// Whether a datagram is there, within half a second.
    fileprivate var hasSomething: Bool {
        var ready = pollfd(fd: socket.rawValue, events: Int16(POLLIN), revents: 0)
        return poll(&ready, 1, 500) == 1
    }
}
