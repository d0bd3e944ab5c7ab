public import Addressing
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

    /// Makes sure that an address added to a link that is up receives.
    ///
    /// An IPv4 address does at once. An IPv6 address gets its local route from a work queue, also without duplicate address
    /// detection (`addrconf_dad_start`). That queue is one for all namespaces of the machine, and for each address it takes the
    /// lock of all changes to links: while many pods start, or namespaces end, it is seconds behind. So nobody waits for it:
    /// a route that is not there yet is made here and goes by itself. The kernel's own comes to stand before it, for it has the
    /// better metric.
    ///
    /// - Throws: `Errno.addressNotAvailable` when no link has the address, `Errno.busy` while it is looked for duplicates, and
    ///   what the kernel answers when its link is down.
    public func settleAddress(_ address: IPAddress) throws(KernelError) {
        guard address.family == .v6 else { return }
        let operation = "make address \(address) receive"
        guard try !isLocal(address, operation) else { return }
        let holder = try socket.list(AddressMessage(all: .v6), operation: operation).first { $0.address?.address == address }
        guard let holder else {
            throw KernelError(.addressNotAvailable, operation, explanation: "no link has it")
        }
        guard holder.flags.contains(.noDuplicateDetection) else {
            throw KernelError(.busy, operation, explanation: "it is being looked for duplicates")
        }
        do {
            try socket.perform(standIn(for: address, on: Int32(bitPattern: holder.link)).request(.create, operation: operation))
        } catch {
            guard error.code == .fileExists else { throw error }
        }
    }

    /// Takes back what ``settleAddress(_:)`` left of an address that is removed: the node would go on to take it for its own.
    public func unsettleAddress(_ address: IPAddress) throws(KernelError) {
        guard address.family == .v6 else { return }
        let operation = "make address \(address) receive no more"
        var route = RouteMessage(IPPrefix(host: address))
        (route.type, route.table, route.proto) = (Route.Kind.local.rawValue, 255, 3)
        do {
            try socket.perform(route.request(.remove, operation: operation))
        } catch {
            guard error.code == .noSuchEntry else { throw error }
        }
    }

    /// The route that the kernel is about to make, for the time until it does.
    func standIn(for address: IPAddress, on link: Int32) -> RouteMessage {
        var route = RouteMessage(IPPrefix(host: address))
        route.link = link
        route.type = Route.Kind.local.rawValue
        // `RT_TABLE_LOCAL` and `RTPROT_BOOT`
        route.table = 255
        route.proto = 3
        route.lifetime = 600
        return route
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
