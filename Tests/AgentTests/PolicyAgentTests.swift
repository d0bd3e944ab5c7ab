import Addressing
import CLinux
import Glibc
import HostNetwork
import NFTables
import NFTablesKernel
import Netlink
import Plan
import Testing

@testable import Agent

extension KernelTests {
    @Suite("policies of a node's pods", .timeLimit(.minutes(5)))
    struct PolicyAgentTests {
        private let node: TestNode

        init() throws { node = try TestNode() }

        private func objects(_ pods: [String], _ policies: String...) -> String {
            let pods = pods.map { PolicyTexts.pod($0) }
            return ([TestNode.objects(1), PolicyTexts.namespace] + pods + policies).joined(separator: "---\n")
        }

        /// Nobody but `web` may talk to `db`, and `db` to nobody.
        private let closing = """
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata: {name: db, namespace: default}
            spec:
              podSelector: {matchLabels: {app: db}}
              policyTypes: [Ingress, Egress]
              ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]

            """

        private func refused(_ family: TableFamily = .ip) throws -> UInt64 {
            let id = Table.ID(family, PacketPath.policyTable)
            let tables = try KernelTables(in: node.namespace)
            guard try tables.tables().contains(id) else { return 0 }
            return try ["refused-senders", "refused-receivers", "isolated"].reduce(0) { sum, set in
                try tables.counters(of: set, in: id).values.reduce(sum) { $0 + $1.packets }
            }
        }

        @Test(
            "hold from the first packet: a pod that is meant is isolated, one that nothing is known of is closed",
            arguments: PodMode.allCases)
        func firstPacket(_ mode: PodMode) throws {
            try node.directory.write(objects(["db", "web", "other"], closing), to: "objects.yaml")
            try node.start("--pod-mode", mode.rawValue)
            let pods = try ["db", "web", "other", "stranger"].reduce(into: [:]) { $0[$1] = try Place(node, $1) }
            let db = try #require(pods["db"])
            let inbox = try Datagrams(in: db.namespace, at: db.address.mapped, port: 4020)
            for name in ["other", "stranger"] {
                let pod = try #require(pods[name])
                let before = try refused()
                try Datagrams(in: pod.namespace, at: pod.address.mapped).send(name, to: db.address.mapped, port: 4020)
                try eventually("what \(name) sent is refused") { try refused() > before }
            }
            let web = try #require(pods["web"])
            try Datagrams(in: web.namespace, at: web.address.mapped).send("web", to: db.address.mapped, port: 4020)
            #expect(try inbox.receive().text == "web", "and nothing of the others before")
            let before = try refused()
            try inbox.send("db", to: web.address.mapped, port: 4021)
            try eventually("what db sends is refused") { try refused() > before }
            // The stranger becomes known.
            try node.directory.write(objects(["db", "web", "other", "stranger"], closing), to: "objects.yaml")
            let stranger = try #require(pods["stranger"])
            let open = try Datagrams(in: stranger.namespace, at: stranger.address.mapped, port: 4022)
            try eventually("the stranger is open\n\(node.log)") { try !isIsolated(stranger.address) }
            try Datagrams(in: web.namespace, at: web.address.mapped).send("hello", to: stranger.address.mapped, port: 4022)
            #expect(try open.receive().text == "hello")
        }

        private func isIsolated(_ address: IPAddress) throws -> Bool {
            let id = Table.ID(.ip, PacketPath.policyTable)
            let found = try KernelTables(in: node.namespace).observe(id)?.table
            return found?.sets["isolated"]?.elements[Value(.address(address))] != nil
        }

        @Test("when a policy begins to deny, a connection ends, and a server that speaks first does not revive it")
        func cut() throws {
            try node.directory.write(objects(["db", "other"]), to: "objects.yaml")
            try node.start()
            let (db, other) = (try Place(node, "db"), try Place(node, "other"))
            let exchange = try Pair(from: other.namespace, to: (db.namespace, db.address))
            #expect(try exchange.carries())
            #expect(try !node.tables().contains(PacketPath.policyTable), "there is no policy yet")
            let open = closing.replacingFirst("policyTypes: [Ingress, Egress]", with: "policyTypes: [Ingress]")
            try node.directory.write(objects(["db", "other"], open), to: "objects.yaml")
            try eventually("the connection is cut\n\(node.log)") { node.log.contains("cut connections") }
            let before = try refused()
            try exchange.send(fromServer: true)
            try eventually("what the server says is refused") { try refused() > before }
            let then = try refused()
            try exchange.send(fromServer: false)
            try eventually("what the client says is refused") { try refused() > then }
            #expect(exchange.hasNothing)
        }

