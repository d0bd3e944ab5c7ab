import Addressing
import CLinux
import DNS
import Glibc
import HostNetwork
import HostNetworkKernel
import Logging
import NameServer
import Netlink
import Testing

@testable import Agent

extension KernelTests {
    @Suite("a node's own name server that ends", .timeLimit(.minutes(10)))
    struct NameStopTests {
        private let node: TestNode
        private let far: DNSServer
        private static let server = "10.96.0.10"

        init() throws {
            node = try TestNode()
            far = try Self.clusterServer(in: node.neighbour)
            let back = Route(try net("10.244.1.0/24"), via: try ip("192.0.2.1"), device: "eth0", proto: 4)
            try #require(KernelHost(node.neighbour).apply([.add(.route(back))]) == [])
        }

        /// A pod of the node, which begins to answer.
        private func begin(_ document: String) throws -> NetworkNamespace {
            let objects = [NameObjects.service(at: [Self.server]), NameObjects.document(document), NameObjects.pod("web")]
            try node.directory.write(NameObjects.cluster(objects), to: "objects.yaml")
            try node.start()
            let pod = try NetworkNamespace.new()
            _ = try node.add("web", pod)
            try until("1.1.0", in: pod)
            return pod
        }

        private func until(_ word: String, in pod: NetworkNamespace) throws {
            let client = NameClient(server: Self.server, namespace: pod)
            try eventually("\(word) answers\n\(node.log)") { client.version?.contains(word) == true }
        }

        /// The cluster's own server, which says that it is another.
        private static func clusterServer(in namespace: NetworkNamespace) throws -> DNSServer {
            let origin = ContinuousClock.now
            let server = DNSServer(
                NameServerSettings(addresses: [try ip("192.0.2.2")], now: { ContinuousClock.now - origin }), outside: nil,
                logger: Logger(label: "far", factory: { _ in SwiftLogNoOpLogHandler() }))
            let configuration = try NameServerConfiguration(
                "zones: [{name: cluster.local, text: 'dns-version 5 IN TXT \"far\"'}]")
            var zones = Zones()
            configuration.custom.apply(to: &zones, insteadOf: nil)
            server.serve(ServedNames(zones: zones))
            try server.start(in: namespace)
            return server
        }

        @Test("no question is lost while an agent stops and starts, twenty times")
        func steady() throws {
            defer { far.stop() }
            let pod = try begin("{}")
            let questions = try SteadyQuestions("dns-version.cluster.local", in: pod, at: ip(Self.server), rate: 500)
            func heard(_ word: String) -> Int { questions.now.answers["\"\(word)\""] ?? 0 }
            func goOn(_ word: String) throws {
                let before = heard(word)
                try eventually("\(word) answers: \(questions.now)\n\(node.log)") { heard(word) >= before + 50 }
            }
            try goOn("1.1.0")
            for _ in 1...20 {
                #expect(node.stop() == 0)
                try goOn("far")
                try node.launch()
                try goOn("1.1.0")
            }
            let counts = questions.end()
            #expect(counts.lost == [], "of \(counts.asked)")
        }

        @Test("of an agent that is killed, only those questions are lost that it had at that moment")
        func killed() throws {
            defer { far.stop() }
            let pod = try begin("{}")
            let questions = try SteadyQuestions("dns-version.cluster.local", in: pod, at: ip(Self.server), rate: 500)
            func heard(_ word: String) -> Int { questions.now.answers["\"\(word)\""] ?? 0 }
            try eventually("it answers: \(questions.now)\n\(node.log)") { heard("1.1.0") >= 50 }
            let before = questions.age
            node.bury()
            let after = questions.age
            try eventually("far answers: \(questions.now)\n\(node.log)") { heard("far") >= 50 }
            let counts = questions.end()
            #expect(counts.lost.allSatisfy { before - 0.5..<after + 0.5 ~= $0 }, "killed from \(before) to \(after): \(counts)")
        }

