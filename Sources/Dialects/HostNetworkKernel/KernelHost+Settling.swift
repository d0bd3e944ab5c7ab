public import Addressing
import Glibc
import HostNetwork
public import Netlink

// The kernel acknowledges two changes before they have their effect: it leaves the rest to a work queue. A packet in between is
// dropped, and a connection made then waits a second for its first repetition. On a busy machine that met three pods in a hundred.

extension KernelHost {
    /// Returns when a link that has just got its carrier can send.
    ///
    /// A veth has a carrier once both ends are up, but the end that was up first sends only after the kernel's link watch has
    /// run. To ask for one link runs the watch for it at once (`linkwatch_sync_dev`, since Linux 6.8). So: after the pod's end
    /// went up, settle the node's.
    public func settleCarrier(of link: String) throws(KernelError) {
        _ = try socket.link(named: link)
    }

    /// Returns when an address added to a link that is up receives.
    ///
    /// An IPv6 address gets its local route from a work queue, also without duplicate address detection
    /// (`addrconf_dad_start`). An IPv4 address has it at once.
    ///
    /// - Throws: `Errno.busy` when it did not within a second: the link is down, or the address a duplicate.
    public func settleAddress(_ address: IPAddress) throws(KernelError) {
        guard address.family == .v6 else { return }
        let operation = "wait for address \(address)"
        var pause: UInt32 = 10
        var waited: UInt32 = 0
        while try !isLocal(address, operation) {
            guard waited < 1_000_000 else {
                throw KernelError(.busy, operation, explanation: "no local route for it within a second: is its link up?")
            }
            usleep(pause)
            waited += pause
            pause = min(pause * 2, 1000)
        }
    }

    private func isLocal(_ address: IPAddress, _ operation: String) throws(KernelError) -> Bool {
        let question = RouteMessage(IPPrefix(host: address)).request(.get, operation: operation)
        do {
            return RouteMessage(try socket.get(question))?.type == Route.Kind.local.rawValue
        } catch {
            guard error.code == .networkUnreachable else { throw error }
            return false
        }
    }
}
