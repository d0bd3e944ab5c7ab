import Addressing
import FoundationEssentials
import Identity
import SwiftASN1
import Testing
@_spi(FixedExpiryValidationTime) import X509

struct CertificateAuthorityTests {
    private func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

    private func server(_ authority: CertificateAuthority) throws -> Credential {
        var random = SeededRandom(state: 7)
        return try authority.issue(
            .server(
                "kube-apiserver", dnsNames: ["kubernetes.default.svc", "*.example.org"],
                addresses: [address("192.0.2.1"), address("2001:db8::1")]),
            at: start, random: &random)
    }

    private func verdict(
        _ credential: Credential, by authority: CertificateAuthority, host: String? = nil, ip: String? = nil,
        at time: Date = start
    ) async throws -> Bool {
        var verifier = try Verifier(
            rootCertificates: CertificateStore([Certificate(pemEncoded: authority.certificatePEM)])
        ) {
            RFC5280Policy(fixedExpiryValidationTime: time)
            ServerIdentityPolicy(serverHostname: host, serverIP: ip)
        }
        let leaf = try Certificate(pemEncoded: credential.certificatePEM)
        let result = await verifier.validate(leaf: leaf, intermediates: CertificateStore())
        if case .validCertificate = result { return true }
        return false
    }

    @Test(
        "clients accept a server by each of its names and addresses, and by no other",
        arguments: [
            ("kubernetes.default.svc", nil, true), ("a.example.org", nil, true), ("a.b.example.org", nil, false),
            ("example.org", nil, false), ("kube-apiserver", nil, false), (nil, "192.0.2.1", true), (nil, "2001:db8::1", true),
            (nil, "192.0.2.2", false), (nil, "2001:db8::2", false),
        ] as [(String?, String?, Bool)])
    func serverNames(_ host: String?, _ ip: String?, _ isAccepted: Bool) async throws {
        let authority = try authority()
        #expect(try await verdict(try server(authority), by: authority, host: host, ip: ip) == isAccepted)
    }

    @Test("a certificate holds within its time, and under its own authority only")
    func trust() async throws {
        let authority = try authority()
        let credential = try server(authority)
        let host = "kubernetes.default.svc"
        #expect(try await verdict(credential, by: authority, host: host, at: start.addingTimeInterval(-200)))
        #expect(try await !verdict(credential, by: authority, host: host, at: start.addingTimeInterval(-400)))
        #expect(try await !verdict(credential, by: authority, host: host, at: start.addingTimeInterval(366 * 86_400)))
        #expect(try await !verdict(credential, by: try Self.other(), host: host))
    }

    private static func other() throws -> CertificateAuthority { try authority(seed: 2) }

    @Test("a client's name and organizations are where an API server looks for user and groups")
    func client() throws {
        var random = SeededRandom(state: 3)
        let order = CertificateOrder.client("system:node:n1", organizations: ["system:nodes", "zone-a"])
        let certificate = try Certificate(pemEncoded: authority().issue(order, at: start, random: &random).certificatePEM)
        #expect(certificate.subject.description == "CN=system:node:n1,O=zone-a,O=system:nodes")
        #expect(try certificate.extensions.extendedKeyUsage?.contains(.clientAuth) == true)
        #expect(try certificate.extensions.extendedKeyUsage?.contains(.serverAuth) == false)
        #expect(try certificate.extensions.basicConstraints == .notCertificateAuthority)
        #expect(try certificate.extensions.subjectAlternativeNames == nil)
    }

    @Test("serial numbers come from the caller's randomness, and are positive and long")
    func serialNumbers() throws {
        let authority = try authority()
        var (one, two) = (SeededRandom(state: 9), SeededRandom(state: 9))
        let order = CertificateOrder.client("a")
        func serial(_ random: inout SeededRandom) throws -> [UInt8] {
            Array(
                try Certificate(pemEncoded: authority.issue(order, at: start, random: &random).certificatePEM).serialNumber.bytes)
        }
        let first = try serial(&one)
        #expect(try first == serial(&two))
        #expect(try first != serial(&one))
        for _ in 0..<50 {
            let bytes = try serial(&one)
            #expect(bytes.count == 16)
            #expect((0x40...0x7F).contains(bytes[0]))
        }
    }

