import Addressing
import Glibc
import Netlink
import PolicyTrials

/// Somebody who speaks SCTP by raw packets: kernels without SCTP's own sockets translate and track it all the same.
final class SCTPPeer {
    private let socket: Descriptor
    private let family: IPFamily

    /// - Parameter own: the only address it is spoken to at, and speaks from; `nil`: any.
    init(in namespace: NetworkNamespace, _ family: IPFamily, at own: IPAddress? = nil) throws {
        self.family = family
        socket = try namespace.perform { () throws(KernelError) in
            let descriptor = Glibc.socket(
                family == .v4 ? AF_INET : AF_INET6, Int32(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue),
                Int32(TransportProtocol.sctp.number))
            guard descriptor >= 0 else { throw KernelError(Errno(rawValue: errno), "open a raw socket") }
            return Descriptor(owning: descriptor)
        }
        guard let own else { return }
        let code = withName(of: SocketAddress(own, 0)) { bind(socket.rawValue, $0, $1) }
        guard code == 0 else { throw KernelError(Errno(rawValue: errno), "bind \(own)") }
    }

    func send(_ packet: SCTPPacket, to address: IPAddress) throws {
        let bytes = packet.bytes
        let count = withName(of: SocketAddress(address, 0)) { sendto(socket.rawValue, bytes, bytes.count, 0, $0, $1) }
        guard count == bytes.count else { throw KernelError(Errno(rawValue: errno), "send SCTP to \(address)") }
    }

    /// The next packet, and where it came from; `nil` when none comes within ten seconds.
    func receive() -> (packet: SCTPPacket, source: IPAddress)? {
        while true {
            guard isReadable(10_000) else { return nil }
            var peer = sockaddr_storage()
            var bytes = [UInt8](repeating: 0, count: 2048)
            let count = withPeer(&peer) { recvfrom(socket.rawValue, &bytes, bytes.count, 0, $0, $1) }
            guard count > 0 else { return nil }
            // IPv4 gives the packet with its header, IPv6 without.
            let start = family == .v4 ? Int(bytes[0] & 15) * 4 : 0
            if let packet = SCTPPacket(Array(bytes[start..<count])) { return (packet, peer.address) }
        }
    }

    /// Connected, a raw socket is told of ICMP errors; `nil` when none comes within ten seconds.
    func refusal(of packet: SCTPPacket, to address: IPAddress) throws -> Int32? {
        _ = withName(of: SocketAddress(address, 0)) { connect(socket.rawValue, $0, $1) }
        let bytes = packet.bytes
        guard Glibc.send(socket.rawValue, bytes, bytes.count, 0) == bytes.count else { return errno }
        guard isReadable(10_000) else { return nil }
        var byte: UInt8 = 0
        return recv(socket.rawValue, &byte, 1, Int32(MSG_DONTWAIT)) < 0 ? errno : nil
    }

    func isReadable(_ milliseconds: Int32) -> Bool {
        var entry = pollfd(fd: socket.rawValue, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, milliseconds) == 1
    }

    /// Which of them has a packet waiting, after at most ten seconds.
    static func ready(_ peers: [String: SCTPPeer]) -> String? {
        let names = peers.keys.sorted()
        var entries = names.map { pollfd(fd: peers[$0]?.socket.rawValue ?? -1, events: Int16(POLLIN), revents: 0) }
        guard poll(&entries, nfds_t(entries.count), 10_000) > 0 else { return nil }
        return zip(names, entries).first { $1.revents != 0 }?.0
    }
}
