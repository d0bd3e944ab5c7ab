import CLinux
import Glibc
import Netlink

/// Watches every interface of a namespace through a packet socket, without changing anything in it.
final class Witness {
    let place: String
    private let socket: Descriptor

    /// - Parameter place: what the namespace is called in what is seen.
    init(_ place: String, in namespace: NetworkNamespace) throws(KernelError) {
        self.place = place
        socket = try namespace.perform { () throws(KernelError) in
            let descriptor = clinux_packet_open()
            guard descriptor >= 0 else { throw KernelError(Errno(rawValue: errno), "watch the packets of \(place)") }
            return Descriptor(owning: descriptor)
        }
    }

    /// A packet, where it was seen, and when.
    struct Sighting {
        var place: String
        var interface: String
        var isOutgoing: Bool
        /// Nanoseconds since 1970, by the kernel.
        var time: Int64
        var packet: Packet
    }

    /// Everything seen since the last call.
    func sightings() -> [Sighting] {
        var found: [Sighting] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        var facts = clinux_packet()
        while true {
            let count = buffer.withUnsafeMutableBytes { clinux_packet_receive(socket.rawValue, $0.baseAddress, $0.count, &facts) }
            guard count >= 0 else { return found }
            guard let packet = Packet(buffer[..<count]) else { continue }
            found.append(
                Sighting(
                    place: place, interface: name(of: facts.interface), isOutgoing: facts.is_outgoing != 0, time: facts.time,
                    packet: packet))
        }
    }

    private func name(of interface: CInt) -> String {
        var name = [CChar](repeating: 0, count: 16)
        guard clinux_interface_name(socket.rawValue, interface, &name) == 0 else { return "#\(interface)" }
        return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
