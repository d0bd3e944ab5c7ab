import Addressing
import NFTables

/// Where endpoints stand in a table that was found.
struct ObservedPlaces {
    private var orders: [Reach: [Value: [SocketAddress]]] = [:]

    init(_ table: Table) {
        for door in Door.allCases {
            for reach in Reach.allCases {
                let orders = Self.orders(
                    table.sets[ServiceSet.endpoints(door, reach).name]?.elements ?? [:],
                    table.sets[ServiceSet.choices(door, reach).name]?.elements ?? [:])
                self.orders[reach, default: [:]].merge(orders) { first, _ in first }
            }
        }
    }

    /// A service can be asked for in several ways; the first that is known says how its endpoints stand.
    func order(_ fronts: [Value], _ reach: Reach) -> [SocketAddress] {
        fronts.lazy.compactMap { orders[reach]?[$0] }.first ?? []
    }

    private static func orders(
        _ endpoints: [Value: NamedSet.Content], _ choices: [Value: NamedSet.Content]
    ) -> [Value: [SocketAddress]] {
        var places: [Value: [(place: UInt32, endpoint: SocketAddress)]] = [:]
        func put(_ key: Value, at place: UInt32, _ datum: NamedSet.Content?) {
            guard case .value(let target)? = datum?.data, let endpoint = SocketAddress(target) else { return }
            places[key, default: []].append((place, endpoint))
        }
        for (key, content) in endpoints {
            let (front, number) = key.front
            if number < 1 << 31 { put(front, at: number, content) }
        }
        for (key, content) in choices {
            guard case .value(let number) = content.data else { continue }
            let (front, place) = key.front
            put(front, at: place, endpoints[front.withBytes { front in number.withBytes { Value([front, $0].joined()) } }])
        }
        // Places that are not what they should be, as after a hand in the table, are only a wish.
        return places.mapValues { found in
            var seen: Set<SocketAddress> = []
            return found.sorted { $0.place < $1.place }.map(\.endpoint).filter { seen.insert($0).inserted }
        }
    }
}

extension Value {
    /// A key without the number behind it, and that number.
    fileprivate var front: (Value, UInt32) {
        withBytes { bytes in
            guard bytes.count >= 4 else { return (self, 0) }
            let split = bytes.count - 4
            return (Value(bytes[..<split]), bytes.loadUnaligned(fromByteOffset: split, as: UInt32.self))
        }
    }
}

extension SocketAddress {
    /// A datum of address and port, each padded to four bytes.
    fileprivate init?(_ target: Value) {
        let bytes = target.bytes
        guard bytes.count == 8 || bytes.count == 20, let address = IPAddress(bytes: bytes.dropLast(4)) else { return nil }
        let port = bytes.suffix(4)
        self.init(address, UInt16(port[port.startIndex]) << 8 | UInt16(port[port.startIndex + 1]))
    }
}
