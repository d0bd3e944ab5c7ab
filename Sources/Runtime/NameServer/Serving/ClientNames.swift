public import Addressing
public import DNS

/// Who asks, by address: for the query log, and for the search list.
///
/// A value of which a changed copy shares most with the original: one of many shards is copied for one client that comes or goes.
public struct ClientNames: Sendable {
    /// One client.
    public struct Client: Hashable, Sendable {
        /// For the query log: `shop/web`.
        public var name: String
        /// The search list in the order of the client's `resolv.conf`; empty when rounds are not to be collapsed for it.
        public var searchList: [DomainName]

        public init(_ name: String, searchList: [DomainName] = []) { (self.name, self.searchList) = (name, searchList) }
    }

    private var shards = [[IPAddress: Client]](repeating: [:], count: 64)

    public init(_ clients: [IPAddress: Client] = [:]) {
        for (address, client) in clients { self[address] = client }
    }

    public subscript(address: IPAddress) -> Client? {
        get { shards[Self.shard(address)][address] }
        set { shards[Self.shard(address)][address] = newValue }
    }

    public var count: Int { shards.reduce(0) { $0 + $1.count } }

    /// Addresses that stand beside each other, as pods have them, fall into shards of their own.
    private static func shard(_ address: IPAddress) -> Int {
        switch address {
        case .v4(let address): Int(address.rawValue & 63)
        case .v6(let address): Int(truncatingIfNeeded: address.rawValue & 63)
        }
    }
}
