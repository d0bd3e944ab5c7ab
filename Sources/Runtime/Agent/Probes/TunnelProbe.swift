import Addressing
import CLinux
import Glibc
import Netlink
import Plan

/// Tries tunnels with real packets: frames go out by this node's end, and the answers of the other node's kernel come in by it.
///
/// Blocks for some milliseconds when all answer, and for seconds when they do not. Needs `CAP_NET_RAW`.
struct TunnelProbe {
    private let frames: Descriptor
    private let icmp: [IPFamily: Descriptor]
    private let datagrams: [IPFamily: Descriptor]
    private let mark: UInt16
    private let patience: Int32

    /// - Parameters:
    ///   - mark: tells this probe's packets from others'.
    ///   - patience: milliseconds for each try.
    init(in namespace: NetworkNamespace, mark: UInt16, patience: Int32 = 400) throws(KernelError) {
        self.mark = mark | 0x8000
        self.patience = patience
        (frames, icmp, datagrams) = try namespace.perform { () throws(KernelError) in
            let kind = CInt(SOCK_RAW.rawValue) | CInt(SOCK_CLOEXEC.rawValue) | CInt(SOCK_NONBLOCK.rawValue)
            let plain = CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
            var (icmp, datagrams): ([IPFamily: Descriptor], [IPFamily: Descriptor]) = ([:], [:])
            icmp[.v4] = try Self.descriptor(socket(AF_INET, kind, CInt(IPPROTO_ICMP)))
            datagrams[.v4] = try Self.descriptor(socket(AF_INET, plain, 0))
            // A machine without IPv6 has none of these, and nobody to try.
            icmp[.v6] = try? Self.descriptor(socket(AF_INET6, kind, CInt(IPPROTO_ICMPV6)))
            datagrams[.v6] = try? Self.descriptor(socket(AF_INET6, plain, 0))
            return (try Self.descriptor(clinux_frame_open()), icmp, datagrams)
        }
    }

    private static func descriptor(_ opened: CInt) throws(KernelError) -> Descriptor {
        guard opened >= 0 else { throw KernelError(Errno(rawValue: errno), "open a socket to try tunnels with") }
        return Descriptor(owning: opened)
    }

    /// What comes back from each.
    func findings(_ targets: [TunnelTarget]) -> [TunnelFindings] { targets.enumerated().map { findings($1, number: $0) } }

    private func findings(_ target: TunnelTarget, number: Int) -> TunnelFindings {
        var found = TunnelFindings()
        let first = UInt16(truncatingIfNeeded: number * 32)
        let small = ProbeFrame(kind: .echo, size: 0, mark: mark, sequence: first)
        let full = ProbeFrame(kind: .echo, size: target.mtu, mark: mark, sequence: first + 1)
        let datagram = ProbeFrame(kind: .datagram, size: 512, mark: mark, sequence: first + 2)
        let answered = answers([small, full, datagram], target)
        (found.small, found.full, found.datagram) = (
            answered.contains(first), answered.contains(first + 1), answered.contains(first + 2)
        )
        guard found.verdictNeedsMore else { return found }
        (found.answersEcho, found.answersDatagrams) = beside(target, sequence: first + 3)
        if found.verdict == .narrow { found.largest = largest(target, sequence: first + 5) }
        return found
    }

    /// Sends frames, three times where nothing comes back, and returns whose answers came.
    private func answers(_ wanted: [ProbeFrame], _ target: TunnelTarget) -> Set<UInt16> {
        let link = clinux_interface_index(frames.rawValue, target.link)
        guard link > 0, clinux_frame_listen(frames.rawValue, link, 1) == 0 else { return [] }
        // Otherwise every packet of every pod would be copied to us for ever.
        defer { _ = clinux_frame_listen(frames.rawValue, link, 0) }
        var came: Set<UInt16> = []
        for _ in 0..<3 {
            for frame in wanted where !came.contains(frame.sequence) {
                let bytes = frame.bytes(to: target)
                _ = clinux_frame_send(
                    frames.rawValue, link, frame.etherType(target.own.family == .v4), bytes, bytes.count)
            }
            gather(frames, target.other.family, framed: true, &came) { $0.isSuperset(of: wanted.map(\.sequence)) }
            if came.isSuperset(of: wanted.map(\.sequence)) { break }
        }
        return came
    }

