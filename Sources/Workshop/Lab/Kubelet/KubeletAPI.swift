public import KubeAPI

/// What a kubelet asks of the API and says to it; whoever has a client implements it.
public protocol KubeletAPI: Sendable {
    /// The tree of an object; `nil` when there is none.
    func object(_ kind: String, namespace: String, name: String) async throws -> JSONValue?
    /// The services of a namespace, for the variables that containers get.
    func services(in namespace: String) async throws -> [JSONValue]
    /// Replaces what a kubelet says of a pod, through the status subresource. What the pod has become since does not matter, but
    /// one with another UID is another pod.
    ///
    /// - Returns: false when the pod is not there any more.
    func write(status: JSONValue, of pod: PodKey) async throws -> Bool
    /// Deletes the pod with a grace period of zero and its UID as precondition; nothing when it is not there.
    func remove(_ pod: PodKey) async throws
    func record(_ event: PodEvent, of pod: PodKey) async
    /// A token of a service account; `nil` when the server gives none.
    func token(serviceAccount: String, namespace: String, audience: String, expiration: Duration, pod: PodKey) async throws
        -> String?
}

extension KubeletAPI {
    public func token(
        serviceAccount: String, namespace: String, audience: String, expiration: Duration, pod: PodKey
    ) async throws -> String? { nil }
}

/// What becomes of the pods that are bound to a node.
public enum PodChange: Sendable {
    /// A pod that is there, as it is now: new or changed.
    case present(JSONValue)
    /// The object is not there any more.
    case gone(PodKey)
    /// All that were there at the start have been told: what the node still has of others goes.
    case synced
}
