import KubeAPI

/// Who a request comes from: somebody whose token was given at start, or a service account.
struct Doorkeeper: Sendable {
    let tokens: AccessTokens
    let api: ObjectAPI

    /// Whether a token is good by itself. Of a service account's it is asked later whether the account is still there.
    func mayEnter(authorization header: String?) -> Bool {
        tokens.user(authorization: header) != nil || claims(header) != nil
    }

    /// The user; `nil` when nobody comes in with this.
    func user(authorization header: String?) async throws -> String? {
        if let user = tokens.user(authorization: header) { return user }
        guard let claims = claims(header), try await holds(claims) else { return nil }
        return claims.user
    }

    private func claims(_ header: String?) -> ServiceAccountClaims? {
        guard let header, header.utf8.count > 7, header.prefix(7).lowercased() == "bearer " else { return nil }
        let claims = api.issuer.claims(String(header.dropFirst(7)), now: api.surroundings.now)
        // A token for somebody else's ears is not for ours.
        return claims.flatMap { $0.audiences.contains(TokenIssuer.issuer) ? $0 : nil }
    }

    /// The account and the pod are still those that the token was made for.
    private func holds(_ claims: ServiceAccountClaims) async throws -> Bool {
        func isThere(_ kind: String, _ reference: ServiceAccountClaims.Reference) async throws -> Bool {
            let key = ObjectKey(resource: kind, namespace: claims.namespace, name: reference.name)
            guard let stored = try await api.store.object(key),
                let object = try? JSONReader(depth: 1024).document(stored.body).value
            else { return false }
            return object.uid == reference.uid
        }
        guard try await isThere("serviceaccounts", claims.account) else { return false }
        guard let pod = claims.pod else { return true }
        return try await isThere("pods", pod)
    }
}
