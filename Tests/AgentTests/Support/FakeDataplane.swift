import Addressing
import HostNetwork
import Netlink
import Plan
import Synchronization

@testable import Agent

/// Links without a kernel, which refuse what a test says.
final class FakeDataplane: PodDataplane {
    private let state = Mutex(State())

    private struct State {
        /// The network of each.
        var links: [String: String] = [:]
        var hasForeignDefaultRoute = false
        var refusesBridge: KernelError?
        var refusesMaking: (any Error & Sendable)?
        var refusesRemoving: KernelError?
    }

    var links: Set<String> { state.withLock { Set($0.links.keys) } }

    /// As when another plugin has attached the pods before.
    func giveForeignDefaultRoute() { state.withLock { $0.hasForeignDefaultRoute = true } }
    func refuse(bridge error: KernelError?) { state.withLock { $0.refusesBridge = error } }

    /// After the node's end is made, as when something in the pod is refused; a ``LinkTaken`` before anything is made.
    func refuse(making error: (any Error & Sendable)?) { state.withLock { $0.refusesMaking = error } }
    func refuse(removing error: KernelError?) { state.withLock { $0.refusesRemoving = error } }

    func make(_ attachment: Plan.Attachment, in pod: NetworkNamespace) throws {
        try state.withLock { state in
            if let taken = state.refusesMaking as? LinkTaken { throw taken }
            guard state.links[attachment.link] == nil else { throw LinkTaken(name: attachment.link, end: .node) }
            state.links[attachment.link] = attachment.network
            if state.hasForeignDefaultRoute, attachment.reach == .everything {
                throw DefaultRouteTaken(route: Route(.all(.v4), device: attachment.id.interface, proto: 1))
            }
            if let error = state.refusesMaking { throw error }
        }
    }

    func remove(link: String) throws(KernelError) {
        let refusal: KernelError? = state.withLock { state in
            if state.refusesRemoving == nil { state.links[link] = nil }
            return state.links[link] != nil ? state.refusesRemoving : nil
        }
        if let refusal { throw refusal }
    }

    func forget(_ attachment: Plan.Attachment) throws(KernelError) {}

    func leave(_ attachment: Plan.Attachment, in pod: NetworkNamespace) throws {}

    func podLinks() throws(KernelError) -> [String: String] { state.withLock { $0.links } }

    func checkBridge() throws { if let error = state.withLock({ $0.refusesBridge }) { throw error } }

    func differences(
        of attachment: Plan.Attachment, mtu: Int?, besides held: Set<IPAddress>, in pod: NetworkNamespace
    ) throws -> (node: [HostNetwork.Change], pod: [HostNetwork.Change]) { ([], []) }
}
