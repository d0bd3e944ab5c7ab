import CLinux
import Glibc

/// Hears of changes as they happen.
///
/// The kernel drops messages when nobody reads in time. That is an event of its own, ``Event/overrun``: what was lost cannot be
/// known, so the subscriber looks at everything again.
public final class Subscription {
    public enum Event: Sendable {
        case messages([Message])
        /// Messages were lost (`ENOBUFS`): observe everything again.
        case overrun
    }

    private let socket: NetlinkSocket

    /// - Parameter groups: multicast group numbers (`RTNLGRP_…`, `NFNLGRP_…`), not bit masks.
    public init(_ family: NetlinkSocket.Family, groups: [UInt32], in namespace: NetworkNamespace? = nil) throws(KernelError) {
        socket = try NetlinkSocket(family, in: namespace)
        for group in groups {
            let joined = clinux_set_option(
                socket.descriptor.rawValue, CLINUX_SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, CInt(truncatingIfNeeded: group))
            guard joined == 0 else { throw KernelError(.current, "subscribe to netlink group \(group)") }
        }
    }

    /// For poll(2) by the owner: readable when ``next(timeout:)`` has something.
    public var descriptor: Descriptor { socket.descriptor }

    /// Shrinks the buffer: for tests that want an overrun.
    func limitBuffer(to bytes: Int) {
        _ = clinux_set_option(socket.descriptor.rawValue, SOL_SOCKET, SO_RCVBUFFORCE, CInt(clamping: bytes))
    }

    /// The next event; `nil` when none came within the timeout.
    public func next(timeout: Duration) throws(KernelError) -> Event? {
        switch try socket.arrival(within: timeout, from: "netlink events") {
        case .messages(let messages)?: messages.isEmpty ? nil : .messages(messages)
        case .overrun?: .overrun
        case nil: nil
        }
    }
}
