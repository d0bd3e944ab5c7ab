import Addressing
import Cluster
import KubeAPI

/// What cannot be served as written. Everything else of the same service is.
extension ServiceTable {
    /// The ports of a service as this node serves them, and what is wrong with them.
    ///
    /// - Parameter order: how a port's endpoints stood before.
    func served(
        _ ports: [ServicePort], after order: (ServicePort) -> (cluster: [SocketAddress], local: [SocketAddress])
    ) -> ([ServedPort], [Problem]) {
        var problems: [Problem] = []
        let served = ports.compactMap { port -> ServedPort? in
            guard (port.clusterIPs + port.loadBalancerIPs + port.externalIPs).contains(where: { $0.family == family }) else {
                return nil
            }
            var port = port
            port.endpoints = port.endpoints.filter { endpoint in
                guard endpoint.address.family == family else { return false }
                guard let reason = Self.fault(of: endpoint.address, port) else { return true }
                problems.append(
                    Problem(
                        .serviceEndpointRefused, Self.subject(port.id),
                        "its endpoint \(endpoint.socket) is \(reason); it is skipped"))
                return false
            }
            let served = ServedPort(port, family, facts, after: order(port))
            return served.ways.isEmpty ? nil : served
        }
        return (served, problems)
    }

    /// Why an address cannot be an endpoint's; `nil` when it can.
    private static func fault(of address: IPAddress, _ port: ServicePort) -> String? {
        if port.clusterIPs.contains(address) || port.externalIPs.contains(address) || port.loadBalancerIPs.contains(address) {
            return "an address of the service itself"
        }
        return reserved.first { $0.prefix.contains(address) }?.name
    }

    /// RFC 6890: none of them is another's to answer from.
    private static let reserved: [(prefix: IPPrefix, name: String)] = [
        ("0.0.0.0/8", "no address of a host"), ("127.0.0.0/8", "a loopback address"), ("169.254.0.0/16", "a link-local address"),
        ("224.0.0.0/4", "a multicast address"), ("240.0.0.0/4", "a reserved address"), ("::/128", "no address of a host"),
        ("::1/128", "a loopback address"), ("fe80::/10", "a link-local address"), ("ff00::/8", "a multicast address"),
    ].compactMap { text, name in IPPrefix(text).map { ($0, name) } }

    static func complaint(about refusal: FrontClaims.Refusal) -> Problem {
        Problem(
            .serviceFrontTaken, subject(refusal.id), "its \(refusal.way) is \(refusal.owner)'s already; it is not served there")
    }

    private static func subject(_ id: ServicePort.ID) -> ObjectKey {
        ObjectKey(Service.resource.kind, namespace: id.namespace, name: id.service)
    }
}
