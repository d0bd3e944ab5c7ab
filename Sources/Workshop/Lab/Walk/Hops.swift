import Addressing
import HostNetwork
import HostNetworkKernel

/// Tells the way of one packet from what the witnesses saw of it.
struct Hops {
    let sightings: [Witness.Sighting]
    /// The hosts by the name of their place: asked for the route that decided.
    let hosts: [String: KernelHost]

    /// The sightings of the first packet between these ends in one direction, in order of time. Of a TCP connection only packets
    /// with SYN count: the one that opens it, or the answer to that one.
    func way(_ transport: TransportProtocol, to destination: SocketAddress, from source: IPAddress) -> [Witness.Sighting] {
        let matching = sightings.filter { sighting in
            let packet = sighting.packet
            return packet.transport == transport && packet.destination == destination && packet.source.address == source
                && (transport == .udp || packet.flags & 2 != 0)
        }.sorted { $0.time < $1.time }
        guard let first = matching.first else { return [] }
        // One packet is seen at most once per interface and direction; a repetition would be seen again.
        var seen: Set<String> = []
        return matching.filter {
            $0.packet.source.port == first.packet.source.port
                && seen.insert("\($0.place) \($0.interface) \($0.isOutgoing)").inserted
        }
    }

    /// The answer's way: from the server's address and port back to the client's.
    func wayBack(_ transport: TransportProtocol, from server: SocketAddress, to client: SocketAddress) -> [Witness.Sighting] {
        let turned = Hops(sightings: sightings.filter { $0.packet.source == server }, hosts: hosts)
        return turned.way(transport, to: client, from: server.address)
    }

    /// One line per sighting, and between a node's two the route that led from one to the other.
    func lines(_ way: [Witness.Sighting]) -> [String] {
        guard let first = way.first else { return ["      nothing was seen"] }
        let width = way.map { $0.place.count }.max() ?? 0
        let names = way.map { $0.interface.count }.max() ?? 0
        var lines: [String] = []
        for (index, sighting) in way.enumerated() {
            let microseconds = (sighting.time - first.time) / 1000
            let time = String(repeating: " ", count: max(0, 6 - "\(microseconds)".count)) + "\(microseconds) µs"
            lines.append(
                "   \(time)  \(padded(sighting.place, width))  \(padded(sighting.interface, names))"
                    + "  \(sighting.isOutgoing ? "out" : "in ")  hops left \(sighting.packet.hopLimit)")
            let next = index + 1 < way.count ? way[index + 1] : nil
            guard let next, next.place == sighting.place, !sighting.isOutgoing, next.isOutgoing,
                let route = route(at: sighting.place, to: sighting.packet.destination.address)
            else { continue }
            lines.append("              \(String(repeating: " ", count: width))  └ \(route)")
        }
        return lines
    }

    /// The route of the main table that the kernel chooses: the longest prefix.
    private func route(at place: String, to address: IPAddress) -> String? {
        guard let routes = try? hosts[place]?.observe(Interest([.routes])).routes else { return nil }
        var table = PrefixMap<Route>()
        for route in routes where route.table == Route.mainTable { table[route.prefix] = route }
        return table.match(address)?.value.description
    }

    private func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }
}
