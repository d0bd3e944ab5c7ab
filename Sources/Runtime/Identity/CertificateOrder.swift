public import Addressing

/// What a certificate is to say of its holder.
public struct CertificateOrder: Hashable, Sendable {
    public enum Use: Hashable, Sendable, CaseIterable, Comparable {
        case server
        case client
    }

    /// The common name: to an API server, the user.
    public var name: String
    /// To an API server, the user's groups.
    public var organizations: [String]
    /// What clients call the server: names, and addresses of both families.
    public var dnsNames: [String]
    public var addresses: [IPAddress]
    public var uses: Set<Use>
    /// From now on; what reaches beyond the authority's own end is cut.
    public var lifetime: Duration

    public init(
        name: String, organizations: [String] = [], dnsNames: [String] = [], addresses: [IPAddress] = [], uses: Set<Use>,
        lifetime: Duration
    ) {
        self.name = name
        self.organizations = organizations
        self.dnsNames = dnsNames
        self.addresses = addresses
        self.uses = uses
        self.lifetime = lifetime
    }

    /// A year, as Kubernetes' own tools choose.
    public static var usualLifetime: Duration { .seconds(365 * 86_400) }

    public static func server(
        _ name: String, dnsNames: [String], addresses: [IPAddress], lifetime: Duration = usualLifetime
    ) -> Self {
        Self(name: name, dnsNames: dnsNames, addresses: addresses, uses: [.server], lifetime: lifetime)
    }

    public static func client(_ name: String, organizations: [String] = [], lifetime: Duration = usualLifetime) -> Self {
        Self(name: name, organizations: organizations, uses: [.client], lifetime: lifetime)
    }
}

// MARK: - Validation

extension CertificateOrder {
    /// Everything that is wrong with it.
    public var faults: [String] {
        var faults: [String] = []
        // RFC 5280, appendix A.1: ub-common-name and ub-organization-name.
        if name.isEmpty || name.unicodeScalars.count > 64 { faults.append("the name must have 1 to 64 characters") }
        for organization in organizations where organization.isEmpty || organization.unicodeScalars.count > 64 {
            faults.append("an organization must have 1 to 64 characters")
        }
        if uses.isEmpty { faults.append("a certificate needs a use: server, client or both") }
        if uses.contains(.server), dnsNames.isEmpty, addresses.isEmpty {
            faults.append("a server needs a DNS name or an address: clients do not look at its common name (RFC 6125 §6.4.4)")
        }
        faults += dnsNames.filter { !Self.isDNSName($0) }.map { "\"\($0)\" is no DNS name" }
        if lifetime < .seconds(1) { faults.append("the lifetime must be at least a second") }
        return faults
    }

    /// Letters, digits, hyphens and dots, the first label possibly `*` (RFC 6125 §6.4.3).
    private static func isDNSName(_ text: String) -> Bool {
        guard text.utf8.count <= 253 else { return false }
        let labels = text.split(separator: ".", omittingEmptySubsequences: false)
        // A quad of numbers would be taken for an address by some clients, for a name by others.
        guard IPAddress(text) == nil, labels.count > 1 || text != "*" else { return false }
        return labels.enumerated().allSatisfy { position, label in
            if position == 0, label == "*" { return true }
            guard (1...63).contains(label.utf8.count), label.first != "-", label.last != "-" else { return false }
            return label.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
        }
    }
}
