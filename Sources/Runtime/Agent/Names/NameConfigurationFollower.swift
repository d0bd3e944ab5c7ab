public import Addressing
public import DNS
import Glibc
public import Logging
public import NameServer

/// Keeps a name server as its configuration says, while the file and the resolvers' file are replaced: without a dropped query, and
/// a file with mistakes changes nothing.
///
/// What a server is made with (where it listens, what its domain is) is read once: the change is told, and comes with the next start.
public struct NameConfigurationFollower: Sendable {
    /// What is in force.
    public private(set) var configuration: NameServerConfiguration
    private var file: FollowedFile?
    private var resolverFile: FollowedFile?
    private var resolvers: ResolverFile?
    private let own: Set<SocketAddress>
    private let override: @Sendable (inout NameServerConfiguration) -> Void
    private let logger: Logger

    /// Reads the file for the first time.
    ///
    /// - Parameters:
    ///   - path: `nil`: everything as usual, and as the override says.
    ///   - own: where the server listens.
    ///   - override: what counts more than the file.
    /// - Throws: ``NameServerConfigurationError``, or ``NameConfigurationUnreadable``.
    public init(
        _ path: String?, listening own: Set<SocketAddress>, logger: Logger,
        override: @escaping @Sendable (inout NameServerConfiguration) -> Void
    ) throws {
        (self.own, self.override, self.logger) = (own, override, logger)
        configuration = NameServerConfiguration()
        if let path {
            var file = FollowedFile(path)
            switch file.changed() {
            case .text(let text): configuration = try NameServerConfiguration(text, file: path)
            case .unreadable(let number): throw NameConfigurationUnreadable(path: path, errno: number)
            case nil: break
            }
            self.file = file
        }
        override(&configuration)
        followResolvers()
    }

    /// What a forwarder is to be told.
    public func forwarding(domains: [DomainName]) -> ForwardingSettings {
        configuration.forwarding(resolvers, listening: own, domains: domains)
    }

    /// Reads what has changed.
    ///
    /// - Parameter isAsked: somebody asked for it, and is told also when nothing has changed.
    /// - Returns: whether anything is to be done otherwise.
    public mutating func look(isAsked: Bool = false) -> Bool {
        var isChanged = false
        if let reading = file?.changed() { isChanged = take(reading) }
        let before = resolvers
        if let path = configuration.resolverFile, path != resolverFile?.path {
            followResolvers()
        } else if let reading = resolverFile?.changed() {
            take(resolvers: reading)
        }
        if isAsked, !isChanged { logger.info("the configuration is as it was") }
        return isChanged || before != resolvers
    }

    private mutating func take(_ reading: FollowedFile.Reading) -> Bool {
        guard let path = file?.path else { return false }
        do {
            guard case .text(let text) = reading else {
                if case .unreadable(let number) = reading { throw NameConfigurationUnreadable(path: path, errno: number) }
                return false
            }
            var next = try NameServerConfiguration(text, file: path)
            override(&next)
            if (next.clusterDomain, next.ttl, next.pods, next.listen)
                != (configuration.clusterDomain, configuration.ttl, configuration.pods, configuration.listen)
            {
                logger.warning(
                    "\(path): clusterDomain, ttl, pods and listen are read at the start alone; start the server again to change them"
                )
                (next.clusterDomain, next.ttl) = (configuration.clusterDomain, configuration.ttl)
                (next.pods, next.listen) = (configuration.pods, configuration.listen)
            }
            configuration = next
            logger.notice("the configuration is read again", metadata: ["file": "\(path)"])
            return true
        } catch {
            logger.error("\(error); what was read before stays in force")
            return false
        }
    }

    private mutating func followResolvers() {
        (resolverFile, resolvers) = (configuration.resolverFile.map { FollowedFile($0) }, nil)
        if let reading = resolverFile?.changed() { take(resolvers: reading) }
    }

    /// A file that cannot be read for a moment, as when it is being replaced, changes nothing.
    private mutating func take(resolvers reading: FollowedFile.Reading) {
        guard let path = resolverFile?.path else { return }
        switch reading {
        case .text(let text):
            let next = ResolverFile(text)
            resolvers = next
            if next.nameServers.isEmpty {
                logger.warning("\(path) names no server: names of the world outside are not found")
            }
        case .unreadable(let number):
            logger.warning("\(NameConfigurationUnreadable(path: path, errno: number)); what was read before stays in force")
        }
    }
}

/// A file that is needed cannot be read.
public struct NameConfigurationUnreadable: Error, CustomStringConvertible {
    public let path: String
    /// The kernel's number for it.
    public let errno: Int32

    public var description: String { "read \(path): \(String(cString: strerror(errno)))" }
}
