internal import FoundationEssentials

extension ServerAccess {
    /// Where a kubelet mounts the credentials of a pod's service account.
    public static let serviceAccountDirectory = "/var/run/secrets/kubernetes.io/serviceaccount"

    /// The way out of a pod: by its service account.
    ///
    /// - Parameters:
    ///   - host: the pod's `KUBERNETES_SERVICE_HOST`: an address of either family, or a name.
    ///   - port: its `KUBERNETES_SERVICE_PORT`.
    public static func inCluster(
        host: String?, port: String?, directory: String = serviceAccountDirectory
    ) throws(ServerAccessError) -> ServerAccess {
        guard let host, !host.isEmpty, let port, !port.isEmpty else {
            throw ServerAccessError(
                .notInCluster,
                "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: this is no pod; name a kubeconfig")
        }
        // Kubernetes writes IPv6 addresses without brackets.
        let server = "https://\(host.contains(":") && host.first != "[" ? "[\(host)]" : host):\(port)"
        guard ServerURL(server) != nil else {
            throw ServerAccessError(
                .address, "KUBERNETES_SERVICE_HOST \"\(host)\" and KUBERNETES_SERVICE_PORT \"\(port)\" make no address")
        }
        let namespace = try? String(decoding: read("\(directory)/namespace"), as: UTF8.self)
        // The token is read when it is needed, but a pod without one is told now, with its reason.
        _ = try read("\(directory)/token")
        return ServerAccess(
            server: server, trust: .authorities(try read("\(directory)/ca.crt")),
            token: .file("\(directory)/token", fallback: nil),
            namespace: namespace.map { $0.filter { !$0.isWhitespace } } ?? "default")
    }

    private static func read(_ path: String) throws(ServerAccessError) -> [UInt8] {
        do {
            return Array(try Data(contentsOf: URL(filePath: path)))
        } catch {
            throw ServerAccessError(
                .unreadable, "reading \(path): \(FileFault.text(error)); does the pod have automountServiceAccountToken: false?",
                cause: error)
        }
    }
}

/// Why there is no way to a server.
public struct ServerAccessError: Error, Sendable, CustomStringConvertible {
    public struct Code: Hashable, Sendable {
        private enum Base { case notInCluster, address, unreadable, certificate }
        private let base: Base

        /// This process runs in no pod.
        public static let notInCluster = Code(base: .notInCluster)
        /// The server's address is none.
        public static let address = Code(base: .address)
        /// A file of the credentials cannot be read.
        public static let unreadable = Code(base: .unreadable)
        /// A certificate or key is malformed, or they do not belong together.
        public static let certificate = Code(base: .certificate)
    }

    public var code: Code
    public var message: String
    public var cause: (any Error)?

    init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    public var description: String { message }
}