    @Test("an authority that was kept and loaded again is the same one")
    func archive() async throws {
        let authority = try authority()
        let loaded = try CertificateAuthority(pem: authority.archive)
        #expect(loaded.certificatePEM == authority.certificatePEM)
        #expect(loaded.validity == authority.validity)
        #expect(try await verdict(try server(loaded), by: authority, host: "kubernetes.default.svc"))
    }

    @Test("a private key is in no text that anybody may print")
    func secrecy() throws {
        let authority = try authority()
        let credential = try server(authority)
        var dumped = ""
        dump(authority, to: &dumped)
        dump(credential, to: &dumped)
        dump(credential.privateKey, to: &dumped)
        dumped += "\(authority) \(credential) \(credential.privateKey) \(String(reflecting: credential.privateKey))"
        #expect(!dumped.contains("PRIVATE KEY"))
        let secret = try #require(credential.privateKey.exposed.split(separator: "\n").dropFirst().first)
        #expect(!dumped.contains(secret))
        #expect(credential.privateKey.exposed.hasPrefix("-----BEGIN PRIVATE KEY-----\n"))
    }

    static let wrongOrders: [(CertificateOrder, String)] = [
        (.client(""), "the name must have 1 to 64 characters"),
        (.client(String(repeating: "a", count: 65)), "the name must have 1 to 64 characters"),
        (.client("a", organizations: [""]), "an organization must have 1 to 64 characters"),
        (.client("a", lifetime: .zero), "the lifetime must be at least a second"),
        (CertificateOrder(name: "a", uses: [], lifetime: .seconds(9)), "a certificate needs a use: server, client or both"),
        (
            .server("a.example.org", dnsNames: [], addresses: []),
            "a server needs a DNS name or an address: clients do not look at its common name (RFC 6125 §6.4.4)"
        ),
        (.server("a", dnsNames: ["a b"], addresses: []), "\"a b\" is no DNS name"),
        (.server("a", dnsNames: ["*"], addresses: []), "\"*\" is no DNS name"),
        (.server("a", dnsNames: ["a.*.org"], addresses: []), "\"a.*.org\" is no DNS name"),
        (.server("a", dnsNames: ["a..org"], addresses: []), "\"a..org\" is no DNS name"),
        (.server("a", dnsNames: ["-a.org"], addresses: []), "\"-a.org\" is no DNS name"),
        // Belongs among the addresses.
        (.server("a", dnsNames: ["192.0.2.1"], addresses: []), "\"192.0.2.1\" is no DNS name"),
        (.server("a", dnsNames: [""], addresses: []), "\"\" is no DNS name"),
    ]

    @Test("an order that makes no sense is refused with its reason", arguments: wrongOrders)
    func wrongOrder(_ order: CertificateOrder, _ reason: String) throws {
        var random = SeededRandom(state: 1)
        let error = try #require(throws: IdentityError.self) {
            try authority().issue(order, at: start, random: &random)
        }
        #expect(error.code == .order)
        #expect(error.description == "a certificate for \"\(order.name)\": \(reason)")
    }

    @Test("an authority whose time is over issues nothing")
    func expired() throws {
        var random = SeededRandom(state: 1)
        for late in [11 * 365 * 86_400.0, -600] {
            do {
                _ = try authority().issue(.client("a"), at: start.addingTimeInterval(late), random: &random)
                Issue.record("it issued")
            } catch IdentityError.Code.expired {}
        }
    }

    @Test("what is loaded must be an authority with its own key")
    func wrongArchives() throws {
        let (one, two) = (try authority(), try Self.other())
        let leaf = try server(one)
        let twoKey = String(decoding: two.archive, as: UTF8.self).dropFirst(two.certificatePEM.count)
        let cases: [(String, IdentityError.Code)] = [
            ("", .malformed), ("hello", .malformed), (one.certificatePEM, .malformed), (leaf.privateKey.exposed, .malformed),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" + twoKey, .malformed),
            (one.certificatePEM + twoKey, .wrongKey),
            (one.certificatePEM + "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", .wrongKey),
            (leaf.certificatePEM + leaf.privateKey.exposed, .noAuthority),
        ]
        for (text, code) in cases {
            let error = #expect(throws: IdentityError.self) { try CertificateAuthority(pem: Array(text.utf8)) }
            #expect(error?.code == code, "\(text.prefix(60))")
        }
        #expect(throws: IdentityError.self) { try CertificateAuthority(pem: [0xFF, 0xFE]) }
    }
}
