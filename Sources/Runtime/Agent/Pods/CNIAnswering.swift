import Addressing
import CNI
import Netlink
import Plan

extension PodService {
    /// Answers one call of the plugin: the specification's result or its error document, never nothing.
    func answer(_ request: CourierRequest) -> CourierResponse {
        var version = SpecVersion(spokenIn: request.input) ?? .latest
        do {
            let invocation = try request.invocation
            version = invocation.configuration.version
            switch invocation.operation {
            case .add(let attachment): return try add(invocation, attachment, request.namespace)
            case .delete(let attachment): try delete(attachment, request.namespace)
            case .check(let attachment): try check(invocation, attachment, request.namespace)
            case .collectGarbage(let valid): try collectGarbage(keeping: valid, network: invocation.configuration.name)
            case .status: try status()
            }
            return .done
        } catch {
            return .failure(Self.failure(for: error), version)
        }
    }

    static func failure(for error: any Error) -> Failure {
        switch error {
        case let failure as Failure: failure
        case let taken as LinkTaken: failure(for: taken)
        case let taken as DefaultRouteTaken: failure(for: taken)
        case let error as KernelError: Failure(.inputOutput, error.operation, details: error.words)
        case let error as SystemFailure: Failure(.inputOutput, error.call, details: error.description)
        case let file as QueuedDeletions.Unreadable:
            Failure(.inputOutput, "an earlier deletion waits in \(file.path) and cannot be read", details: "\(file.reason)")
        default: Failure(.inputOutput, "the pod's network could not be made", details: "\(error)")
        }
    }

    private static func failure(for taken: LinkTaken) -> Failure {
        switch taken.end {
        case .pod:
            Failure(
                .refused, "the pod's namespace already has \(article(taken.name)) \(taken.name)",
                details: "what made it has to take it away first (DEL), or this network needs another CNI_IFNAME")
        case .node:
            Failure(
                .refused, "the node already has the link \(taken.name) of this pod",
                details: "an attachment of the same name is there, and this agent has no record of it: DEL it first")
        }
    }

    private static func failure(for taken: DefaultRouteTaken) -> Failure {
        Failure(
            .refused, "the pod has a default route already, by another plugin's interface: \(taken.route) cannot be added",
            details: "say \"defaultRoute\": false in this network's configuration, or leave the key out")
    }

    private static func article(_ name: String) -> String { "aeiou".contains(name.prefix(1)) ? "an" : "a" }

    func result(_ record: AttachmentRecord, sandbox: String?, dns: AttachmentResult.DNS) -> AttachmentResult {
        let attachment = record.attachment
        let families = attachment.addresses.map(\.family)
        let destinations: [IPPrefix] =
            switch attachment.reach {
            case .everything: families.map(IPPrefix.all)
            case .ranges(let ranges): ranges.filter { families.contains($0.family) }
            }
        let bridge = AttachmentResult.Interface(
            name: PacketPath.podBridge, mac: PacketPath.podBridgeMAC.description, mtu: attachment.mtu)
        let gateways = Dictionary(attachment.addresses.map { ($0.family, attachment.gateway(of: $0)) }) { first, _ in first }
        return AttachmentResult(
            interfaces: (attachment.isBridged ? [bridge] : []) + [
                .init(name: attachment.link, mac: attachment.nodeMAC.description, mtu: attachment.mtu),
                .init(name: attachment.id.interface, mac: attachment.podMAC.description, mtu: attachment.mtu, sandbox: sandbox),
            ],
            ips: attachment.addresses.map {
                .init(
                    address: attachment.interfaceAddress($0).description, gateway: attachment.gateway(of: $0).description,
                    interface: attachment.isBridged ? 2 : 1)
            },
            routes: destinations.map {
                .init(destination: $0.description, gateway: gateways[$0.family]?.description)
            },
            dns: dns)
    }
}
