import Addressing
import Glibc
import Netlink
import PolicyTrials

/// One question: a packet that opens a connection, from a pod to a pod.
struct MatrixProbe: Hashable {
    var id: UInt32
    /// The pods' numbers.
    var from: Int
    var to: Int
    /// Where the packet is sent to: the pod's address, or that of a service it is behind.
    var target: SocketAddress
    var transport: TransportProtocol
    /// The pod's own port.
    var port: UInt16
    var isOfService: Bool

    var family: IPFamily { target.address.family }
}

/// Asks from all pods and answers in all pods, with sockets in their namespaces, on the thread of whoever calls.
///
/// Of TCP a connection and a byte, of UDP a datagram there and back, of SCTP the first packet and its answer. Each answer says which
/// pod gave it.
final class MatrixProber {
    static let ports: [UInt16] = [80, 81]

    /// A pod's sockets.
    private final class Seat {
        let namespace: NetworkNamespace
        var open: [Descriptor] = []
        /// For the questions of one batch: by family, and for SCTP for good.
        var datagrams: [IPFamily: Descriptor] = [:]
        var associations: [IPFamily: Descriptor] = [:]

        init(_ namespace: NetworkNamespace) { self.namespace = namespace }
    }

    private enum Role {
        case accepts(Int)
        case echoes(Int)
        case associates(Int, IPFamily)
        case asksTCP(UInt32)
        case asksUDP
    }

    private var seats: [Int: Seat] = [:]
    private var roles: [Int32: Role] = [:]
    private var connections: [UInt32: Descriptor] = [:]
    private var watched: [pollfd] = []
    private var nextPort: UInt16 = 20_000
    private(set) var nextID: UInt32 = 1

    /// Which pod answered; negative is an error.
    private(set) var answers: [UInt32: Int] = [:]

    func takeID() -> UInt32 {
        nextID &+= 1
        return nextID
    }

    // MARK: - Pods

    /// Serves the ports of a pod from now on.
    func take(_ pod: Int, in namespace: NetworkNamespace) throws {
        forget(pod)
        let seat = Seat(namespace)
        for port in Self.ports {
            for kind in [SOCK_STREAM, SOCK_DGRAM] {
                let socket = try Self.socket(in: namespace, .v6, kind, 0)
                let code = MatrixName(SocketAddress(.any(.v6), port)).with { bind(socket.rawValue, $0, $1) }
                guard code == 0, kind == SOCK_DGRAM || listen(socket.rawValue, 1024) == 0 else {
                    throw KernelError(Errno(rawValue: errno), "listen on port \(port)")
                }
                watch(socket, kind == SOCK_STREAM ? .accepts(pod) : .echoes(pod))
                seat.open.append(socket)
            }
        }
        for family in IPFamily.allCases {
            let socket = try Self.socket(in: namespace, family, SOCK_RAW, Int32(TransportProtocol.sctp.number))
            watch(socket, .associates(pod, family))
            seat.associations[family] = socket
        }
        seats[pod] = seat
    }

    func forget(_ pod: Int) {
        guard let seat = seats.removeValue(forKey: pod) else { return }
        for socket in seat.open + seat.associations.values + seat.datagrams.values { roles[socket.rawValue] = nil }
    }

    private func watch(_ socket: Descriptor, _ role: Role) { roles[socket.rawValue] = role }

    private static func socket(
        in namespace: NetworkNamespace, _ family: IPFamily, _ kind: __socket_type, _ number: Int32
    ) throws -> Descriptor {
        try namespace.perform { () throws(KernelError) in try open(family, kind, number) }
    }

