import Addressing
import CLinux
import Glibc
import NFTables
import NFTablesKernel
import Netlink
import Plan
import Synchronization
import Testing

@testable import Agent

extension KernelTests {
    @Suite("pods of a service are replaced under load", .timeLimit(.minutes(5)))
    struct RolloutTests {
        private static let front: [IPFamily: String] = [.v4: "10.96.0.10", .v6: "fd00:10:96::10"]

        /// What the controller would write: `true` for who serves and ends.
        private func write(_ endpoints: [(address: IPAddress, isEnding: Bool)], _ family: IPFamily, on node: TestNode) throws {
            let entries = endpoints.map {
                "{addresses: [\"\($0.address)\"], nodeName: n1, "
                    + "conditions: {ready: \(!$0.isEnding), serving: true, terminating: \($0.isEnding)}}"
            }
            try node.directory.write(
                TestNode.objects(1, 2) + """
                    ---
                    apiVersion: v1
                    kind: Service
                    metadata: {name: web, namespace: shop}
                    spec: {clusterIPs: ["\(try #require(Self.front[family]))"], ports: [{port: 80, targetPort: 8080}]}
                    ---
                    apiVersion: discovery.k8s.io/v1
                    kind: EndpointSlice
                    metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
                    addressType: \(family == .v4 ? "IPv4" : "IPv6")
                    ports: [{port: 8080}]
                    endpoints: [\(entries.joined(separator: ", "))]

                    """, to: "objects.yaml")
        }

        /// New connections lead to these and to nobody else.
        private func awaitTable(_ addresses: [IPAddress], _ family: IPFamily, on node: TestNode) throws {
            let tables = try KernelTables(in: node.namespace)
            let wanted = Set(addresses.map { NamedSet.Datum.value(Value(.address($0), .port(8080))) })
            let id = NodePlan.serviceTables[family == .v4 ? 0 : 1]
            try eventually("the table has \(addresses)\n\(node.log.suffix(2000))") {
                try Set((tables.observe(id)?.table.sets["endpoints"]?.elements ?? [:]).values.map(\.data)) == wanted
            }
        }

