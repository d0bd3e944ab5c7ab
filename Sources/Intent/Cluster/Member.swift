public import Addressing

/// A node as the others need to know it: where it is reached, and which pods' addresses are its own.
public struct Member: Hashable, Sendable {
    public var name: String
    /// At most one a family, the first the node's primary one.
    public var addresses: [IPAddress]
    /// The ranges its pods' addresses come from; none that overlaps another node's.
    public var podPrefixes: [IPPrefix]

    public init(name: String, addresses: [IPAddress], podPrefixes: [IPPrefix]) {
        self.name = name
        self.addresses = addresses
        self.podPrefixes = podPrefixes
    }

    public func address(_ family: IPFamily) -> IPAddress? { addresses.first { $0.family == family } }
}
