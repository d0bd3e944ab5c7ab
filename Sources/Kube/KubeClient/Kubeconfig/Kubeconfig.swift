/// What a kubeconfig file says: servers, users, and which user goes to which server.
///
/// It is read from files by ``load(_:)``, turned into a way to a server by ``access(to:)``, and written by ``write(to:)``.
/// Descriptions and mirrors leave out what is secret.
public struct Kubeconfig: Hashable, Sendable {
    /// Bytes in the file itself, or in another one.
    public enum Material: Hashable, Sendable {
        case data([UInt8])
        /// Absolute: paths in a kubeconfig are relative to its own directory, and are resolved when it is read.
        case file(String)
    }

    public struct Cluster: Hashable, Sendable {
        public var server: String
        /// `nil`: the authorities of the system.
        public var authority: Material?
        public var skipsVerification = false
        /// What the server's certificate calls it, where that is not the URL's host.
        public var tlsServerName: String?
        /// Read so that it can be refused.
        var proxyURL: String?

        public init(server: String, authority: Material? = nil) {
            self.server = server
            self.authority = authority
        }
    }

    public struct User: Hashable, Sendable {
        public var certificate: Material?
        public var key: Material?
        public var token: String?
        /// What is read there last wins over ``token``.
        public var tokenFile: String?
        /// The ways to log in that are not known here, by their field names.
        var refusedFields: [String] = []

        public init(certificate: Material? = nil, key: Material? = nil, token: String? = nil, tokenFile: String? = nil) {
            self.certificate = certificate
            self.key = key
            self.token = token
            self.tokenFile = tokenFile
        }
    }

    public struct Context: Hashable, Sendable {
        public var cluster: String
        public var user: String
        public var namespace: String?

        public init(cluster: String, user: String, namespace: String? = nil) {
            self.cluster = cluster
            self.user = user
            self.namespace = namespace
        }
    }

    public var clusters: [String: Cluster] = [:]
    public var users: [String: User] = [:]
    public var contexts: [String: Context] = [:]
    public var currentContext: String?

    public init() {}

    /// One server, one user, and a context of the same name that is the current one.
    public init(name: String, cluster: Cluster, user: User, namespace: String? = nil) {
        clusters = [name: cluster]
        users = [name: user]
        contexts = [name: Context(cluster: name, user: name, namespace: namespace)]
        currentContext = name
    }
}

extension Kubeconfig {
    /// Takes over what is not there yet: of several files, the first that says something wins.
    public mutating func merge(_ other: Kubeconfig) {
        clusters.merge(other.clusters) { mine, _ in mine }
        users.merge(other.users) { mine, _ in mine }
        contexts.merge(other.contexts) { mine, _ in mine }
        currentContext = currentContext ?? other.currentContext
    }
}

extension Kubeconfig.User: CustomStringConvertible, CustomReflectable {
    /// Which credentials there are; never what they are.
    public var description: String {
        let fields = [
            certificate.map { _ in "certificate" }, key.map { _ in "key" }, token.map { _ in "token" },
            tokenFile.map { "token file \($0)" },
        ]
        return "user with \(fields.compactMap(\.self).joined(separator: ", "))"
    }

    public var customMirror: Mirror { Mirror(self, children: ["credentials": description]) }
}
