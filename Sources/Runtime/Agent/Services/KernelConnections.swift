import Addressing
import Netlink
import Plan

/// Where connections are ended: the kernel, or a test's.
protocol ConnectionsEnd: Sendable {
    /// What one change made stale.
    func end(_ flows: Set<ServiceFlow>) throws
    /// Whatever is stale.
    func end(_ stale: StaleConnections) throws
}

/// The connections of one network namespace. Each look opens a socket: changes that need one are rare.
struct KernelConnections: ConnectionsEnd {
    private let namespace: NetworkNamespace

    init(in namespace: NetworkNamespace) { self.namespace = namespace }

    func end(_ flows: Set<ServiceFlow>) throws {
        let socket = try NetlinkSocket(.netfilter, in: namespace)
        let found = try socket.connections(Set(flows.map(ConnectionFilter.init)))
        try socket.end(found)
    }

    /// One look at all connections of each protocol that counts; nothing is kept of those that are right.
    func end(_ stale: StaleConnections) throws {
        guard !stale.transports.isEmpty else { return }
        let addresses = try NetlinkSocket(.route, in: namespace).list(AddressMessage(all: .any), operation: "list addresses")
        let own = Set(addresses.compactMap { $0.address?.address })
        let socket = try NetlinkSocket(.netfilter, in: namespace)
        for transport in stale.transports.sorted() {
            let found = try socket.connections(ConnectionFilter(stale.family, transport.number)) { connection in
                stale.contains(
                    transport, to: SocketAddress(connection.original.destination, connection.original.destinationPort),
                    isOwn: own.contains(connection.original.destination),
                    answeredBy: SocketAddress(connection.reply.source, connection.reply.sourcePort),
                    isTranslated: connection.status.contains(.destinationTranslated))
            }
            try socket.end(found)
        }
    }
}

extension ConnectionFilter {
    init(_ flow: ServiceFlow) {
        self.init(flow.family, flow.transport.number, to: flow.address, flow.port)
        switch flow.answerer {
        // At a node port what is not translated is the node's own.
        case .anybody: isTranslated = flow.address == nil ? true : nil
        case .endpoint(let endpoint): answerer = endpoint
        case .untranslated: isTranslated = false
        }
    }
}
