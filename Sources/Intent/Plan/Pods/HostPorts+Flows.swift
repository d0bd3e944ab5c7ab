public import Addressing

/// Connections that a pod's ports of the node make untrue. Only of protocols without an end of their own: a UDP client that goes on
/// sending would reach, for as long as it sends, the pod that had the port before, or nobody.
extension HostPorts {
    /// What a pod that is gone answered.
    public static func flows(answeredBy gone: Attachment) -> Set<ServiceFlow> {
        flows(gone) { port, address in
            [
                ServiceFlow(
                    address.family, port.transport, at: port.host.address, port.hostPort,
                    answeredBy: .endpoint(SocketAddress(address, port.podPort)))
            ]
        }
    }

    /// What went to the node itself before it was to go to the pod.
    ///
    /// - Parameter nodeAddresses: what goes through the node to the same port of somebody else is not meant.
    public static func flows(before new: Attachment, nodeAddresses: [IPAddress]) -> Set<ServiceFlow> {
        flows(new) { port, address in
            let targets = port.host.address.map { [$0] } ?? nodeAddresses
            return targets.filter { $0.family == address.family }.map {
                ServiceFlow(address.family, port.transport, at: $0, port.hostPort, answeredBy: .untranslated)
            }
        }
    }

    private static func flows(
        _ attachment: Attachment, _ flows: (PortMapping, IPAddress) -> [ServiceFlow]
    ) -> Set<ServiceFlow> {
        var found: Set<ServiceFlow> = []
        for port in attachment.ports where port.transport != .tcp {
            for address in attachment.addresses where port.host.family.map({ $0 == address.family }) ?? true {
                found.formUnion(flows(port, address))
            }
        }
        return found
    }
}

extension PortMapping.Host {
    /// `nil` for more than one.
    fileprivate var address: IPAddress? { if case .one(let address) = self { address } else { nil } }
}
