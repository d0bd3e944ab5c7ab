import KubeAPI

/// Answers `serviceaccounts/token`: what a kubelet asks for a pod's service account, and `kubectl create token`.
extension ObjectAPI {
    private static let lifetime: Int64 = 3600

    static let tokenRequest = ServedKind(
        group: "authentication.k8s.io", version: "v1", kind: "TokenRequest", plural: "tokenrequests", singular: "tokenrequest",
        isNamespaced: true, listKind: "")

    /// - Parameter sent: the request, of the right forms.
    func token(for account: JSONValue, _ sent: JSONValue, isDryRun: Bool) async throws -> JSONValue {
        let spec = FieldPath("spec")
        let lifetime = sent.at("spec", "expirationSeconds")?.integer ?? Self.lifetime
        var faults: [FieldError] = []
        if lifetime < 600 {
            let why = "may not specify a duration less than 10 minutes"
            faults.append(.invalid(spec.child("expirationSeconds"), .number(JSONNumber(lifetime)), why))
        }
        if lifetime > 1 << 32 {
            let why = "may not specify a duration larger than 2^32 seconds"
            faults.append(.invalid(spec.child("expirationSeconds"), .number(JSONNumber(lifetime)), why))
        }
        guard faults.isEmpty else { throw Status.invalid(Self.tokenRequest, account.name, faults) }
        var audiences = (sent.at("spec", "audiences")?.array ?? []).compactMap(\.string)
        if audiences.isEmpty { audiences = [TokenIssuer.issuer] }
        let now = surroundings.now
        let claims = ServiceAccountClaims(
            namespace: account.namespace, account: ServiceAccountClaims.Reference(name: account.name, uid: account.uid),
            pod: try await boundPod(sent.at("spec", "boundObjectRef"), account), audiences: audiences, notBefore: now.seconds,
            // What a pod's volume asks for by itself lives longer than it says.
            expiry: now.advanced(
                by: lifetime == PodAdmission.tokenSeconds && sent.at("spec", "boundObjectRef") != nil
                    ? PodAdmission.extendedSeconds : lifetime
            ).seconds)
        var answer = sent
        answer.set("TokenRequest", at: "kind")
        answer.set("authentication.k8s.io/v1", at: "apiVersion")
        let metadata: JSONValue = [
            "name": .string(account.name), "namespace": .string(account.namespace),
            "creationTimestamp": .string(now.description),
        ]
        answer.set(metadata, at: "metadata")
        answer.set(.array(audiences.map(JSONValue.string)), at: "spec", "audiences")
        answer.set(.number(JSONNumber(lifetime)), at: "spec", "expirationSeconds")
        guard let token = isDryRun ? "" : issuer.token(claims) else {
            throw Status.internalError("there is no key to sign tokens with yet")
        }
        let end = now.advanced(by: lifetime).description
        answer.set(["token": .string(token), "expirationTimestamp": .string(end)], at: "status")
        return answer
    }

    private func boundPod(_ reference: JSONValue?, _ account: JSONValue) async throws -> ServiceAccountClaims.Reference? {
        guard let reference else { return nil }
        let (kind, version) = (reference["kind"]?.string ?? "", reference["apiVersion"]?.string ?? "")
        guard kind == "Pod", version == "v1", let pods = kinds.kind(group: "", kind: "Pod") else {
            throw Status.badRequest(
                "cannot bind token for serviceaccount \(account.name) to object of type \(version), Kind=\(kind): only to a pod")
        }
        let pod = try await object(pods, account.namespace, reference["name"]?.string ?? "")
        guard pod.at("spec", "serviceAccountName")?.string ?? "default" == account.name else {
            throw Status.badRequest(
                "cannot bind token for serviceaccount \"\(account.name)\" to pod running with different serviceaccount name.")
        }
        if let uid = reference["uid"]?.string, !uid.isEmpty, uid != pod.uid {
            throw Status.conflict(
                pods, pod.name,
                "the UID in the bound object reference (\(uid)) does not match the UID in record. The object might have been deleted and then recreated"
            )
        }
        return ServiceAccountClaims.Reference(name: pod.name, uid: pod.uid)
    }
}
