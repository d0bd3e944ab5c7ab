import Addressing
import Glibc
import NFTables
import NFTablesKernel
import Netlink
import Plan
import Testing

@testable import Agent

extension KernelTests {
    @Suite("connections to services that went while no agent looked", .timeLimit(.minutes(5)))
    struct StaleServiceTests {
        private let node: TestNode
        private let pods: [String: PodProcess]
        private let addresses: [String: [String]]
        private let echoes: Echoes

        /// Who answers.
        private final class Echoes {
            let programs: [Program]
            init(_ programs: [Program]) { self.programs = programs }
            deinit { for program in programs { program.end(by: SIGTERM) } }
        }

        init() throws {
            node = try TestNode()
            try node.start()
            var (pods, addresses): ([String: PodProcess], [String: [String]]) = ([:], [:])
            for name in ["old", "new", "walker"] {
                let pod = try PodProcess()
                pods[name] = pod
                addresses[name] = try node.add(name, pod.namespace).addresses
            }
            (self.pods, self.addresses) = (pods, addresses)
            let programs = try ["old", "new"].compactMap { name in
                try pods[name].map { try Program($0.command("echo", "--udp", "8080", "--name", name)) }
            }
            echoes = Echoes(programs)
            for program in programs { _ = program.line() }
        }

        /// Service dns with this pod behind, at a cluster IP and a node port; service other has `new` and never changes.
        private func write(dns pod: String?, isDeleted: Bool = false) throws {
            func service(_ name: String, _ last: Int, _ more: String) -> String {
                """
                ---
                apiVersion: v1
                kind: Service
                metadata: {name: \(name), namespace: shop}
                spec:
                  type: NodePort
                  clusterIPs: [10.96.0.\(last), "fd00:10:96::\(last)"]
                  ports: [{name: p, port: 53, protocol: UDP\(more)}]

                """
            }
            func slices(_ name: String, _ pod: String?) -> String {
                ["IPv4", "IPv6"].enumerated().map { index, family in
                    let endpoint = pod.flatMap { addresses[$0]?[index] }.map {
                        "{addresses: [\"\($0)\"], nodeName: n1, conditions: {ready: true}}"
                    }
                    return """
                        ---
                        apiVersion: discovery.k8s.io/v1
                        kind: EndpointSlice
                        metadata: {name: \(name)-\(family.lowercased()), namespace: shop, labels: {kubernetes.io/service-name: \(name)}}
                        addressType: \(family)
                        ports: [{name: p, port: 8080, protocol: UDP}]
                        endpoints: [\(endpoint ?? "")]

                        """
                }.joined()
            }
            let dns = isDeleted ? "" : service("dns", 10, ", nodePort: 30053") + slices("dns", pod)
            try node.directory.write(
                TestNode.objects(1, 2) + dns + service("other", 20, ", nodePort: 30054") + slices("other", "new"),
                to: "objects.yaml")
        }

        /// One who keeps a port, and where it sends.
        private struct Client {
            let socket: Datagrams
            let door: IPAddress
            let port: UInt16
            func send() throws { try socket.send("hello", to: door, port: port) }

            /// Until this one answers; late answers of another one do not count, but it is asked once.
            func isAnswered(by name: String) throws {
                // What was refused before is told at the next send.
                do { try send() } catch { try send() }
                while try !socket.receive().text.contains("pod=\(name)") {}
            }

            /// Asks once more, and looks what has come so far.
            func hasAnswer(by name: String) throws -> Bool {
                try? send()
                var ready = pollfd(fd: socket.socket.rawValue, events: Int16(POLLIN), revents: 0)
                while poll(&ready, 1, 20) == 1 {
                    if let answer = try? socket.receive(), answer.text.contains("pod=\(name)") { return true }
                }
                return false
            }
        }

