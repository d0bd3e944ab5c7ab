public import KubeAPI
public import Logging

/// Carries out what ``LeaseRenewal`` decides, until its task is cancelled.
public struct LeaseKeeper: Sendable {
    private let renewal: LeaseRenewal
    private let client: APIClient
    private let clock: any Clock<Duration>
    private let now: @Sendable () -> Timestamp
    private let random: @Sendable () -> Double
    private let logger: Logger

    /// - Parameter client: one with ``Retries/none``: the renewal has its own rhythm, and a late heartbeat is worth nothing.
    /// - Parameter now: the wall clock, for the lease's times; `clock` measures the waiting.
    public init(
        _ renewal: LeaseRenewal, client: APIClient, clock: any Clock<Duration>, now: @escaping @Sendable () -> Timestamp,
        random: @escaping @Sendable () -> Double, logger: Logger
    ) {
        self.renewal = renewal
        self.client = client
        self.clock = clock
        self.now = now
        self.random = random
        self.logger = logger
    }

    public func run() async {
        var renewal = renewal
        var action = renewal.start()
        while !Task.isCancelled {
            do {
                switch action {
                case .read:
                    action = renewal.read(try await client.get(Lease.resource, renewal.name, in: renewal.namespace), at: now())
                case .create(let tree): action = renewal.written(try await client.create(tree, of: Lease.resource))
                case .update(let tree): action = renewal.written(try await client.update(tree, of: Lease.resource))
                case .wait(let duration):
                    try await clock.sleep(for: duration)
                    action = renewal.waited(at: now())
                }
            } catch APIFailure.notFound where action == .read {
                action = renewal.absent(at: now())
            } catch is CancellationError {
                return
            } catch {
                logger.debug("the lease was not renewed", metadata: ["lease": "\(renewal.name)", "failure": "\(error)"])
                action = renewal.refused(random: random())
            }
        }
    }
}