        /// Tracked, the late answer would meet the connection of the question that came from the same port meanwhile, and be sent from
        /// another port than 53: where agents were stopped under load, some questions had no answer because of it.
        @Test("who waits for a name outside gets it from an agent that ends, also when he asks the cluster's server meanwhile")
        func waiting() throws {
            defer { far.stop() }
            let upstream = try Upstream(in: node.neighbour)
            let pod = try begin("forward: {upstreams: '192.0.2.2:5353'}")
            let callers = try [false, true].map { try NameCaller(pod, ip(Self.server), isStream: $0) }
            var heard: [Upstream.Heard] = []
            for (index, caller) in callers.enumerated() {
                let name = "www\(index).example.org"
                try #require(caller.send(name, id: 7))
                heard.append(try upstream.receive(name))
            }
            let agent = try #require(node.agent?.process)
            kill(agent, SIGTERM)
            try until("far", in: pod)
            let stranger = NameClient(server: Self.server, isStream: true, namespace: pod)
            #expect(stranger.version?.contains("far") == true, "a connection that begins now is not the agent's")
            try #require(callers[0].send("dns-version.cluster.local", .txt, id: 8))
            let other = try #require(callers[0].receive(), "\(node.log)")
            #expect(other.header.id == 8 && other.answers.map { "\($0.data)" } == ["\"far\""])
            for question in heard { try upstream.answer(question) }
            for (index, caller) in callers.enumerated() {
                let told = try #require(caller.receive(), "caller \(index)\n\(node.log)")
                #expect(told.header.id == 7 && told.answers.map { "\($0.data)" } == ["192.0.2.80"], "\(told)")
            }
            #expect(node.stop() == 0)
        }

        /// A name server at the neighbour that answers when it is told to.
        private struct Upstream {
            struct Heard {
                var query: DNS.Message
                var peer: sockaddr_in
            }

            private let socket: Descriptor

            init(in namespace: NetworkNamespace) throws {
                socket = try namespace.perform { () throws(KernelError) in
                    Descriptor(owning: Glibc.socket(AF_INET, CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0))
                }
                var place = sockaddr_in()
                (place.sin_family, place.sin_port) = (sa_family_t(AF_INET), UInt16(5353).bigEndian)
                var limit = timeval(tv_sec: 20, tv_usec: 0)
                setsockopt(socket.rawValue, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
                let isBound = Self.with(&place) { bind(socket.rawValue, $0, $1) }
                guard isBound == 0 else { throw Broken("bind: errno \(errno)") }
            }

            private static func with<Result>(
                _ place: inout sockaddr_in, _ body: (UnsafeMutablePointer<sockaddr>, socklen_t) -> Result
            ) -> Result {
                withUnsafeMutablePointer(to: &place) {
                    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
                }
            }

            /// It is asked for a name that nobody has, too.
            func receive(_ name: String) throws -> Heard {
                var (place, bytes) = (sockaddr_in(), [UInt8](repeating: 0, count: 2048))
                while true {
                    let count = Self.with(&place) { place, size in
                        var size = size
                        return recvfrom(socket.rawValue, &bytes, bytes.count, 0, place, &size)
                    }
                    try #require(count > 0, "it is not asked for \(name)")
                    let query = try DNS.Message(Array(bytes[..<count]))
                    if query.questions.first?.name == DomainName(name) { return Heard(query: query, peer: place) }
                }
            }

            func answer(_ heard: Heard) throws {
                var (answer, place) = (heard.query, heard.peer)
                answer.header.isResponse = true
                let name = try #require(answer.questions.first?.name)
                answer.answers = [Record(name, .address(try ip("192.0.2.80")), ttl: 30)]
                let bytes = answer.bytes()
                let sent = Self.with(&place) { sendto(socket.rawValue, bytes, bytes.count, 0, $0, $1) }
                try #require(sent == bytes.count)
            }
        }
    }
}
