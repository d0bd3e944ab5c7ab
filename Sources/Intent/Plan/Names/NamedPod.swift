public import Addressing
public import KubeAPI

/// What names need of a pod: where it is, and what its resolver appends to short names.
public struct NamedPod: Hashable, Sendable {
    public var namespace: String
    public var name: String
    public var addresses: [IPAddress]
    /// Its addresses are its node's.
    public var usesHostNetwork: Bool
    public var policy: Pod.DNSPolicy
    /// What its configuration adds to its search list.
    public var searches: [String]
    /// Its `ndots`, where that says a number.
    public var dots: UInt8?

    public init(_ pod: Pod) {
        (namespace, name, addresses) = (pod.metadata.namespace, pod.metadata.name, pod.status.podIPs)
        (usesHostNetwork, policy) = (pod.spec.usesHostNetwork, pod.spec.dnsPolicy)
        searches = pod.spec.dnsConfig.searches
        let option = pod.spec.dnsConfig.options.last { $0.name == "ndots" }
        dots = option?.value.flatMap { Int($0) }.map { UInt8(min(max($0, 0), 15)) }
    }
}

extension NamedPod {
    private static let (host, dotted) = (UInt8(1), UInt8(2))
    private static let policies: [Pod.DNSPolicy] = [.clusterFirst, .clusterFirstWithHostNet, .default, .none]

    /// ```
    ///   policy, dotted, host's network 1 | addresses | dots 1, if dotted | searches …
    /// ```
    var packed: PackedObject {
        var bytes: [UInt8] = []
        let policy = UInt8(Self.policies.firstIndex(of: policy) ?? 0)
        bytes.append(policy << 2 | (usesHostNetwork ? Self.host : 0) | (dots == nil ? 0 : Self.dotted))
        bytes.append(addresses: addresses)
        if let dots { bytes.append(dots) }
        for search in searches { bytes.append(text: search) }
        return PackedObject(namespace, name).with(bytes)
    }

    init(_ packed: PackedObject) {
        (namespace, name) = packed.name
        var reader = packed.reader
        let flags = reader.byte()
        (usesHostNetwork, policy) = (flags & Self.host != 0, Self.policies[Int(flags >> 2)])
        addresses = reader.addresses()
        dots = flags & Self.dotted == 0 ? nil : reader.byte()
        searches = []
        while !reader.isAtEnd { searches.append(reader.text()) }
    }
}
