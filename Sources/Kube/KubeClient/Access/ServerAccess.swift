/// A way to an API server: its address, how it is known, and who we are.
///
/// Made by ``Kubeconfig/access(to:)`` or ``inCluster(host:port:directory:)``; ``transport(limits:clock:)`` opens it. What is
/// secret in it is in no description.
public struct ServerAccess: Hashable, Sendable {
    public enum Trust: Hashable, Sendable {
        /// The authorities of the system.
        case system
        /// These alone: certificates in PEM.
        case authorities([UInt8])
        /// Whoever answers.
        case anybody
    }

    public struct ClientCertificate: Hashable, Sendable {
        /// PEM, the leaf first.
        public var chain: [UInt8]
        /// PEM.
        public var key: [UInt8]

        public init(chain: [UInt8], key: [UInt8]) {
            self.chain = chain
            self.key = key
        }
    }

    public enum Token: Hashable, Sendable {
        case fixed(String)
        /// Read again at most every minute, and when the server refuses; `fallback` serves until it can be read.
        case file(String, fallback: String?)
    }

    /// Scheme, host, port and path.
    public var server: String
    public var trust: Trust
    /// What the server's certificate calls it, where that is not the URL's host.
    public var serverName: String?
    public var certificate: ClientCertificate?
    public var token: Token?
    /// Where objects without a namespace are meant to be.
    public var namespace: String

    public init(
        server: String, trust: Trust = .system, serverName: String? = nil, certificate: ClientCertificate? = nil,
        token: Token? = nil, namespace: String = "default"
    ) {
        self.server = server
        self.trust = trust
        self.serverName = serverName
        self.certificate = certificate
        self.token = token
        self.namespace = namespace
    }
}

extension ServerAccess: CustomStringConvertible, CustomReflectable {
    /// `https://192.0.2.1:6443, by client certificate, namespace default`.
    public var description: String {
        let ways = [certificate.map { _ in "by client certificate" }, token.map { _ in "by token" }].compactMap(\.self)
        return ([server] + (ways.isEmpty ? ["anonymous"] : ways) + ["namespace \(namespace)"]).joined(separator: ", ")
    }

    public var customMirror: Mirror { Mirror(self, children: ["access": description]) }
}
