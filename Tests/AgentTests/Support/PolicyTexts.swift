import Addressing

/// Objects that tests of policies have in common, as a person writes them.
enum PolicyTexts {
    static let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: default}\n"

    /// - Parameters:
    ///   - app: its label; its name where nothing is said.
    ///   - address: where it runs already.
    static func pod(_ name: String, on node: Int = 1, app: String? = nil, at address: IPAddress? = nil) -> String {
        let status = address.map { "status: {phase: Running, podIPs: [{ip: \"\($0)\"}]}\n" } ?? ""
        return "apiVersion: v1\nkind: Pod\nmetadata: {name: \(name), namespace: default, labels: {app: \(app ?? name)}}\n"
            + "spec: {nodeName: n\(node), containers: [{name: main, image: none}]}\n\(status)"
    }

    /// No pod may ask a node.
    static let fence = """
        apiVersion: policy.networking.k8s.io/v1alpha2
        kind: ClusterNetworkPolicy
        metadata: {name: no-nodes}
        spec:
          tier: Admin
          priority: 7
          subject: {namespaces: {}}
          egress: [{action: Deny, to: [{nodes: {}}]}]

        """

    /// Of the pods `db`: whom only some may talk to.
    ///
    /// - Parameter annotations: such as `a.b/c: d`.
    static func opening(to app: String, annotations: String = "") -> String {
        """
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: db, namespace: default, annotations: {\(annotations)}}
        spec:
          podSelector: {matchLabels: {app: db}}
          ingress: [{from: [{podSelector: {matchLabels: {app: \(app)}}}]}]

        """
    }
}
