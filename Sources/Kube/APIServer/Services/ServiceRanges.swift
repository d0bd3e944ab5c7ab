public import Addressing

/// From where the server gives services their addresses and node ports.
public struct ServiceRanges: Hashable, Sendable {
    /// One range of each family of the cluster, the first the primary one.
    public var clusterIPs: [IPPrefix]
    public var nodePorts: ClosedRange<UInt16>

    /// - Precondition: one or two ranges, of different families.
    public init(clusterIPs: [IPPrefix], nodePorts: ClosedRange<UInt16> = 30000...32767) {
        precondition(!clusterIPs.isEmpty && Set(clusterIPs.map(\.family)).count == clusterIPs.count, "one range a family")
        self.clusterIPs = clusterIPs
        self.nodePorts = nodePorts
    }

    /// `10.96.0.0/16`, and the ports from 30000 to 32767.
    public static let standard = ServiceRanges(clusterIPs: [IPPrefix("10.96.0.0/16")].compactMap(\.self))

    /// The address of the `kubernetes` service: the first of the first range.
    public var first: IPAddress? { clusterIPs.first?.address(at: 1) }

    var families: [IPFamily] { clusterIPs.map(\.family) }
}