        @Test("where connections are not cut, one that is no longer allowed goes on, and a new one is refused")
        func uncut() throws {
            try node.directory.write(objects(["db", "other"]), to: "objects.yaml")
            try node.start("--no-cut-connections")
            let (db, other) = (try Place(node, "db"), try Place(node, "other"))
            let exchange = try Pair(from: other.namespace, to: (db.namespace, db.address))
            #expect(try exchange.carries())
            let open = closing.replacingFirst("policyTypes: [Ingress, Egress]", with: "policyTypes: [Ingress]")
            try node.directory.write(objects(["db", "other"], open), to: "objects.yaml")
            try eventually("the policy is in force\n\(node.log)") { try isIsolated(db.address) }
            let before = try refused()
            try Datagrams(in: other.namespace, at: other.address.mapped).send("x", to: db.address.mapped, port: 4020)
            try eventually("what is new is refused") { try refused() > before }
            for _ in 0..<3 { #expect(try exchange.carries()) }
            #expect(!node.log.contains("cut connections"))
        }

        // A policy whose selector was misspelt isolated everybody, and nobody was told.
        @Test("a field that nobody knows is a problem, of both kinds of policies, and what is left of them holds")
        func unknownField() throws {
            let slip = closing.replacingFirst(
                "podSelector: {matchLabels: {app: db}}", with: "podSelectr: {matchLabels: {app: db}}")
            let other = lock().replacingFirst("priority: 7", with: "priority: 7\n  prio: 7")
            try node.directory.write(objects(["web"], slip, other), to: "objects.yaml")
            try node.start()
            let web = try Place(node, "web")
            #expect(try isIsolated(web.address))
            try eventually("the fields are told\n\(node.log)") {
                let problems = node.status.problems
                return problems.contains {
                    $0.hasPrefix("warning field-unknown: NetworkPolicy default/db: ") && $0.contains("\"spec.podSelectr\"")
                }
                    && problems.contains {
                        $0.hasPrefix("warning field-unknown: ClusterNetworkPolicy lock: ") && $0.contains("\"spec.prio\"")
                    }
            }
        }

        @Test("stay as they are when the agent is killed and started again, and go when it is cleaned up or has another duty")
        func restarted() throws {
            try node.directory.write(objects(["db", "web"], closing), to: "objects.yaml")
            try node.start()
            let db = try Place(node, "db")
            #expect(try isIsolated(db.address))
            try eventually("the agent rests\n\(node.log)") { node.status.rounds > 1 }
            let (tables, generation) = (try node.tables(), try node.generation())
            _ = node.stop(by: SIGKILL)
            #expect(try node.tables() == tables)
            try node.start()
            #expect(try node.tables() == tables && node.generation() == generation, "\(node.log)")
            _ = node.stop()
            try node.start("--parts", "pods,overlay,services")
            #expect(try !isIsolated(db.address))
            _ = node.stop()
            try node.start()
            #expect(try isIsolated(db.address))
            _ = node.stop()
            let cleaning = try node.tulle(["--clean", "--state", "\(node.directory.path)/state"], log: "cleaning")
            #expect(try cleaning.finish().status == 0)
            #expect(try !node.tables().contains(PacketPath.policyTable))
        }

        /// Nobody may ask `db`, whatever network policies say.
        private func lock(_ mode: String = "enforced") -> String {
            """
            apiVersion: policy.networking.k8s.io/v1alpha2
            kind: ClusterNetworkPolicy
            metadata: {name: lock, annotations: {tulle.dev/policy-mode: \(mode)}}
            spec:
              tier: Admin
              priority: 7
              subject: {pods: {podSelector: {matchLabels: {app: db}}}}
              ingress: [{name: none, action: Deny, from: [{namespaces: {}}]}]

            """
        }

        @Test("a policy of the cluster that begins to deny cuts; in shadow it only counts and tells")
        func clusterPolicy() throws {
            try node.directory.write(objects(["db", "other"], lock("shadow")), to: "objects.yaml")
            try node.start("--log-connections", "denied", "--metrics-address", "127.0.0.1:19249")
            let (db, other) = (try Place(node, "db"), try Place(node, "other"))
            let exchange = try Pair(from: other.namespace, to: (db.namespace, db.address))
            #expect(try exchange.carries())
            try eventually("the shadow tells\n\(node.log)") {
                node.log.split(separator: "\n").contains {
                    $0.contains("outcome=shadow-denied") && $0.contains("policy=\"ClusterNetworkPolicy lock\"")
                        && $0.contains("rule=ingress[0]/none ")
                        && $0.contains(" from=default/other from-address=\(other.address):")
                        && $0.contains(" to=default/db to-address=\(db.address):4023")
                }
            }
            let shadow = try node.namespace.perform { () throws(KernelError) in try PolicyListing() }.rows
            #expect(
                shadow.filter { $0.packets > 0 }.map { "\($0.direction) \($0.outcome) \($0.rule)" } == [
                    "ingress shadow-denied would refuse: ingress[0]/none of lock"
                ])
            try node.directory.write(objects(["db", "other"], lock()), to: "objects.yaml")
            try eventually("the connection is cut\n\(node.log)") { node.log.contains("cut connections") }
            #expect(node.log.contains("between=\"default/other → default/db\" count=1"), "\(node.log)")
            let before = try refused()
            let socket = try Datagrams(in: other.namespace, at: other.address.mapped)
            try eventually("what is asked now is refused") {
                try socket.send("x", to: db.address.mapped, port: 4024)
                return try refused() > before
            }
            try eventually("the refusal is told\n\(node.log)") {
                node.log.contains("outcome=denied") && node.log.contains("protocol=UDP")
            }
        }

