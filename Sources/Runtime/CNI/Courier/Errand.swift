/// One run of `tulle-cni`: from the variables and the input it was started with to what it prints and exits with.
///
/// | agent away | answer |
/// |---|---|
/// | ADD, CHECK, GC | 11, the runtime calls again |
/// | STATUS | 50 |
/// | DEL | waits in the queue directory, and success: a pod must be able to end while we are being replaced |
/// | VERSION | answered here, always |
public struct Errand: Hashable, Sendable {
    public var environment: Variables
    public var input: [UInt8]
    public var patience: Duration

    public init(environment: Variables, input: [UInt8], patience: Duration = .seconds(60)) {
        self.environment = environment
        self.input = input
        self.patience = patience
    }

    public func run() -> CourierResponse {
        do throws(Failure) {
            if try Invocation.verb(in: environment) == .version {
                return CourierResponse(status: 0, output: SpecVersion.answer(to: SpecVersion(spokenIn: input)).bytes)
            }
            guard input.count <= NetworkConfiguration.sizeLimit else {
                throw Failure(.badConfiguration, "the network configuration has more than 4 MiB")
            }
            return try carry(Invocation(environment: environment, input: input))
        } catch {
            return .failure(error, SpecVersion(spokenIn: input) ?? .latest)
        }
    }
}

extension Errand {
    private func carry(_ invocation: Invocation) throws(Failure) -> CourierResponse {
        let request = CourierRequest(environment: environment, input: input, namespace: try namespace(of: invocation))
        let courier = Courier(socket: try invocation.configuration.agentSocket, patience: patience)
        do {
            return try courier.carry(request)
        } catch {
            return try answer(to: error, invocation, request)
        }
    }

    /// A DEL goes on without a namespace: the runtime may have taken it away already.
    private func namespace(of invocation: Invocation) throws(Failure) -> NamespaceDescriptor? {
        guard let path = invocation.namespacePath else { return nil }
        do {
            return try NamespaceDescriptor(path: path)
        } catch {
            switch invocation.operation {
            case .add, .check: throw Failure(.badEnvironment, "CNI_NETNS “\(path)” cannot be used", details: error.description)
            case .delete, .collectGarbage, .status: return nil
            }
        }
    }

    private func answer(
        to failure: CourierFailure, _ invocation: Invocation, _ request: CourierRequest
    ) throws(Failure) -> CourierResponse {
        switch failure.code {
        case .pathTooLong, .unsendable: throw Failure(.badConfiguration, failure.message, details: failure.details)
        case .away, .late, .lost, .otherRelease: break
        }
        switch invocation.operation {
        case .add, .check, .collectGarbage: throw Failure(.tryAgainLater, failure.message, details: failure.details)
        case .status: throw Failure(.unavailable, failure.message, details: failure.details)
        case .delete(let attachment):
            let queue = QueuedDeletions(directory: try invocation.configuration.queueDirectory)
            do { try queue.add(request, of: attachment) } catch {
                throw Failure(
                    .tryAgainLater, "\(failure.message), and the deletion cannot be left for it", details: error.description)
            }
            return .done
        }
    }
}