    private static func open(_ family: IPFamily, _ kind: __socket_type, _ number: Int32) throws(KernelError) -> Descriptor {
        let flags = kind.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue
        let opened = Glibc.socket(family == .v4 ? AF_INET : AF_INET6, Int32(flags), number)
        guard opened >= 0 else { throw KernelError(Errno(rawValue: errno), "open a socket") }
        // Closing resets: nothing is said once more, and no port is kept.
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(opened, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
        return Descriptor(owning: opened)
    }

    // MARK: - Questions

    /// Sends all of them; forgets those of before.
    func ask(_ probes: [MatrixProbe]) throws {
        end()
        answers = [:]
        for (pod, probes) in Dictionary(grouping: probes, by: \.from).sorted(by: { $0.key < $1.key }) {
            guard let seat = seats[pod] else { throw MatrixLab.Trouble("pod \(pod) has no sockets") }
            try prepare(seat, probes.filter { $0.transport == .tcp })
            for probe in probes { try send(probe, seat) }
        }
    }

    /// All sockets of a pod in one visit to its namespace.
    private func prepare(_ seat: Seat, _ streams: [MatrixProbe]) throws {
        let (opened, datagrams) = try seat.namespace.perform { () throws(KernelError) in
            var opened: [Descriptor] = []
            for probe in streams { opened.append(try Self.open(probe.family, SOCK_STREAM, 0)) }
            return (opened, [IPFamily.v4: try Self.open(.v4, SOCK_DGRAM, 0), .v6: try Self.open(.v6, SOCK_DGRAM, 0)])
        }
        for (probe, socket) in zip(streams, opened) {
            try bindPort(of: socket, probe.family)
            connections[probe.id] = socket
        }
        seat.datagrams = datagrams
        for (family, socket) in datagrams {
            try bindPort(of: socket, family)
            watch(socket, .asksUDP)
        }
    }

    /// A port that was used a moment ago, for whatever target, may belong to a connection that is still remembered: behind a service
    /// and past it a packet comes to the same pod and port. So none is used twice before ``MatrixLab/memory`` is over.
    private func takePort() -> UInt16 {
        nextPort = nextPort >= 59_000 ? 20_000 : nextPort + 1
        return nextPort
    }

    private func bindPort(of socket: Descriptor, _ family: IPFamily) throws {
        var one: Int32 = 1
        if family == .v6 { setsockopt(socket.rawValue, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &one, 4) }
        let port = takePort()
        let code = MatrixName(SocketAddress(.any(family), port)).with { bind(socket.rawValue, $0, $1) }
        guard code == 0 else { throw KernelError(Errno(rawValue: errno), "bind port \(port)") }
    }

    private func send(_ probe: MatrixProbe, _ seat: Seat) throws {
        let name = MatrixName(probe.target)
        var code = -1
        switch probe.transport {
        case .tcp:
            guard let socket = connections[probe.id] else { return }
            watch(socket, .asksTCP(probe.id))
            code = Int(name.with { connect(socket.rawValue, $0, $1) })
            if code != 0, errno == EINPROGRESS { return }
        case .udp:
            let bytes = withUnsafeBytes(of: probe.id) { Array($0) }
            guard let socket = seat.datagrams[probe.family] else { return }
            code = name.with { sendto(socket.rawValue, bytes, bytes.count, 0, $0, $1) }
        default:
            let packet = SCTPPacket(.initiate, from: takePort(), to: probe.target.port, tag: 0, initiateTag: probe.id)
            guard let socket = seat.associations[probe.family] else { return }
            code = Self.send(packet, to: MatrixName(SocketAddress(probe.target.address, 0)), socket)
        }
        if code < 0 { throw KernelError(Errno(rawValue: errno), "send \(probe)") }
    }

    private static func send(_ packet: SCTPPacket, to name: MatrixName, _ socket: Descriptor) -> Int {
        let bytes = packet.bytes
        return name.with { sendto(socket.rawValue, bytes, bytes.count, 0, $0, $1) }
    }

    /// Takes back what asked; what is still on its way goes nowhere.
    func end() {
        for socket in connections.values { roles[socket.rawValue] = nil }
        connections = [:]
        for seat in seats.values {
            for socket in seat.datagrams.values { roles[socket.rawValue] = nil }
            seat.datagrams = [:]
        }
    }

    // MARK: - Answers

    /// Answers, and hears answers, until there is nothing to do for so many milliseconds.
    func serve(_ milliseconds: Int32) {
        watched = roles.keys.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        var wait = milliseconds
        while poll(&watched, nfds_t(watched.count), wait) > 0 {
            for position in watched.indices where watched[position].revents != 0 {
                let socket = watched[position].fd
                handle(socket)
                // What was heard out is looked at no more.
                if roles[socket] == nil { watched[position].fd = -1 }
            }
            // What else is there already, and no more: the caller looks at what has come.
            wait = 0
        }
    }

    private func handle(_ socket: Int32) {
        switch roles[socket] {
        case .accepts(let pod): accept(pod, socket)
        case .echoes(let pod): echo(pod, socket)
        case .associates(let pod, let family): associate(pod, family, socket)
        case .asksTCP(let id): hear(id, socket)
        case .asksUDP: hear(socket)
        case nil: break
        }
    }

    private func accept(_ pod: Int, _ listener: Int32) {
        while true {
            let accepted = Glibc.accept(listener, nil, nil)
            guard accepted >= 0 else { return }
            _ = Glibc.send(accepted, [UInt8(pod)], 1, Int32(MSG_NOSIGNAL))
            close(accepted)
        }
    }

    private func echo(_ pod: Int, _ socket: Int32) {
        var bytes = [UInt8](repeating: 0, count: 16)
        while true {
            var peer = sockaddr_storage()
            var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
            withUnsafeMutablePointer(to: &peer) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { name in
                    let count = recvfrom(socket, &bytes, bytes.count, 0, name, &length)
                    if count == 4 { _ = sendto(socket, bytes.prefix(4) + [UInt8(pod)], 5, 0, name, length) }
                    length = count < 0 ? 0 : length
                }
            }
            guard length > 0 else { return }
        }
    }

