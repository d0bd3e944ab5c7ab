import Addressing
import FoundationEssentials
import Glibc
import Identity
import KubeAPI
import KubeClient

/// Keys and tokens of a lab: made once, kept in its directory.
struct LabCredentials {
    let authority: CertificateAuthority
    /// By user.
    private(set) var tokens: [String: String]

    static let administrator = "kubernetes-admin"
    static let supervisor = "system:kube-controller-manager"
    static func node(_ name: String) -> String { "system:node:\(name)" }

    /// Reads what is there, and makes what is not.
    init(_ directory: LabDirectory, _ settings: LabSettings, at now: Moment, random: inout some RandomNumberGenerator) throws {
        try Files.makeDirectories(directory.path + "/ca", mode: 0o700)
        let date = Date(timeIntervalSince1970: now.sinceEpoch / .seconds(1))
        if let kept = Files.text(of: directory.authority) {
            authority = try CertificateAuthority(pem: kept.utf8)
        } else {
            authority = try CertificateAuthority(name: "tulle lab \(settings.name)", at: date, random: &random)
            try Self.keep(authority.archive, in: directory.authority)
        }
        try Files.write(authority.certificatePEM.utf8, to: directory.authorityCertificate)
        tokens = [:]
        if let text = Files.text(of: directory.tokens), let tree = try? JSONReader().value(text) { tokens = tree.strings }
        // The server reads them once: those of nodes that may be added are there from the beginning.
        let nodes = (1...LabSettings.mostNodes).map { Self.node("node-\($0)") }
        for user in [Self.administrator, Self.supervisor] + nodes where tokens[user] == nil {
            let bits = [random.next() as UInt64, random.next()]
            tokens[user] = bits.map { String($0 | 1 << 63, radix: 16) }.joined()
        }
        try Self.keep(JSONValue(tokens).description.utf8, in: directory.tokens)
        // Always a new one: the addresses may have changed, and it costs a tenth of a millisecond.
        let names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"]
        let loopback = ["127.0.0.1", "::1"].compactMap { IPAddress($0) }
        let order = CertificateOrder.server(
            "kube-apiserver", dnsNames: names + ["localhost"],
            addresses: loopback + settings.serverAddresses + settings.servicePrefixes.compactMap { $0.address(at: 1) })
        let server = try authority.issue(order, at: date, random: &random)
        try Self.keep(server.certificatePEM.utf8, in: directory.serverCertificate)
        try Self.keep(server.privateKey.exposed.utf8, in: directory.serverKey)
    }

    /// For its owner alone, whole or not at all.
    private static func keep(_ bytes: some Collection<UInt8>, in path: String) throws(LabError) {
        try Files.write(bytes, to: path + ".new", mode: 0o600)
        guard rename(path + ".new", path) == 0 else { throw LabError(.stateUnusable, "write \(path): errno \(errno)") }
    }

    /// The way to the API for what runs on a node.
    func writeKubeconfig(ofNode name: String, _ settings: LabSettings, in directory: LabDirectory) throws {
        guard let inside = settings.serverAddresses.first else { preconditionFailure("a lab without a segment") }
        try writeKubeconfig(
            for: Self.node(name), named: "tulle-\(settings.name)",
            server: "https://\(SocketAddress(inside, LabSettings.serverPort))", to: directory.nodeKubeconfig(name))
    }

    /// - Parameter server: `https://127.0.0.1:6443`.
    func writeKubeconfig(for user: String, named name: String, server: String, to path: String) throws {
        let config = Kubeconfig(
            name: name, cluster: Kubeconfig.Cluster(server: server, authority: .data(Array(authority.certificatePEM.utf8))),
            user: Kubeconfig.User(token: tokens[user]))
        try config.write(to: path)
    }
}
