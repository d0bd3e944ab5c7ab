import KubeAPI
import KubeClient
import Logging

/// What a kubelet asks and says, against an API server.
struct KubeletClient: KubeletAPI {
    let client: APIClient
    let recorder: EventRecorder
    let logger: Logger

    func object(_ kind: String, namespace: String, name: String) async throws -> JSONValue? {
        do {
            return try await client.get(Kinds.resource(GroupVersionKind(version: "v1", kind: kind)), name, in: namespace)
        } catch APIFailure.notFound {
            return nil
        }
    }

    func services(in namespace: String) async throws -> [JSONValue] {
        try await client.list(Kinds.resource(Kinds.service), in: namespace).items
    }

    func write(status: JSONValue, of pod: PodKey) async throws -> Bool {
        do {
            try await client.modify(Self.pods, pod.name, in: pod.namespace, subresource: .status) { tree in
                guard tree[field: "metadata", "uid"]?.string == pod.uid else { throw Another() }
                tree[field: "status"] = Self.merged(status, over: tree["status"] ?? [:])
            }
            return true
        } catch is Another {
            return false
        } catch APIFailure.notFound {
            return false
        } catch let failure as APIFailure where failure.code == APIFailure.invalid || failure.code == APIFailure.badRequest {
            // It would be refused again and again, and hold up what comes after it.
            logger.warning("the server does not take a pod's status", metadata: ["pod": "\(pod)", "failure": "\(failure)"])
            return true
        }
    }

    private struct Another: Error {}

    /// What is a kubelet's to say, and the conditions and the nomination that are others'.
    private static func merged(_ status: JSONValue, over old: JSONValue) -> JSONValue {
        var status = status
        let own = status["conditions"]?.array ?? []
        let types = Set(own.compactMap { $0["type"]?.string })
        let others = (old["conditions"]?.array ?? []).filter { !types.contains($0["type"]?.string ?? "") }
        if !others.isEmpty { status[field: "conditions"] = .array(own + others) }
        if let nominated = old["nominatedNodeName"] { status[field: "nominatedNodeName"] = nominated }
        return status
    }

    func remove(_ pod: PodKey) async throws {
        do {
            try await client.delete(Self.pods, pod.name, in: pod.namespace, options: DeletionOptions(grace: .zero, uid: pod.uid))
        } catch APIFailure.notFound {
        } catch APIFailure.conflict {
            // Another pod of this name.
        }
    }

    func record(_ event: PodEvent, of pod: PodKey) async {
        let subject = EventNote.Subject(
            Kinds.pod, namespace: pod.namespace, name: pod.name, uid: pod.uid, part: event.fieldPath)
        recorder.record(
            EventNote(subject, event.isWarning ? .warning : .normal, reason: event.reason, event.message))
    }

    func token(
        serviceAccount: String, namespace: String, audience: String, expiration: Duration, pod: PodKey
    ) async throws -> String? {
        let request: JSONValue = [
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "spec": [
                "audiences": audience.isEmpty ? [] : [.string(audience)],
                "expirationSeconds": .number(JSONNumber(expiration.components.seconds)),
                "boundObjectRef": ["apiVersion": "v1", "kind": "Pod", "name": .string(pod.name), "uid": .string(pod.uid)],
            ],
        ]
        do {
            let answer = try await client.create(
                request, of: Kinds.resource(Kinds.serviceAccount), in: namespace, named: serviceAccount, subresource: .token)
            return answer[field: "status", "token"]?.string
        } catch let failure as APIFailure where [404, 405, 501].contains(failure.status) {
            return nil
        }
    }

    private static let pods = Kinds.resource(Kinds.pod)
}