        /// A pod at the cluster IP and somebody outside at the node port, over both families.
        private func clients(at last: Int, _ port: UInt16, from own: UInt16) throws -> [Client] {
            let walker = try #require(pods["walker"]), addresses = try #require(addresses["walker"])
            return try [0, 1].flatMap { family in
                let (inside, outside) = try (
                    Datagrams(in: walker.namespace, at: ip(addresses[family]).mapped, port: own),
                    Datagrams(in: node.neighbour, at: ip(["192.0.2.2", "2001:db8::2"][family]).mapped, port: own)
                )
                return try [
                    Client(socket: inside, door: ip(["10.96.0.\(last)", "fd00:10:96::\(last)"][family]).mapped, port: 53),
                    Client(socket: outside, door: ip(["192.0.2.1", "2001:db8::1"][family]).mapped, port: port),
                ]
            }
        }

        /// Both families' tables have somebody behind the node port.
        private func awaitTables() throws {
            let tables = try KernelTables(in: node.namespace)
            let key = Value(.transport(.udp), .port(30053))
            try eventually("the tables are as the objects ask\n\(node.log.suffix(2000))") {
                try NodePlan.serviceTables.allSatisfy { id in
                    let sets = try tables.observe(id)?.table.sets ?? [:]
                    return sets["node-ports"]?.elements[key] != nil && sets["node-endpoints"]?.elements.isEmpty == false
                }
            }
        }

        /// The connections to service other, by the kernel's numbers.
        private func others() throws -> Set<UInt32?> {
            let socket = try NetlinkSocket(.netfilter, in: node.namespace)
            return try IPFamily.allCases.reduce(into: []) { found, family in
                for connection in try socket.connections(ConnectionFilter(family, 17))
                where
                    connection.original.destination.description.hasSuffix(family == .v4 ? "10.96.0.20" : ":96::20")
                    || connection.original.destinationPort == 30054
                {
                    found.insert(connection.id)
                }
            }
        }

        private func restart(_ change: () throws -> Void) throws {
            #expect(node.stop(by: SIGKILL) == 128 + SIGKILL)
            try change()
            try node.start()
            try eventually("all was looked at") { node.status(in: "state").wholeRounds > 0 }
        }

        // For as long as such a client sent, it was led to the pod that was gone.
        @Test("UDP clients of an endpoint that was removed meanwhile reach another one, and those of others are left alone")
        func removed() throws {
            try write(dns: "old")
            try awaitTables()
            let clients = try clients(at: 10, 30053, from: 4100)
            let witnesses = try self.clients(at: 20, 30054, from: 4200)
            for client in clients { try client.isAnswered(by: "old") }
            for witness in witnesses { try witness.isAnswered(by: "new") }
            let before = try others()
            #expect(before.count == 4 && !before.contains(nil))
            try restart {
                for client in clients { try client.isAnswered(by: "old") }
                try write(dns: "new")
            }
            for client in clients { try client.isAnswered(by: "new") }
            #expect(try others() == before)
            #expect(node.status.problems == [])
        }

        @Test("and so do clients of a service that was deleted meanwhile and comes back with another pod")
        func deleted() throws {
            try write(dns: "old")
            try awaitTables()
            let clients = try clients(at: 10, 30053, from: 4300)
            for client in clients { try client.isAnswered(by: "old") }
            try restart { try write(dns: nil, isDeleted: true) }
            for client in clients { try? client.send() }
            try write(dns: "new")
            for client in clients {
                try eventually("it is answered by another one\n\(node.log.suffix(2000))") { try client.hasAnswer(by: "new") }
            }
        }

        // While a table was away, clients sent past the services, and went on so when it was back.
        @Test("clients that sent while somebody had taken the tables away are led to the service again")
        func takenAway() throws {
            try write(dns: "old")
            try awaitTables()
            // Nobody at all: then the tables come back, whoever looks.
            #expect(node.stop(by: SIGKILL) == 128 + SIGKILL)
            let tables = try KernelTables(in: node.namespace)
            try tables.apply(NodePlan.serviceTables.map { .deleteTable($0) })
            let clients = try clients(at: 10, 30053, from: 4400)
            for client in clients { try? client.send() }
            try node.start()
            try eventually("all was looked at") { node.status(in: "state").wholeRounds > 0 }
            for client in clients { try client.isAnswered(by: "old") }
        }
    }
}
