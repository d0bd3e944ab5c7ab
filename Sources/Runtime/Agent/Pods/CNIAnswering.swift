import CNI
import Netlink

extension PodService {
    /// Answers one call of the plugin: the specification's result or its error document, never nothing.
    func answer(_ request: CourierRequest) -> CourierResponse {
        var version = SpecVersion(spokenIn: request.input) ?? .latest
        do {
            let invocation = try request.invocation
            version = invocation.configuration.version
            switch invocation.operation {
            case .add(let attachment): return .success(try add(invocation, attachment, request.namespace), version)
            case .delete(let attachment): try delete(attachment)
            case .check(let attachment): try check(invocation, attachment, request.namespace)
            case .collectGarbage(let valid): try collectGarbage(keeping: valid, network: invocation.configuration.name)
            case .status: try status()
            }
            return .done
        } catch {
            return .failure(Self.failure(for: error), version)
        }
    }

    static func failure(for error: any Error) -> Failure {
        switch error {
        case let failure as Failure: failure
        case let error as KernelError: Failure(.inputOutput, error.operation, details: error.description)
        case let error as SystemFailure: Failure(.inputOutput, error.call, details: error.description)
        default: Failure(.inputOutput, "the pod's network could not be made", details: "\(error)")
        }
    }
}
