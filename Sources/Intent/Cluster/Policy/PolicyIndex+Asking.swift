public import Addressing
public import KubeAPI

// Who of this node may ask a service whose endpoints are known, although nothing is sent to any of them.

extension PolicyIndex {
    /// The addresses of this node's pods; those of a namespace alone where one is named.
    public func localAddresses(in namespace: String? = nil) -> Set<IPAddress> {
        namespace.map { local[$0] ?? [] } ?? local.values.reduce(into: []) { $0.formUnion($1) }
    }

    /// Whether it is the address of a pod of this node.
    public func isLocal(_ address: IPAddress) -> Bool { homes[address] != nil }

    /// The pod that has an address, as far as objects say; `nil` when none has.
    public func pod(at address: IPAddress) -> ObjectKey? {
        guard case .pod(let pod) = world.end(at: address) else { return nil }
        return pod.key
    }

    /// Whether a pod of this node may reach at least one of the endpoints, or could if there were one.
    ///
    /// Where there is none, a pod that nothing isolates may ask, and another may not: who would answer is not known, and so neither
    /// is whether it is open. Shadows are not in force.
    public func mayReach(_ endpoints: [SocketAddress], from source: IPAddress, _ transport: TransportProtocol) -> Bool {
        let subject = subjects[source]
        guard subject?.isClosed != true else { return false }
        let endpoints = endpoints.filter { $0.address.family == source.family }
        guard !endpoints.isEmpty else { return subject.map { !isSendingJudged($0.inForce) } ?? true }
        return endpoints.contains { endpoint in
            world.verdict(
                on: PolicyWorld.Conversation(from: source, to: endpoint.address, transport, port: endpoint.port)
            ).isAllowed
        }
    }

    private func isSendingJudged(_ policies: Policies) -> Bool {
        !policies.egress.isEmpty || policies.cluster.contains { clusterPolicy($0.policy)?.egress.isEmpty == false }
    }
}