        @Test("a policy of the cluster keeps a pod from its own node at whatever address of it", arguments: PodMode.allCases)
        func ownNodeEverywhere(_ mode: PodMode) throws {
            try node.directory.write(objects(["db"]), to: "objects.yaml")
            try node.start("--pod-mode", mode.rawValue)
            let db = try Place(node, "db")
            let extra = try #require(InterfaceAddress("192.0.2.201/32"))
            try node.change(.add(.address(Address(extra, on: "lo"))))
            let bridge = mode == .bridge ? [try ip("10.244.1.1")] : []
            let pairs = try (bridge + [extra.address]).map { try Pair(from: db.namespace, to: (node.namespace, $0)) }
            for pair in pairs { #expect(try pair.carries()) }
            try node.directory.write(objects(["db"], PolicyTexts.fence), to: "objects.yaml")
            try eventually("the connections are cut\n\(node.log)") {
                node.log.contains("cut connections") && node.log.contains("count=\(pairs.count)")
            }
            for (pair, number) in zip(pairs, 0...) {
                let before = try late(db.address)
                try pair.send(fromServer: false)
                try eventually("what is sent to address \(number) is refused") { try late(db.address) > before }
                #expect(pair.hasNothing)
            }
        }

        /// How much of a pod's to its own node belonged to no connection.
        private func late(_ pod: IPAddress) throws -> UInt64 {
            let id = Table.ID(.ip, PacketPath.policyTable)
            return try KernelTables(in: node.namespace).counters(of: "guarded", in: id)[Value(.address(pod))]?.packets ?? 0
        }

        @Test("what a pod had open to its own node ends when a policy of the cluster begins to keep it from nodes")
        func ownNodeCut() throws {
            try node.directory.write(objects(["db"]), to: "objects.yaml")
            try node.start()
            let db = try Place(node, "db")
            let exchange = try Pair(from: db.namespace, to: (node.namespace, try ip("192.0.2.1")))
            #expect(try exchange.carries())
            let keeping = lock().replacingFirst(
                "ingress: [{name: none, action: Deny, from: [{namespaces: {}}]}]",
                with: "egress: [{name: none, action: Deny, to: [{nodes: {}}]}]")
            try node.directory.write(objects(["db"], keeping), to: "objects.yaml")
            try eventually("the connection is cut\n\(node.log)") { node.log.contains("cut connections") }
            // Neither side can take it up again: the node may begin a new one, and this is none.
            let id = Table.ID(.ip, PacketPath.policyTable)
            func guarded() throws -> UInt64 {
                try KernelTables(in: node.namespace).counters(of: "guarded", in: id).values.reduce(0) { $0 + $1.packets }
            }
            for fromServer in [true, false] {
                let before = try guarded()
                try exchange.send(fromServer: fromServer)
                try eventually("what the \(fromServer ? "node" : "pod") says is refused") { try guarded() > before }
            }
            #expect(exchange.hasNothing)
        }

        @Test("not a packet of a prober that fires from before the pod's address is there comes through")
        func prober() throws {
            let names = (0..<12).map { "p\($0)" }
            let closing = """
                apiVersion: networking.k8s.io/v1
                kind: NetworkPolicy
                metadata: {name: closed, namespace: default}
                spec: {podSelector: {}, policyTypes: [Ingress]}

                """
            try node.directory.write(objects(["prober"] + names, closing), to: "objects.yaml")
            try node.start()
            let prober = try Place(node, "prober")
            let socket = try Datagrams(in: prober.namespace, at: prober.address.mapped)
            for (position, name) in names.enumerated() {
                let target = prober.address.advanced(by: UInt128(position + 1))
                let pod = try NetworkNamespace.new()
                let inbox = try Datagrams(in: pod, at: .any(.v6), port: 4030)
                // Until the pod is there its node says that nobody is: what the kernel then refuses to send is no matter.
                let treadmill = Treadmill { try? socket.send("x", to: target.mapped, port: 4030) }
                defer { treadmill.stop() }
                #expect(try node.add(name, pod).addresses.first == target.description)
                try eventually("what is sent to \(name) is refused") { try refused(at: target) > 0 }
                var entry = pollfd(fd: inbox.socket.rawValue, events: Int16(POLLIN), revents: 0)
                #expect(poll(&entry, 1, 0) == 0, "\(name) got something")
            }
        }

        private func refused(at address: IPAddress) throws -> UInt64 {
            let counters = try KernelTables(in: node.namespace).counters(
                of: "refused-receivers", in: Table.ID(.ip, PacketPath.policyTable))
            return counters[Value(.address(address))]?.packets ?? 0
        }

        @Test("what somebody takes out of the table comes back")
        func drift() throws {
            try node.directory.write(objects(["db"], closing), to: "objects.yaml")
            try node.start()
            let db = try Place(node, "db")
            let id = Table.ID(.ip, PacketPath.policyTable)
            let tables = try KernelTables(in: node.namespace)
            let before = try #require(try tables.observe(id)?.table)
            try tables.apply([.flushChain(id, "forward")])
            try eventually("the rules are back\n\(node.log)") { try tables.observe(id)?.table == before }
            try tables.apply([.deleteTable(id)])
            try eventually("the table is back\n\(node.log)") { try isIsolated(db.address) }
        }
    }
}

/// A pod of the node, attached.
private struct Place {
    let namespace: NetworkNamespace
    let address: IPAddress

