import HTTPTypes
import Hummingbird
import KubeAPI

/// Answers `kubectl auth can-i` and `kubectl auth whoami`: whoever has come in may do everything.
struct AccessReviews: Sendable {
    let door: Doorkeeper

    /// - Parameters:
    ///   - sent: of the right forms.
    ///   - user: who asks.
    func answer(_ kind: ServedKind, _ sent: JSONValue, by user: Caller) async throws -> JSONValue {
        var answer = sent
        if answer.at("metadata", "creationTimestamp") == nil { answer.set(nil, at: "metadata", "creationTimestamp") }
        answer.set(try await status(kind, sent, user), at: "status")
        return answer
    }

    private func status(_ kind: ServedKind, _ sent: JSONValue, _ user: Caller) async throws -> JSONValue {
        switch kind.kind {
        case "SelfSubjectReview": return ["userInfo": user.tree]
        case "SelfSubjectRulesReview":
            return [
                "resourceRules": [["verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]]],
                "nonResourceRules": [["verbs": ["*"], "nonResourceURLs": ["*"]]], "incomplete": false,
            ]
        case "TokenReview":
            let token = sent.at("spec", "token")?.string ?? ""
            guard let name = try await door.user(authorization: "Bearer \(token)") else { return ["authenticated": false] }
            return [
                "authenticated": true, "user": Caller(name: name).tree, "audiences": [.string(TokenIssuer.issuer)],
            ]
        default:
            let spec = sent["spec"]
            guard spec?["resourceAttributes"]?.object != nil || spec?["nonResourceAttributes"]?.object != nil else {
                let why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
                throw Status.invalid(kind, "", [.invalid(FieldPath("spec", "resourceAttributes"), nil, why)])
            }
            return ["allowed": true, "reason": "every token may do everything here"]
        }
    }
}

/// Who asks, and which groups that means.
struct Caller: Hashable, Sendable {
    var name: String
    private var own: [String]?

    init(name: String) { self.name = name }

    /// - Parameter headers: with `Impersonate-User` (`kubectl --as`), for whom somebody asks in place of himself.
    init(name: String, _ headers: HTTPFields) {
        self.name = name
        guard let user = HTTPField.Name("Impersonate-User").flatMap({ headers[$0] }) else { return }
        self.name = user
        own = HTTPField.Name("Impersonate-Group").map { headers[values: $0] } ?? []
    }

    var groups: [String] {
        let account = "system:serviceaccount:"
        var groups = own ?? []
        if name.hasPrefix(account), let namespace = name.dropFirst(account.count).split(separator: ":").first {
            groups += ["system:serviceaccounts", "system:serviceaccounts:\(namespace)"]
        } else if own == nil {
            groups.append("system:masters")
        }
        return groups + ["system:authenticated"]
    }

    var tree: JSONValue { ["username": .string(name), "groups": .array(groups.map(JSONValue.string))] }
}