        @Test(
            "one by one, and no new connection fails, and none that stays is cut before its pod ends",
            arguments: IPFamily.allCases)
        func rolling(_ family: IPFamily) throws {
            let node = try TestNode()
            try node.start()
            var seats: [PodSeat] = []
            for name in ["old-1", "old-2", "old-3", "new-1", "new-2", "new-3"] {
                seats.append(try PodSeat(name, on: node, family))
            }
            var (old, new) = (Array(seats[..<3]), [PodSeat]())
            try write(old.map { ($0.address, false) }, family, on: node)
            try awaitTable(old.map(\.address), family, on: node)
            let client = try NetworkNamespace.new()
            try node.add("client", client)
            let target = SocketAddress(try ip(try #require(Self.front[family])), 80)
            let asker = AskingClient(in: client, target)
            // One that stays with each of the old ones.
            var standing: [String: StandingClient] = [:]
            try eventually("somebody stays with each") {
                let next = try StandingClient(in: client, target)
                if standing[next.pod] == nil { standing[next.pod] = next }
                return standing.count == 3
            }
            for seat in seats[3...] {
                new.append(seat)
                let ending = old.removeFirst()
                let (serving, last) = ((old + new).map(\.address), ending.address)
                try write((serving + [last]).map { ($0, false) }, family, on: node)
                try awaitTable(serving + [last], family, on: node)
                try eventually("\(seat.name) is asked") { asker.counts.names.contains(seat.name) }
                // Told to end: it serves whom it has, and nobody new.
                try write(serving.map { ($0, false) } + [(last, true)], family, on: node)
                try awaitTable(serving, family, on: node)
                let found = standing.removeValue(forKey: ending.name)
                let stays = try #require(found)
                #expect(stays.exchange() && stays.exchange(), "\(ending.name) still serves")
                try write(serving.map { ($0, false) }, family, on: node)
                ending.end()
                #expect(!stays.exchange())
                for (name, other) in standing { #expect(other.exchange(), "\(name) was cut") }
                #expect(try node.call("DEL", ending.name, ending.namespace.path) == .quiet)
            }
            let counts = asker.stop()
            #expect(counts.failures == [] && counts.answers > 50, "\(counts)")
            #expect(counts.names == Set(seats.map(\.name)))
        }
    }
}

/// A pod whose program says its name to who connects and gives back what it is sent.
private final class PodSeat {
    let name: String
    let namespace: NetworkNamespace
    let address: IPAddress
    private let listener: Descriptor
    private let treadmill: Treadmill
    private let connections: Connections

    private final class Connections: Sendable {
        let all = Mutex<[Int32]>([])
        func close() {
            all.withLock { all in
                for connection in all { Glibc.close(connection) }
                all = []
            }
        }
    }

    init(_ name: String, on node: TestNode, _ family: IPFamily) throws {
        self.name = name
        namespace = try .new()
        let addresses = try node.add(name, namespace).addresses.map(ip)
        address = try #require(addresses.first { $0.family == family })
        let listener = try TrafficSocket.open(in: namespace)
        guard Datagrams.with(.any(.v6), 8080, { bind(listener.rawValue, $0, $1) }) == 0, listen(listener.rawValue, 128) == 0
        else {
            throw Broken("listen in \(name): errno \(errno)")
        }
        _ = fcntl(listener.rawValue, F_SETFL, O_NONBLOCK)
        self.listener = listener
        let connections = Connections()
        self.connections = connections
        treadmill = Treadmill { Self.serve(listener, name, connections) }
    }

    private static func serve(_ listener: Descriptor, _ name: String, _ connections: Connections) {
        let known = connections.all.withLock { $0 }
        var waits = ([listener.rawValue] + known).map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        guard poll(&waits, nfds_t(waits.count), 20) > 0 else { return }
        for wait in waits.dropFirst() where wait.revents != 0 {
            var bytes = [UInt8](repeating: 0, count: 64)
            let count = recv(wait.fd, &bytes, bytes.count, 0)
            if count > 0 {
                _ = send(wait.fd, bytes, count, Int32(MSG_NOSIGNAL))
            } else {
                connections.all.withLock { $0.removeAll { $0 == wait.fd } }
                close(wait.fd)
            }
        }
        while case let accepted = accept(listener.rawValue, nil, nil), accepted >= 0 {
            let text = Array("\(name)\n".utf8)
            _ = send(accepted, text, text.count, Int32(MSG_NOSIGNAL))
            connections.all.withLock { $0.append(accepted) }
        }
    }

    private let hasEnded = Mutex(false)

    /// The program ends: nobody listens any more, and whoever is connected is hung up on.
    func end() {
        let isFirst = hasEnded.withLock { ended in
            defer { ended = true }
            return !ended
        }
        guard isFirst else { return }
        treadmill.stop()
        shutdown(listener.rawValue, Int32(SHUT_RDWR))
        connections.close()
    }

    deinit { end() }
}

private enum TrafficSocket {
    static func open(in namespace: NetworkNamespace) throws -> Descriptor {
        try namespace.perform { () throws(KernelError) in
            let opened = socket(AF_INET6, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            guard opened >= 0 else { throw KernelError(Errno(rawValue: errno), "open a socket") }
            return Descriptor(owning: opened)
        }
    }

    private static let nextPort = Mutex<UInt16>(2000)

    /// - Returns: a socket, and the name of who answers.
    static func connected(in namespace: NetworkNamespace, _ target: SocketAddress) throws -> (Descriptor, String) {
        let socket = try open(in: namespace)
        // A port that was used a moment ago belongs to a connection that the kernel remembers for ten seconds more, and would go
        // where that one went: ports by chance are the same again now and then.
        // One that stays keeps its port.
        for attempt in 1... {
            let port = nextPort.withLock { port -> UInt16 in
                port = port == 64_999 ? 2000 : port + 1
                return port
            }
            if Datagrams.with(.any(.v6), port, { bind(socket.rawValue, $0, $1) }) == 0 { break }
            guard errno == EADDRINUSE, attempt < 100 else { throw Broken("bind port \(port): errno \(errno)") }
        }
        var limit = timeval(tv_sec: 30, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(socket.rawValue, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
        }
        // Closing resets: no port is kept.
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(socket.rawValue, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
        guard Datagrams.with(target.address.mapped, target.port, { connect(socket.rawValue, $0, $1) }) == 0 else {
            throw Broken("connect to \(target): errno \(errno)")
        }
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = recv(socket.rawValue, &bytes, bytes.count, 0)
        guard count > 1 else { throw Broken("nobody answers at \(target): errno \(errno)") }
        return (socket, String(decoding: bytes[..<(count - 1)], as: UTF8.self))
    }
}

/// Connects again and again.
private final class AskingClient {
    struct Counts {
        var answers = 0
        var names: Set<String> = []
        var failures: [String] = []
    }

    private final class State: Sendable { let counts = Mutex(Counts()) }
    private let state: State
    private let treadmill: Treadmill

    init(in namespace: NetworkNamespace, _ target: SocketAddress) {
        let state = State()
        self.state = state
        treadmill = Treadmill {
            do {
                let (_, name) = try TrafficSocket.connected(in: namespace, target)
                state.counts.withLock { $0.answers += 1 }
                state.counts.withLock { _ = $0.names.insert(name) }
            } catch {
                state.counts.withLock { $0.failures.append("\(error)") }
            }
        }
    }

    var counts: Counts { state.counts.withLock { $0 } }

    func stop() -> Counts {
        treadmill.stop()
        return counts
    }
}

/// Connects once and stays.
private final class StandingClient {
    let pod: String
    private let socket: Descriptor

    init(in namespace: NetworkNamespace, _ target: SocketAddress) throws {
        (socket, pod) = try TrafficSocket.connected(in: namespace, target)
    }

    /// Whether what is sent comes back.
    func exchange() -> Bool {
        var (word, answer): (UInt64, UInt64) = (0x5455_4C4C_4500_0001, 0)
        return send(socket.rawValue, &word, 8, Int32(MSG_NOSIGNAL)) == 8
            && recv(socket.rawValue, &answer, 8, Int32(MSG_WAITALL)) == 8 && word == answer
    }
}
