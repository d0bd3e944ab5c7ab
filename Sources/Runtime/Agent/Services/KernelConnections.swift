import Addressing
import Netlink
import Plan

/// Where connections are ended: the kernel, or a test's.
protocol ConnectionsEnd: Sendable {
    func end(_ flows: Set<ServiceFlow>) throws
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