    /// Whether the node answers an echo and a datagram that go the way of its own packets.
    private func beside(_ target: TunnelTarget, sequence: UInt16) -> (echo: Bool, datagram: Bool) {
        let isV4 = target.other.family == .v4
        guard let raw = icmp[target.other.family], let plain = datagrams[target.other.family] else { return (false, false) }
        var came: Set<UInt16> = []
        for _ in 0..<3 {
            // The kernel computes the checksum of ICMPv6; of ICMP we do, and the frame has it behind 10, 14 and 20 bytes.
            let echo = ProbeFrame(kind: .echo, size: 0, mark: mark, sequence: sequence).bytes(to: target)
                .dropFirst(24 + (isV4 ? 20 : 40)).map(\.self)
            Self.send(raw, echo, to: target.other, port: 0)
            Self.send(plain, [0], to: target.other, port: ProbeFrame.firstPort + sequence + 1)
            gather(raw, target.other.family, framed: false, &came, anyMark: sequence + 1) {
                $0.isSuperset(of: [sequence, sequence + 1])
            }
            if came.isSuperset(of: [sequence, sequence + 1]) { break }
        }
        return (came.contains(sequence), came.contains(sequence + 1))
    }

    /// By halves; to eight bytes.
    private func largest(_ target: TunnelTarget, sequence: UInt16) -> Int {
        var (good, bad, next) = (ProbeFrame.smallest, target.mtu, sequence)
        while bad - good > 8 {
            let size = (good + bad) / 2
            if answers([ProbeFrame(kind: .echo, size: size, mark: mark, sequence: next)], target).contains(next) {
                good = size
            } else {
                bad = size
            }
            next += 1
        }
        return good
    }

    /// - Parameter anyMark: a datagram's sequence whose source port the kernel chose.
    private func gather(
        _ raw: Descriptor, _ family: IPFamily, framed: Bool, _ came: inout Set<UInt16>, anyMark: UInt16? = nil,
        until isEnough: (Set<UInt16>) -> Bool
    ) {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let end = clinux_clock(CLOCK_MONOTONIC) + Int64(patience) * 1_000_000
        while !isEnough(came) {
            let left = (end - clinux_clock(CLOCK_MONOTONIC)) / 1_000_000
            var ready = pollfd(fd: raw.rawValue, events: Int16(POLLIN), revents: 0)
            guard left > 0, poll(&ready, 1, CInt(left)) > 0 else { return }
            while case let count = recv(raw.rawValue, &bytes, bytes.count, CInt(MSG_DONTWAIT)), count > 0 {
                let packet = framed ? Self.message(bytes[..<count], family) : Array(bytes[..<count])
                guard let answer = ProbeAnswer(packet, family) else { continue }
                if answer.mark == mark || (answer.kind == .datagram && answer.sequence == anyMark) {
                    came.insert(answer.sequence)
                }
            }
        }
    }

    /// What an ICMP socket would get of a frame; empty when that is nothing.
    private static func message(_ frame: ArraySlice<UInt8>, _ family: IPFamily) -> [UInt8] {
        let packet = Array(frame.dropFirst(24))
        switch family {
        case .v4: return packet.count > 20 && packet[0] >> 4 == 4 && packet[9] == 1 ? packet : []
        case .v6: return packet.count > 40 && packet[0] >> 4 == 6 && packet[6] == 58 ? Array(packet.dropFirst(40)) : []
        }
    }

    private static func send(_ socket: Descriptor, _ bytes: [UInt8], to address: IPAddress, port: UInt16) {
        switch address {
        case .v4(let address):
            var name = sockaddr_in()
            name.sin_family = sa_family_t(AF_INET)
            name.sin_port = port.bigEndian
            withUnsafeMutableBytes(of: &name.sin_addr) { $0.copyBytes(from: address.bytes) }
            withUnsafePointer(to: &name) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    _ = sendto(socket.rawValue, bytes, bytes.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        case .v6(let address):
            var name = sockaddr_in6()
            name.sin6_family = sa_family_t(AF_INET6)
            name.sin6_port = port.bigEndian
            withUnsafeMutableBytes(of: &name.sin6_addr) { $0.copyBytes(from: address.bytes) }
            withUnsafePointer(to: &name) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    _ = sendto(socket.rawValue, bytes, bytes.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in6>.size))
                }
            }
        }
    }
}

// MARK: - The offload

extension TunnelProbe {
    /// From now on the kernel computes the checksums of what the link sends, and no device. Whether it was not so before.
    func switchOffloadOff(_ link: String) -> Bool {
        clinux_checksum_offload(frames.rawValue, link) == 1 && clinux_set_checksum_offload(frames.rawValue, link, 0) == 0
    }

    /// Whether the link's checksums are the kernel's own work.
    func isOffloadOff(_ link: String) -> Bool { clinux_checksum_offload(frames.rawValue, link) == 0 }
}

extension TunnelFindings {
    /// Something did not come back, and what the node answers beside the tunnel decides what that means.
    var verdictNeedsMore: Bool { !small || !full || !datagram }
}
