public import Addressing

/// A node as the others need to know it: where it is reached, and which pods' addresses are its own.
public struct Member: Hashable, Sendable {
    public var name: String
    /// At most one a family, the first the node's primary one.
    public var addresses: [IPAddress]
    /// The ranges its pods' addresses come from; none that overlaps another node's, holds a node's address or means something else.
    public var podPrefixes: [IPPrefix]
    /// The first address of each family that its object names, also where another node was first: the node itself knows better.
    public var claimedAddresses: [IPAddress]

    /// - Parameter claimedAddresses: `nil` for the addresses.
    public init(name: String, addresses: [IPAddress], podPrefixes: [IPPrefix], claimedAddresses: [IPAddress]? = nil) {
        self.name = name
        self.addresses = addresses
        self.podPrefixes = podPrefixes
        self.claimedAddresses = claimedAddresses ?? addresses
    }

    public func address(_ family: IPFamily) -> IPAddress? { addresses.first { $0.family == family } }
}
