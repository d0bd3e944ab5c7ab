public import Addressing

/// In which order a service's endpoints stand: the kernel chooses one by a number below their count, so there may be no hole.
public enum Positions {
    /// The order that has exactly the wanted ones and differs from the old one in the fewest places: who stays keeps the place,
    /// who is new fills the holes, and what holes are left the last ones move into.
    ///
    /// - Parameter wanted: each once.
    public static func order(of wanted: [SocketAddress], after old: [SocketAddress]) -> [SocketAddress] {
        guard !old.isEmpty else { return wanted }
        let isWanted = Set(wanted)
        let known = Set(old)
        var new = wanted.filter { !known.contains($0) }[...]
        var order: [SocketAddress?] = old.map { address in
            isWanted.contains(address) ? address : new.popFirst()
        }
        order += new.map { $0 }
        while let hole = order.firstIndex(of: nil) {
            let last = order.removeLast()
            if hole < order.count { order[hole] = last }
        }
        return order.compactMap { $0 }
    }

    /// A number for each endpoint that is the same as long as the endpoint is there, on every node and after every restart: it is
    /// made of address and port. Never below 2³¹, where the numbers of places are.
    static func numbers(of endpoints: some Collection<SocketAddress>) -> [SocketAddress: UInt32] {
        var taken: Set<UInt32> = []
        return endpoints.sorted().reduce(into: [:]) { numbers, endpoint in
            // FNV-1a, 32 bits.
            let bytes = endpoint.address.bytes + [UInt8(endpoint.port >> 8), UInt8(endpoint.port & 255)]
            var number = bytes.reduce(0x811C_9DC5 as UInt32) { ($0 ^ UInt32($1)) &* 0x0100_0193 } | 1 << 31
            while !taken.insert(number).inserted { number = (number &+ 1) | 1 << 31 }
            numbers[endpoint] = number
        }
    }
}
