public import Addressing
public import DNS
import Glibc
public import Logging
public import NameServer

/// Keeps a name server as its configuration says, while the file, the files that it names, and the resolvers' file are replaced:
/// without a dropped query, and a file with mistakes changes nothing.
///
/// Where the server listens is read once: the change is told, and comes with the next start.
public struct NameConfigurationFollower: Sendable {
    /// What is in force.
    public private(set) var configuration: NameServerConfiguration
    private(set) var document: FollowedConfiguration
    private var resolvers = FollowedResolvers()
    private let path: String?
    private let own: Set<SocketAddress>
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
        (self.path, self.own, self.logger) = (path, own, logger)
        var usual = NameServerConfiguration()
        override(&usual)
        document = FollowedConfiguration(path, configuration: usual, override: override)
        _ = document.look()
        if let refusal = document.refusal { throw refusal }
        configuration = document.configuration ?? usual
        _ = resolvers.look(at: configuration.resolverFile, logger)
    }

    /// How often what was read could not be put in force.
    public var failures: UInt64 { document.failures }

    /// Why what stands in the file now is not in force; `nil`: it is.
    public var mistakes: String? { document.mistakes }

    /// What a forwarder is to be told.
    public func forwarding(domains: [DomainName]) -> ForwardingSettings {
        configuration.forwarding(resolvers.resolvers, listening: own, domains: domains)
    }

    /// Reads what has changed.
    ///
    /// - Parameter isAsked: somebody asked for it, and is told also when nothing has changed.
    /// - Returns: whether anything is to be done otherwise.
    public mutating func look(isAsked: Bool = false) -> Bool {
        let news = document.look()
        switch news {
        case .inForce: putInForce()
        case .refused: logger.error("\(mistakes ?? ""); what was read before stays in force")
        case .takenBack, nil: break
        }
        let hasOtherResolvers = resolvers.look(at: configuration.resolverFile, logger)
        if isAsked, news == nil { logger.info("the configuration is as it was\(mistakes == nil ? "" : ", and has mistakes")") }
        return news == .inForce || hasOtherResolvers
    }

    private mutating func putInForce() {
        guard let path, var next = document.configuration else { return }
        if !Self.isSame(next.listen, configuration.listen) {
            let place =
                next.listen.map { "\(path):\($0.line): listen: another place" } ?? "\(path): listen: it is left out, which"
            logger.warning("\(place) to listen at comes with the next start; all else of the document holds from now on")
            next.listen = configuration.listen
        }
        configuration = next
        logger.notice("the configuration is read again", metadata: ["file": "\(path)"])
    }

    private static func isSame(_ one: NameServerConfiguration.Listen?, _ other: NameServerConfiguration.Listen?) -> Bool {
        one?.addresses == other?.addresses && one?.port == other?.port
    }
}

/// A file that is needed cannot be read.
public struct NameConfigurationUnreadable: Error, CustomStringConvertible {
    public let path: String
    /// The kernel's number for it.
    public let errno: Int32

    public var description: String { "read \(path): \(String(cString: strerror(errno)))" }
}
