import NIOCore
import NIOSSL

/// The certificate that the server shows, and its key. TLS 1.2 or newer; `http/1.1` is what is spoken in it.
public struct TLSIdentity: Sendable {
    let context: NIOSSLContext

    public enum Encoding: Hashable, Sendable {
        case pem
        case der
    }

    /// - Parameters:
    ///   - certificates: the server's own, then those that signed it; in DER only its own.
    ///   - key: of the first certificate.
    /// - Throws: when they cannot be read or do not belong together.
    public init(certificates: [UInt8], key: [UInt8], encoding: Encoding = .pem) throws {
        let chain: [NIOSSLCertificate]
        let secret: NIOSSLPrivateKey
        switch encoding {
        case .pem:
            chain = try NIOSSLCertificate.fromPEMBytes(certificates)
            secret = try NIOSSLPrivateKey(bytes: key, format: .pem)
        case .der:
            chain = [try NIOSSLCertificate(bytes: certificates, format: .der)]
            secret = try NIOSSLPrivateKey(bytes: key, format: .der)
        }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(secret))
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        context = try NIOSSLContext(configuration: configuration)
    }
}
