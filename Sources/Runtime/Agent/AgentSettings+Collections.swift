import KubeAPI
public import KubeClient
import NameServer
import Plan

extension AgentSettings {
    /// What has to be followed on an API server: all nodes and all services, and of the pods those of this node, and with policies
    /// all of them.
    ///
    /// The verbs are list and watch; beside them only events are written. `deploy/tulle.yaml` grants no more.
    public var collections: [ServerObjectSource.Collection] {
        let nodes = ServerObjectSource.Collection(Node.resource)
        let judges = duties.contains(.policies)
        let namespaces =
            judges || duties.contains(.pods) || duties.contains(.dns) ? [ServerObjectSource.Collection(Namespace.resource)] : []
        let namesPods = duties.contains(.dns) && names.configuration.pods == .verified
        // A policy of this node may mean any pod.
        let pods =
            judges
            ? [
                ServerObjectSource.Collection(Pod.resource), ServerObjectSource.Collection(NetworkPolicy.resource),
                ServerObjectSource.Collection(ClusterNetworkPolicy.resource, isOptional: true),
            ]
            : duties.contains(.pods) || duties.contains(.dns)
                ? [ServerObjectSource.Collection(Pod.resource, fieldSelector: namesPods ? nil : "spec.nodeName=\(node)")] : []
        let services =
            duties.contains(.services) || duties.contains(.dns)
            ? [ServerObjectSource.Collection(Service.resource), ServerObjectSource.Collection(EndpointSlice.resource)] : []
        return [nodes] + namespaces + pods + services
    }

    /// The duties as `--parts` names them.
    var parts: String { Duty.allCases.filter(duties.contains).map(\.rawValue).joined(separator: ",") }
}
