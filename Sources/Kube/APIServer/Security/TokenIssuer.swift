import Crypto
import KubeAPI
import Synchronization

/// Makes and reads the tokens of service accounts: JSON Web Tokens (RFC 7519) that only this store's server can sign.
///
/// The key is made with the store and kept in it. A token ends with its time, and earlier with its service account or with the pod
/// it was made for.
final class TokenIssuer: Sendable {
    static let issuer = "https://kubernetes.default.svc.cluster.local"

    private let key = Mutex<SymmetricKey?>(nil)

    /// Until there is a key nothing can be signed, and no token is good.
    func use(key bytes: [UInt8]) { key.withLock { $0 = SymmetricKey(data: bytes) } }

    /// `nil` before there is a key.
    func token(_ claims: ServiceAccountClaims) -> String? {
        guard let key = key.withLock({ $0 }) else { return nil }
        let header: JSONValue = ["alg": "HS256", "typ": "JWT"]
        let signed = [header, claims.tree].map { Self.base64url(JSONWriter().bytes(of: $0)) }.joined(separator: ".")
        let code = HMAC<SHA256>.authenticationCode(for: Array(signed.utf8), using: key)
        return "\(signed).\(Self.base64url(Array(code)))"
    }

    /// What a token says; `nil` for one that this server did not make, or whose time is over.
    func claims(_ token: String, now: Timestamp) -> ServiceAccountClaims? {
        let parts = token.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, let key = key.withLock({ $0 }), let code = Self.bytes(base64url: parts[2]),
            HMAC<SHA256>.isValidAuthenticationCode(code, authenticating: Array("\(parts[0]).\(parts[1])".utf8), using: key),
            let payload = Self.bytes(base64url: parts[1]), let tree = try? JSONReader().document(payload).value,
            let claims = ServiceAccountClaims(tree), claims.notBefore <= now.seconds, now.seconds < claims.expiry
        else { return nil }
        return claims
    }

    /// RFC 4648 §5, without padding.
    static func base64url(_ bytes: [UInt8]) -> String {
        String(
            base64(bytes).compactMap { letter -> Character? in
                switch letter {
                case "+": "-"
                case "/": "_"
                case "=": nil
                default: letter
                }
            })
    }

    static func bytes(base64url text: some StringProtocol) -> [UInt8]? {
        let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
        var (result, bits, held): ([UInt8], UInt32, Int) = ([], 0, 0)
        for letter in text.utf8 {
            guard let value = letters.firstIndex(of: letter) else { return nil }
            bits = bits << 6 | UInt32(value)
            held += 6
            if held >= 8 {
                held -= 8
                result.append(UInt8(truncatingIfNeeded: bits >> UInt32(held)))
            }
        }
        return result
    }
}

/// Whom a token stands for, and until when.
struct ServiceAccountClaims: Hashable, Sendable {
    struct Reference: Hashable, Sendable {
        var name: String
        var uid: String
    }

    var namespace: String
    var account: Reference
    /// The pod that the token goes with; `nil` when it goes with none.
    var pod: Reference?
    var audiences: [String]
    /// Seconds since 1970.
    var notBefore: Int64
    var expiry: Int64

    var user: String { "system:serviceaccount:\(namespace):\(account.name)" }

    init(
        namespace: String, account: Reference, pod: Reference?, audiences: [String], notBefore: Int64, expiry: Int64
    ) {
        (self.namespace, self.account, self.pod, self.audiences) = (namespace, account, pod, audiences)
        (self.notBefore, self.expiry) = (notBefore, expiry)
    }

    init?(_ tree: JSONValue) {
        let own = tree["kubernetes.io"] ?? [:]
        func reference(_ field: String) -> Reference? {
            guard let name = own.at(field, "name")?.string, let uid = own.at(field, "uid")?.string else { return nil }
            return Reference(name: name, uid: uid)
        }
        guard let namespace = own["namespace"]?.string, let account = reference("serviceaccount"),
            let notBefore = tree["nbf"]?.integer, let expiry = tree["exp"]?.integer
        else { return nil }
        self.init(
            namespace: namespace, account: account, pod: reference("pod"),
            audiences: (tree["aud"]?.array ?? []).compactMap(\.string), notBefore: notBefore, expiry: expiry)
    }

    var tree: JSONValue {
        var own: JSONValue = ["namespace": .string(namespace), "serviceaccount": Self.tree(account)]
        if let pod { own.set(Self.tree(pod), at: "pod") }
        return [
            "aud": .array(audiences.map(JSONValue.string)), "exp": .number(JSONNumber(expiry)),
            "iat": .number(JSONNumber(notBefore)), "iss": .string(TokenIssuer.issuer), "kubernetes.io": own,
            "nbf": .number(JSONNumber(notBefore)), "sub": .string(user),
        ]
    }

    private static func tree(_ reference: Reference) -> JSONValue {
        ["name": .string(reference.name), "uid": .string(reference.uid)]
    }
}
