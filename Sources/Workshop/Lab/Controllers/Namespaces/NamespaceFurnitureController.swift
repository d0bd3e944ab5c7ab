public import KubeAPI

/// What every namespace has from the start: the ServiceAccount `default`, and the CA's certificate for its pods.
public struct NamespaceFurnitureController: Controller {
    public static let name = "root-ca-cert-publisher"
    public let kinds = [Kinds.namespace, Kinds.serviceAccount, Kinds.configMap]

    private let certificate: String

    /// - Parameter certificate: of the CA that signed the API server's certificate, as PEM.
    public init(certificate: String) { self.certificate = certificate }

    public func keys(for change: Change, in world: World) -> [ObjectKey] {
        if change.key.isOf(Kinds.namespace) { return [change.key] }
        let isOurs =
            change.key.isOf(Kinds.serviceAccount) && change.key.name == "default"
            || change.key.isOf(Kinds.configMap) && change.key.name == Self.configMap
        return isOurs ? [ObjectKey(Kinds.namespace, name: change.key.namespace)] : []
    }

    public func reconcile(_ key: ObjectKey, in world: World, at now: Moment, random: inout Dice) -> Outcome {
        guard let namespace = world[key], !namespace.isBeingDeleted, namespace.status["phase"]?.string != "Terminating" else {
            return Outcome()
        }
        var outcome = Outcome()
        if world[Kinds.serviceAccount, key.name, "default"] == nil {
            outcome.writes.append(
                .create([
                    "apiVersion": "v1", "kind": "ServiceAccount",
                    "metadata": ["name": "default", "namespace": .string(key.name)],
                ]))
        }
        let present = world[Kinds.configMap, key.name, Self.configMap]
        var tree: JSONValue =
            present?.tree ?? [
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": [
                    "name": .string(Self.configMap), "namespace": .string(key.name), "annotations": [Self.note: Self.text],
                ],
            ]
        tree[field: "data"] = ["ca.crt": .string(certificate)]
        if tree != present?.tree { outcome.writes.append(present == nil ? .create(tree) : .update(tree)) }
        return outcome
    }

    private static let configMap = "kube-root-ca.crt"
    private static let note = "kubernetes.io/description"
    private static let text: JSONValue =
        "The certificate of the authority that signed the API server's: pods verify the API with it."
}
