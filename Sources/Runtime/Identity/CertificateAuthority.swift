internal import Addressing
internal import Crypto
public import FoundationEssentials
internal import SwiftASN1
internal import X509

/// Signs certificates that everybody who holds its own certificate trusts.
///
/// P-256 throughout: every TLS library has it, and a signature takes some ten microseconds. It signs leaves only (a path
/// length of zero): there are no authorities below it.
public struct CertificateAuthority: Sendable {
    public let validity: Validity
    private let certificate: Certificate
    private let key: P256.Signing.PrivateKey
    private let text: Credential

    private init(_ certificate: Certificate, key: P256.Signing.PrivateKey) throws(IdentityError) {
        self.certificate = certificate
        self.key = key
        text = try Credential(certificate, key: key)
        validity = text.validity
    }

    /// Ten years, as Kubernetes' own tools choose for an authority.
    public static var usualLifetime: Duration { .seconds(3650 * 86_400) }

    /// Makes a new one.
    ///
    /// - Parameter random: for the serial number; the key's randomness comes from the cryptographic library.
    public init(
        name: String, at now: Date, lifetime: Duration = usualLifetime, random: inout some RandomNumberGenerator
    ) throws(IdentityError) {
        guard (1...64).contains(name.unicodeScalars.count), lifetime >= .seconds(1) else {
            throw IdentityError(.order, "the authority \"\(name)\": a name of 1 to 64 characters and a lifetime are needed")
        }
        let key = P256.Signing.PrivateKey()
        let validity = Validity.issued(at: now, lifetime: lifetime)
        let certificate: Certificate
        do {
            let subject = try DistinguishedName { CommonName(name) }
            let publicKey = Certificate.PublicKey(key.publicKey)
            certificate = try Certificate(
                version: .v3, serialNumber: SerialNumbers.next(&random), publicKey: publicKey,
                notValidBefore: validity.start, notValidAfter: validity.end, issuer: subject, subject: subject,
                signatureAlgorithm: .ecdsaWithSHA256,
                extensions: Certificate.Extensions {
                    Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
                    Critical(KeyUsage(keyCertSign: true, cRLSign: true))
                    SubjectKeyIdentifier(hash: publicKey)
                },
                issuerPrivateKey: Certificate.PrivateKey(key))
        } catch {
            throw IdentityError(.library, "making the authority \"\(name)\"", cause: error)
        }
        try self.init(certificate, key: key)
    }

    /// The certificate, to be trusted by clients and servers.
    public var certificatePEM: String { text.certificatePEM }

    /// Both as one PEM file, to be kept with mode 0600 and loaded again by ``init(pem:)``.
    public var archive: [UInt8] { Array((text.certificatePEM + text.privateKey.exposed).utf8) }
}

// MARK: - Loading

extension CertificateAuthority {
    /// Loads one from PEM: a certificate, and its private key in PKCS #8 or SEC 1.
    public init(pem bytes: some Sequence<UInt8>) throws(IdentityError) {
        let documents = try PEM.documents(Array(bytes), of: "the authority")
        guard let certificateDocument = documents.first(where: { $0.discriminator == Certificate.defaultPEMDiscriminator }) else {
            throw IdentityError(.malformed, "the authority's PEM holds no certificate")
        }
        guard let keyDocument = documents.first(where: { $0.discriminator.hasSuffix("PRIVATE KEY") }) else {
            throw IdentityError(.malformed, "the authority's PEM holds no private key")
        }
        let certificate: Certificate
        do {
            certificate = try Certificate(pemDocument: certificateDocument)
        } catch {
            throw IdentityError(.malformed, "reading the authority's certificate", cause: error)
        }
        let key: P256.Signing.PrivateKey
        do {
            key = try P256.Signing.PrivateKey(pemRepresentation: keyDocument.pemString)
        } catch {
            throw IdentityError(.wrongKey, "reading the authority's private key: only P-256 keys without a passphrase are used")
        }
        guard certificate.publicKey == Certificate.PublicKey(key.publicKey) else {
            throw IdentityError(.wrongKey, "the private key is not that of the authority's certificate")
        }
        guard case .isCertificateAuthority = try? certificate.extensions.basicConstraints else {
            throw IdentityError(.noAuthority, "the certificate of \(certificate.subject) is not an authority's")
        }
        try self.init(certificate, key: key)
    }
}

