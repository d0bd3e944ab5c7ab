import Addressing
import Cluster
import Netlink

/// Where connections are cut that policies no longer allow: the kernel, or a test's.
protocol PolicyConnections: Sendable {
    /// Ends those of these families that are forbidden now.
    ///
    /// - Returns: how many there were.
    func cut(_ families: Set<IPFamily>, _ isForbidden: (Connection) -> Bool) throws -> Int
}

/// The connections of one network namespace. One walk through all of them for each family and protocol: policies that begin to deny
/// are rare.
struct KernelPolicyConnections: PolicyConnections {
    let namespace: NetworkNamespace

    func cut(_ families: Set<IPFamily>, _ isForbidden: (Connection) -> Bool) throws -> Int {
        let socket = try NetlinkSocket(.netfilter, in: namespace)
        var doomed: [Connection] = []
        for family in families.sorted(by: { $0.name < $1.name }) {
            for transport in [TransportProtocol.tcp, .udp, .sctp] {
                doomed += try socket.connections(ConnectionFilter(family, transport.number)).filter(isForbidden)
            }
        }
        return try socket.end(doomed)
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