    private func associate(_ pod: Int, _ family: IPFamily, _ socket: Int32) {
        var bytes = [UInt8](repeating: 0, count: 256)
        while true {
            var peer = sockaddr_storage()
            var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
            let count = withUnsafeMutablePointer(to: &peer) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { recvfrom(socket, &bytes, bytes.count, 0, $0, &length) }
            }
            guard count > 0 else { return }
            // IPv4 gives the packet with its header, IPv6 without.
            let start = family == .v4 ? Int(bytes[0] & 15) * 4 : 0
            guard start < count, let packet = SCTPPacket(Array(bytes[start..<count])) else { continue }
            switch packet.kind {
            case .initiate:
                let answer = SCTPPacket(
                    .initiateAcknowledgement, from: packet.destination, to: packet.source, tag: packet.initiateTag,
                    initiateTag: UInt32(pod) + 1)
                let reply = answer.bytes
                withUnsafePointer(to: &peer) {
                    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        _ = sendto(socket, reply, reply.count, 0, $0, length)
                    }
                }
            case .initiateAcknowledgement: answers[packet.tag] = Int(packet.initiateTag) - 1
            }
        }
    }

    private func hear(_ id: UInt32, _ socket: Int32) {
        var byte: UInt8 = 0
        let count = recv(socket, &byte, 1, 0)
        if count < 0, errno == EAGAIN { return }
        answers[id] = count == 1 ? Int(byte) : count == 0 ? -1 : -Int(errno)
        roles[socket] = nil
    }

    private func hear(_ socket: Int32) {
        var bytes = [UInt8](repeating: 0, count: 16)
        while recv(socket, &bytes, bytes.count, 0) == 5 {
            answers[bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }] = Int(bytes[4])
        }
    }
}

/// A socket's name of either family.
struct MatrixName {
    private var storage = sockaddr_storage()
    private let length: socklen_t

    init(_ target: SocketAddress) {
        switch target.address {
        case .v4(let address):
            var name = sockaddr_in()
            name.sin_family = sa_family_t(AF_INET)
            name.sin_port = target.port.bigEndian
            name.sin_addr.s_addr = address.rawValue.bigEndian
            length = socklen_t(MemoryLayout<sockaddr_in>.size)
            withUnsafeMutableBytes(of: &storage) { whole in withUnsafeBytes(of: name) { whole.copyMemory(from: $0) } }
        case .v6(let address):
            var name = sockaddr_in6()
            name.sin6_family = sa_family_t(AF_INET6)
            name.sin6_port = target.port.bigEndian
            withUnsafeMutableBytes(of: &name.sin6_addr) { $0.copyBytes(from: address.bytes) }
            length = socklen_t(MemoryLayout<sockaddr_in6>.size)
            withUnsafeMutableBytes(of: &storage) { whole in withUnsafeBytes(of: name) { whole.copyMemory(from: $0) } }
        }
    }

    func with<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        withUnsafePointer(to: storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
        }
    }
}
