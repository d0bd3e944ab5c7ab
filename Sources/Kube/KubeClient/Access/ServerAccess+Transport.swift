internal import AsyncHTTPClient
internal import NIOCore
internal import NIOSSL

extension ServerAccess {
    /// Opens the way. Nothing is asked yet.
    public func transport(
        limits: HTTPTransport.Limits = HTTPTransport.Limits(), clock: any Clock<Duration>
    ) throws(ServerAccessError) -> HTTPTransport {
        guard var url = ServerURL(server) else {
            throw ServerAccessError(.address, "\"\(server)\" is no server's address; one is https://192.0.2.1:6443")
        }
        var configuration = HTTPClient.Configuration()
        var host: String?
        if url.isSecure {
            configuration.tlsConfiguration = try tls()
            if let serverName, serverName != url.host {
                // The HTTP library takes the name to verify from the URL, and lets the name be resolved otherwise.
                configuration.dnsOverride = [serverName: url.host]
                host = url.authority
                url.host = serverName
            }
        }
        let bearer = token.map { BearerToken($0, clock: clock) }
        return HTTPTransport(
            base: url.text, host: host, configuration: configuration, limits: limits,
            headers: {
                guard let bearer else { return [] }
                return [("Authorization", "Bearer \(try await bearer.current())")]
            },
            refused: { await bearer?.refused() ?? false })
    }

    private func tls() throws(ServerAccessError) -> TLSConfiguration {
        var tls = TLSConfiguration.makeClientConfiguration()
        // A server whose watch is cut off does not answer the farewell, and whoever ends would wait five seconds for it.
        tls.shutdownTimeout = .milliseconds(100)
        switch trust {
        case .system: break
        case .anybody: tls.certificateVerification = .none
        case .authorities(let pem):
            let authorities = try certificates(pem, "the certificate authority of \(server)")
            tls.trustRoots = .certificates(authorities)
        }
        if let certificate {
            tls.certificateChain = try certificates(certificate.chain, "the client certificate for \(server)")
                .map(NIOSSLCertificateSource.certificate)
            do {
                tls.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: certificate.key, format: .pem))
            } catch {
                throw ServerAccessError(.certificate, "the client key for \(server) is no private key in PEM", cause: error)
            }
            // A key that is not the certificate's is found out here rather than at the first request.
            do { _ = try NIOSSLContext(configuration: tls) } catch {
                throw ServerAccessError(
                    .certificate, "the client certificate and key for \(server) do not belong together", cause: error)
            }
        }
        return tls
    }

    private func certificates(_ pem: [UInt8], _ what: String) throws(ServerAccessError) -> [NIOSSLCertificate] {
        do {
            let certificates = try NIOSSLCertificate.fromPEMBytes(pem)
            if !certificates.isEmpty { return certificates }
        } catch {
            throw ServerAccessError(.certificate, "\(what) is no certificate in PEM", cause: error)
        }
        throw ServerAccessError(.certificate, "\(what): the PEM holds no certificate")
    }
}
