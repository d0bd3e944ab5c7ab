import Addressing
import Cluster
import Netlink

/// Where connections are cut that policies no longer allow: the kernel, or a test's.
protocol PolicyConnections: Sendable {
    /// The node's own addresses, all of them: more than its object names.
    func ownAddresses() throws -> [IPAddress]

    /// Ends those of these families that are forbidden now.
    ///
    /// - Returns: how many there were.
    func cut(_ families: Set<IPFamily>, _ isForbidden: (Connection) -> Bool) throws -> Int
}

/// The connections of one network namespace. One walk through all of them, which is most of what a change costs that takes a right away.
struct KernelPolicyConnections: PolicyConnections {
    let namespace: NetworkNamespace

    private static let transports = Set([TransportProtocol.tcp, .udp, .sctp].map(\.number))

    func ownAddresses() throws -> [IPAddress] {
        let socket = try NetlinkSocket(.route, in: namespace)
        return try socket.list(AddressMessage(all: .any), operation: "list addresses").compactMap(\.address?.address)
    }

    func cut(_ families: Set<IPFamily>, _ isForbidden: (Connection) -> Bool) throws -> Int {
        let socket = try NetlinkSocket(.netfilter, in: namespace)
        return try socket.end(
            socket.connections { connection in
                families.contains(connection.original.source.family)
                    && Self.transports.contains(connection.original.transport) && isForbidden(connection)
            })
    }
}

extension PolicyIndex {
    /// Whether a connection that is tracked would not be let through now, had it to begin again. Judged as the kernel's rules do:
    /// behind the translation of its destination, before that of its source.
    func forbids(_ connection: Connection) -> Bool {
        let (source, destination) = (connection.original.source, connection.reply.source)
        let (sender, receiver) = (subjects[source], subjects[destination])
        guard sender != nil || receiver != nil, source != destination else { return false }
        if sender?.isClosed == true || receiver?.isClosed == true { return true }
        let verdict = world.verdict(
            on: .init(
                from: source, to: destination, TransportProtocol(number: connection.original.transport),
                port: connection.reply.sourcePort))
        return sender != nil && !verdict.egress.isAllowed || receiver != nil && !verdict.ingress.isAllowed
    }
}
