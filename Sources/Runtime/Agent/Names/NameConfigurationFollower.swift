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
    /// How often what was read could not be put in force.
    public private(set) var failures: UInt64 = 0
    /// Why what stands in the file now is not in force; `nil`: it is.
    public private(set) var mistakes: String?
    /// The same for all servers that have the same document, and the same files that it names, in force.
    public private(set) var version: UInt64 = 0
    private var file: FollowedFile?
    /// What stands in the file.
    private var reading: FollowedFile.Reading = .text("")
    /// What stood in the files that it names.
    private var named: [String: FollowedFile.Reading] = [:]
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
        file = path.map { FollowedFile($0) }
        if let reading = file?.changed() { self.reading = reading }
        configuration = try read()
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
        var (isNews, isChanged) = (false, false)
        if let reading = file?.changed() { (self.reading, isNews) = (reading, true) }
        if isNews || named.contains(where: { FollowedFile.read($0.key) != $0.value }) {
            isNews = true
            isChanged = take()
        }
        let before = resolvers
        if let path = configuration.resolverFile, path != resolverFile?.path {
            followResolvers()
        } else if let reading = resolverFile?.changed() {
            take(resolvers: reading)
        }
        if isAsked, !isNews { logger.info("the configuration is as it was\(mistakes == nil ? "" : ", and has mistakes")") }
        return isChanged || before != resolvers
    }

    private mutating func take() -> Bool {
        guard let path = file?.path else { return false }
        do {
            var next = try read()
            if !Self.isSame(next.listen, configuration.listen) {
                let place =
                    next.listen.map { "\(path):\($0.line): listen: another place" } ?? "\(path): listen: it is left out, which"
                logger.warning("\(place) to listen at comes with the next start; all else of the document holds from now on")
                next.listen = configuration.listen
            }
            (configuration, mistakes) = (next, nil)
            logger.notice("the configuration is read again", metadata: ["file": "\(path)"])
            return true
        } catch {
            failures += 1
            mistakes = "\(error)"
            logger.error("\(error); what was read before stays in force")
            return false
        }
    }

    private static func isSame(_ one: NameServerConfiguration.Listen?, _ other: NameServerConfiguration.Listen?) -> Bool {
        one?.addresses == other?.addresses && one?.port == other?.port
    }

    /// The document as it stands there, with the files that it names.
    private mutating func read() throws -> NameServerConfiguration {
        var next = NameServerConfiguration()
        if let path = file?.path {
            var named: [String: FollowedFile.Reading] = [:]
            defer { self.named = named }
            switch reading {
            case .unreadable(let number): throw NameConfigurationUnreadable(path: path, errno: number)
            case .text(let text):
                next = try NameServerConfiguration(text, file: path) { path in
                    let reading = FollowedFile.read(path)
                    named[path] = reading
                    return reading
                }
                version = Self.version(of: [text] + named.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" })
            }
        }
        override(&next)
        return next
    }

    /// FNV-1a, of 64 bits.
    private static func version(of texts: [String]) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for text in texts { for byte in text.utf8 + [0] { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 } }
        return hash
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
