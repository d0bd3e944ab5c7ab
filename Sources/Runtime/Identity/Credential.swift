internal import Crypto
internal import FoundationEssentials
internal import SwiftASN1
internal import X509

/// A certificate with its private key: what a server or a client shows.
public struct Credential: Sendable {
    public let validity: Validity
    /// PEM, as files and kubeconfigs hold it.
    public let certificatePEM: String
    public let privateKey: PrivateKeyText

    init(_ certificate: Certificate, key: P256.Signing.PrivateKey) throws(IdentityError) {
        validity = Validity(from: certificate.notValidBefore, to: certificate.notValidAfter)
        do {
            certificatePEM = try certificate.serializeAsPEM().pemString + "\n"
        } catch {
            throw IdentityError(.library, "writing a certificate as PEM", cause: error)
        }
        privateKey = PrivateKeyText(pem: key.pemRepresentation + "\n")
    }
}

/// The PEM text of a private key, which no log, dump or failed expectation shows: who needs it says ``exposed``.
public struct PrivateKeyText: Sendable, Hashable {
    private let pem: String

    init(pem: String) { self.pem = pem }

    /// The text itself, for a file of mode 0600 or a TLS library.
    public var exposed: String { pem }
}

extension PrivateKeyText: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "(private key)" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