// MARK: - Issuing

extension CertificateAuthority {
    /// Makes a key and a certificate for it.
    ///
    /// - Parameter random: for the serial number; the key's randomness comes from the cryptographic library.
    public func issue(
        _ order: CertificateOrder, at now: Date, random: inout some RandomNumberGenerator
    ) throws(IdentityError) -> Credential {
        guard order.faults.isEmpty else {
            throw IdentityError(.order, "a certificate for \"\(order.name)\": \(order.faults.joined(separator: "; "))")
        }
        guard now >= validity.start, now < validity.end else {
            throw IdentityError(
                .expired,
                "the authority \(certificate.subject) holds from \(validity.start) to \(validity.end), and it is \(now); make a new one"
            )
        }
        let key = P256.Signing.PrivateKey()
        let issued: Certificate
        do {
            issued = try sign(order, publicKey: Certificate.PublicKey(key.publicKey), at: now, SerialNumbers.next(&random))
        } catch {
            throw IdentityError(.library, "a certificate for \"\(order.name)\"", cause: error)
        }
        return try Credential(issued, key: key)
    }

    private func sign(
        _ order: CertificateOrder, publicKey: Certificate.PublicKey, at now: Date, _ serialNumber: Certificate.SerialNumber
    ) throws -> Certificate {
        let span = Validity.issued(at: now, lifetime: order.lifetime, within: validity)
        let subject = try DistinguishedName {
            for organization in order.organizations { OrganizationName(organization) }
            CommonName(order.name)
        }
        let names =
            order.dnsNames.map(GeneralName.dnsName)
            + order.addresses.map { GeneralName.ipAddress(ASN1OctetString(contentBytes: $0.bytes[...])) }
        let uses = try ExtendedKeyUsage(order.uses.sorted().map { $0 == .server ? .serverAuth : .clientAuth })
        let authority = try certificate.extensions.subjectKeyIdentifier?.keyIdentifier
        return try Certificate(
            version: .v3, serialNumber: serialNumber, publicKey: publicKey, notValidBefore: span.start,
            notValidAfter: span.end, issuer: certificate.subject, subject: subject, signatureAlgorithm: .ecdsaWithSHA256,
            extensions: Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                Critical(KeyUsage(digitalSignature: true))
                uses
                SubjectKeyIdentifier(hash: publicKey)
                AuthorityKeyIdentifier(keyIdentifier: authority)
                if !names.isEmpty { SubjectAlternativeNames(names) }
            },
            issuerPrivateKey: Certificate.PrivateKey(key))
    }
}

extension CertificateAuthority: CustomStringConvertible, CustomReflectable {
    /// The subject; never the key.
    public var description: String { "the authority \(certificate.subject)" }
    public var customMirror: Mirror { Mirror(self, children: ["subject": "\(certificate.subject)"]) }
}

/// Serial numbers are random, so that no authority has to remember what it has given (RFC 5280 §4.1.2.2: at most 20 octets,
/// positive; CA/Browser Forum §7.1: at least 64 random bits).
private enum SerialNumbers {
    static func next(_ random: inout some RandomNumberGenerator) -> Certificate.SerialNumber {
        var bytes: [UInt8] = []
        for _ in 0..<2 {
            let number: UInt64 = random.next()
            bytes += (0..<8).map { UInt8(truncatingIfNeeded: number >> UInt64(56 - 8 * $0)) }
        }
        // The first bit off keeps it positive, the next one on keeps it from beginning with a zero.
        bytes[0] = bytes[0] & 0x3F | 0x40
        return Certificate.SerialNumber(bytes: bytes)
    }
}
