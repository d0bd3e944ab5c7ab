public import Addressing
public import Logging
internal import Synchronization

/// Serves names over UDP and TCP.
public final class NameServer: Sendable {
    private let settings: NameServerSettings
    private let outside: (any OutsideNames)?
    private let logger: Logger
    private let names = Mutex(ServedNames())

    /// - Parameter outside: names that are in no zone; `nil`: they are refused.
    public init(_ settings: NameServerSettings, outside: (any OutsideNames)?, logger: Logger) {
        (self.settings, self.outside, self.logger) = (settings, outside, logger)
    }

    /// Every query that is read from now on is answered from these names. Any thread may call it.
    public func serve(_ names: ServedNames) { change { $0 = names } }

    /// Changes what is served.
    public func change(_ body: (inout ServedNames) -> Void) { names.withLock { body(&$0) } }

    /// Opens the sockets, in the network namespace of the calling thread, and serves.
    public func start() throws {}

    /// What was received is answered; then the sockets are closed.
    public func stop() {}

    /// Where it listens, from ``start()`` on: with the port that the kernel chose.
    public var addresses: [Addressing.SocketAddress] { settings.addresses.map { SocketAddress($0, settings.port) } }

    public var figures: NameServerFigures { NameServerFigures() }
}
