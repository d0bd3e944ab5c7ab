import HostNetwork
import Netlink
import Plan
import Synchronization

@testable import Agent

/// Links without a kernel, which refuse what a test says.
final class FakeDataplane: PodDataplane {
    private let state = Mutex(State())

    private struct State {
        var links: Set<String> = []
        var refusesMaking: (any Error & Sendable)?
        var refusesRemoving: KernelError?
    }

    var links: Set<String> { state.withLock { $0.links } }

    /// After the node's end is made, as when something in the pod is refused; a ``LinkTaken`` before anything is made.
    func refuse(making error: (any Error & Sendable)?) { state.withLock { $0.refusesMaking = error } }
    func refuse(removing error: KernelError?) { state.withLock { $0.refusesRemoving = error } }

    func make(_ attachment: Plan.Attachment, in pod: NetworkNamespace) throws {
        try state.withLock { state in
            if let taken = state.refusesMaking as? LinkTaken { throw taken }
            state.links.insert(attachment.link)
            if let error = state.refusesMaking { throw error }
        }
    }

    func remove(link: String) throws(KernelError) {
        let refusal: KernelError? = state.withLock { state in
            if state.refusesRemoving == nil { state.links.remove(link) }
            return state.links.contains(link) ? state.refusesRemoving : nil
        }
        if let refusal { throw refusal }
    }

    func forget(_ attachment: Plan.Attachment) throws(KernelError) {}

    func podLinks() throws(KernelError) -> Set<String> { links }

    func differences(
        of attachment: Plan.Attachment, in pod: NetworkNamespace
    ) throws -> (node: [HostNetwork.Change], pod: [HostNetwork.Change]) { ([], []) }
}
