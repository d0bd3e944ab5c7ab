import CNI
import Logging
import Netlink

extension PodService {
    /// Answers one call of the plugin: the specification's result or its error document, never nothing.
    func answer(_ request: CourierRequest, queue: QueuedDeletions) -> CourierResponse {
        var version = SpecVersion(spokenIn: request.input) ?? .latest
        do {
            let invocation = try request.invocation
            version = invocation.configuration.version
            switch invocation.operation {
            case .add(let attachment):
                try carryOutDeletion(of: attachment, in: queue)
                return .success(try add(invocation, attachment, request.namespace), version)
            case .delete(let attachment): try delete(attachment)
            case .check(let attachment): try check(attachment, request.namespace)
            case .collectGarbage(let valid): try collectGarbage(keeping: valid, network: invocation.configuration.name)
            case .status: try status()
            }
            return .done
        } catch {
            return .failure(failure(for: error), version)
        }
    }

    /// Carries out what couriers left while the agent was away.
    func carryOutDeletions(in queue: QueuedDeletions, logger: Logger) throws {
        let (deletions, unreadable) = try queue.all()
        for deletion in deletions {
            try delete(deletion.attachment)
            try queue.remove(deletion)
            logger.info("carried out a deletion that waited", metadata: ["attachment": "\(deletion.attachment)"])
        }
        for file in unreadable {
            logger.error("a waiting deletion cannot be read", metadata: ["path": "\(file.path)", "reason": "\(file.reason)"])
            try queue.remove(file)
        }
    }

    /// A runtime may use a container's name again: its old deletion must not come after the new ADD.
    private func carryOutDeletion(of attachment: CNI.Attachment, in queue: QueuedDeletions) throws {
        guard let deletion = queue.deletion(of: attachment) else { return }
        try delete(attachment)
        try queue.remove(deletion)
    }

    private func failure(for error: any Error) -> Failure {
        switch error {
        case let failure as Failure: failure
        case let error as KernelError: Failure(.inputOutput, error.operation, details: error.description)
        case let error as SystemFailure: Failure(.inputOutput, error.call, details: error.description)
        default: Failure(.inputOutput, "the pod's network could not be made", details: "\(error)")
        }
    }
}