    init(_ node: TestNode, _ name: String) throws {
        namespace = try .new()
        let result = try node.add(name, namespace)
        address = try ip(try #require(result.addresses.first))
    }
}

/// A connection of TCP between two pods.
private final class Pair {
    private let near: Descriptor
    private let far: Descriptor

    init(from one: NetworkNamespace, to other: (NetworkNamespace, IPAddress), port: UInt16 = 4023) throws {
        let listener = try LongExchange.socket(in: other.0)
        let bound = Datagrams.with(other.1.mapped, port) { bind(listener.rawValue, $0, $1) }
        guard bound == 0, listen(listener.rawValue, 1) == 0 else { throw Broken("listen: errno \(errno)") }
        let asker = try LongExchange.socket(in: one)
        guard Datagrams.with(other.1.mapped, port, { connect(asker.rawValue, $0, $1) }) == 0 else {
            throw Broken("connect to \(other.1): errno \(errno)")
        }
        near = asker
        far = Descriptor(owning: accept(listener.rawValue, nil, nil))
    }

    func send(fromServer: Bool) throws {
        guard Glibc.send((fromServer ? far : near).rawValue, [1 as UInt8], 1, Int32(MSG_NOSIGNAL)) == 1 else {
            throw Broken("send: errno \(errno)")
        }
    }

    func carries() throws -> Bool {
        var byte: UInt8 = 0
        try send(fromServer: false)
        guard recv(far.rawValue, &byte, 1, 0) == 1 else { return false }
        try send(fromServer: true)
        return recv(near.rawValue, &byte, 1, 0) == 1
    }

    var hasNothing: Bool {
        var entries = [near, far].map { pollfd(fd: $0.rawValue, events: Int16(POLLIN), revents: 0) }
        return poll(&entries, 2, 0) == 0
    }
}

extension String {
    fileprivate func replacingFirst(_ text: String, with other: String) -> String {
        guard let range = firstRange(of: text) else { return self }
        return self[..<range.lowerBound] + other + self[range.upperBound...]
    }
}
