import KubeAPI
public import KubeClient
import NameServer
import Plan

extension AgentSettings {
    /// What has to be followed on an API server: all nodes and all services, of the pods those of this node, and with policies
    /// all of them, and one ConfigMap.
    ///
    /// The verbs are list and watch; beside them only events are written. `deploy/tulle.yaml` grants no more.
    public var collections: [ServerObjectSource.Collection] {
        let nodes = ServerObjectSource.Collection(Node.resource)
        let judges = duties.contains(.policies)
        let namespaces =
            judges || duties.contains(.pods) || duties.contains(.dns) ? [ServerObjectSource.Collection(Namespace.resource)] : []
        // A policy of this node may mean any pod.
        let pods =
            judges
            ? [
                ServerObjectSource.Collection(Pod.resource), ServerObjectSource.Collection(NetworkPolicy.resource),
                ServerObjectSource.Collection(ClusterNetworkPolicy.resource, isOptional: true),
            ]
            : duties.contains(.pods) || duties.contains(.dns)
                ? [ServerObjectSource.Collection(Pod.resource, fieldSelector: knowsAllPods ? nil : "spec.nodeName=\(node)")] : []
        let services =
            duties.contains(.services) || duties.contains(.dns)
            ? [ServerObjectSource.Collection(Service.resource), ServerObjectSource.Collection(EndpointSlice.resource)] : []
        // An older role does not allow it: then the cluster's servers are asked for names, and all else is as it was.
        let document =
            duties.contains(.dns) && names.configurationFile == nil
            ? [
                ServerObjectSource.Collection(
                    ConfigMap.resource, namespace: names.configMap.namespace,
                    fieldSelector: "metadata.name=\(names.configMap.name)",
                    mayBeForbidden: true)
            ] : []
        return [nodes] + namespaces + pods + services + document
    }

    /// A fault of what is followed, with what to do where the agent's own role does not let it read what it was told to.
    func remarked(_ fault: SourceFault) -> SourceFault {
        guard duties.contains(.dns), names.configurationFile == nil, !fault.isAboutObject, fault.status == 403,
            fault.origin == "/api/v1/namespaces/\(names.configMap.namespace)/configmaps"
        else { return fault }
        var fault = fault
        let usual = LocalNameSettings().configMap == names.configMap
        fault.message +=
            usual
            ? "; apply the Role tulle of deploy/tulle.yaml, by which the agent may read it"
            : "; make a Role and a RoleBinding in the namespace \(names.configMap.namespace) as in deploy/tulle.yaml, with resourceNames "
                + "[\(names.configMap.name)], by which the agent may read it"
        fault.message += "; names are left to the cluster's servers meanwhile"
        return fault
    }

    /// The pods of all nodes come with the objects.
    var knowsAllPods: Bool {
        duties.contains(.policies)
            || duties.contains(.dns) && names.configurationFile != nil && names.configuration.pods == .verified
    }

    /// The duties as `--parts` names them.
    var parts: String { Duty.allCases.filter(duties.contains).map(\.rawValue).joined(separator: ",") }
}
