internal import FoundationEssentials

extension Kubeconfig {
    /// The way a context leads. Files that it names are read now; a token file again and again.
    ///
    /// - Parameter context: `nil`: the current one.
    public func access(to context: String? = nil) throws(KubeconfigError) -> ServerAccess {
        guard let name = context ?? currentContext else {
            throw KubeconfigError(
                .missing, "kubeconfig", "current-context is not set; set it, or name one of: \(Self.names(contexts))")
        }
        let origin = "kubeconfig, context \"\(name)\""
        guard let context = contexts[name] else {
            throw KubeconfigError(.missing, origin, "there is no such context; there are: \(Self.names(contexts))")
        }
        guard let cluster = clusters[context.cluster] else {
            throw KubeconfigError(
                .missing, origin, "there is no cluster \"\(context.cluster)\"; there are: \(Self.names(clusters))")
        }
        // A context without a user is an anonymous one; a name that leads nowhere is a mistake.
        let user = context.user.isEmpty ? User() : users[context.user]
        guard let user else {
            throw KubeconfigError(.missing, origin, "there is no user \"\(context.user)\"; there are: \(Self.names(users))")
        }
        try refuse(cluster, user, context, origin)
        let token = user.tokenFile.map { ServerAccess.Token.file($0, fallback: user.token) } ?? user.token.map { .fixed($0) }
        return ServerAccess(
            server: cluster.server, trust: try trust(of: cluster, named: context.cluster, origin),
            serverName: cluster.tlsServerName,
            certificate: try certificate(of: user, named: context.user, origin), token: token,
            namespace: context.namespace ?? "default")
    }

    private static func names(_ parts: [String: some Any]) -> String {
        parts.isEmpty ? "none" : parts.keys.sorted().joined(separator: ", ")
    }

    private func refuse(
        _ cluster: Cluster, _ user: User, _ context: Context, _ origin: String
    ) throws(KubeconfigError) {
        if cluster.proxyURL != nil {
            throw KubeconfigError(
                .unsupported, origin,
                "clusters \"\(context.cluster)\": proxy-url is not supported; name a server that is reached directly")
        }
        guard let field = user.refusedFields.first else { return }
        let remedy =
            switch field {
            case "exec", "auth-provider": "login plugins are not run here; use a token, a tokenFile or a client certificate"
            case "username", "password":
                "API servers have no passwords since Kubernetes 1.19; use a token or a client certificate"
            default: "acting as somebody else is not supported; use that user's own credential"
            }
        throw KubeconfigError(.unsupported, origin, "users \"\(context.user)\": \(field): \(remedy)")
    }

    private func trust(of cluster: Cluster, named name: String, _ origin: String) throws(KubeconfigError) -> ServerAccess.Trust {
        if cluster.skipsVerification { return .anybody }
        guard let authority = cluster.authority else { return .system }
        return .authorities(try Self.bytes(authority, "\(origin): clusters \"\(name)\"", "certificate-authority"))
    }

    private func certificate(
        of user: User, named name: String, _ origin: String
    ) throws(KubeconfigError) -> ServerAccess.ClientCertificate? {
        let origin = "\(origin): users \"\(name)\""
        switch (user.certificate, user.key) {
        case (nil, nil): return nil
        case (let certificate?, let key?):
            return ServerAccess.ClientCertificate(
                chain: try Self.bytes(certificate, origin, "client-certificate"), key: try Self.bytes(key, origin, "client-key"))
        case (nil, _?): throw KubeconfigError(.field, origin, "client-key needs a client-certificate beside it")
        case (_?, nil): throw KubeconfigError(.field, origin, "client-certificate needs a client-key beside it")
        }
    }

    private static func bytes(_ material: Material, _ origin: String, _ field: String) throws(KubeconfigError) -> [UInt8] {
        switch material {
        case .data(let bytes): return bytes
        case .file(let path):
            do {
                return Array(try Data(contentsOf: URL(filePath: path)))
            } catch {
                throw KubeconfigError(
                    .unreadable, origin, "\(field): reading \(path): \(FileFault.text(error))", cause: error)
            }
        }
    }
}
