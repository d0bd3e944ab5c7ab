import Logging
import NameServer
import Telemetry

/// How names are served, as a document says it, while the document and the files that it names are replaced: one with mistakes changes
/// nothing.
///
/// ```
/// file, or ConfigMap ──► NameDocument ──► NameServerConfiguration
///                             ▲
///     files that it names ────┘
/// ```
struct FollowedConfiguration: Sendable {
    /// What is in force; `nil`: nothing has been said, or it was taken back.
    private(set) var configuration: NameServerConfiguration?
    /// Why what is said now is not in force; `nil`: it is.
    private(set) var refusal: (any Error)?
    /// How often what was read could not be put in force.
    private(set) var failures: UInt64 = 0
    /// The same for all servers that have the same document, and the same files that it names, in force; 0 without one.
    private(set) var version: UInt64 = 0
    private var file: FollowedFile?
    private var document: NameDocument?
    /// The files that the document names, as they were read.
    private var named: [NamedFile] = []
    private let override: @Sendable (inout NameServerConfiguration) -> Void

    /// What came of something that was said.
    enum News: Hashable {
        case inForce
        case refused
        /// Nothing says it any more.
        case takenBack
    }

    /// - Parameters:
    ///   - path: the document, as a file; `nil`: it is told with ``use(_:)``.
    ///   - configuration: in force until something is read.
    ///   - override: what counts more than the document.
    init(
        _ path: String?, configuration: NameServerConfiguration? = nil,
        override: @escaping @Sendable (inout NameServerConfiguration) -> Void = { _ in }
    ) {
        (file, self.configuration, self.override) = (path.map { FollowedFile($0) }, configuration, override)
    }

    /// Each mistake on a line.
    var mistakes: String? { refusal.map { "\($0)" } }

    /// Whether somebody may change it without a word: then it is to be looked at now and then.
    var hasFiles: Bool { file != nil || !named.isEmpty }

    /// Reads again what stands in files.
    ///
    /// - Returns: `nil`: all is as it was.
    mutating func look() -> News? {
        if let reading = file?.changed(), let path = file?.path {
            switch reading {
            case .text(let text): document = NameDocument(text, path: path)
            case .unreadable(let number):
                (document, named) = (nil, [])
                return refuse(NameConfigurationUnreadable(path: path, errno: number))
            }
            return read()
        }
        var isChanged = false
        for index in named.indices where named[index].isChanged() { isChanged = true }
        return isChanged ? read() : nil
    }

    /// - Parameter document: as a ConfigMap has it; `nil`: there is none.
    /// - Returns: `nil`: all is as it was.
    mutating func use(_ document: NameDocument?) -> News? {
        guard document != self.document else { return nil }
        self.document = document
        if document != nil { return read() }
        (configuration, refusal, version, named) = (nil, nil, 0, [])
        return .takenBack
    }

    private mutating func read() -> News? {
        guard let document else { return nil }
        var (fingerprints, inFiles): ([String: UInt64], [String: NamedFile]) = ([:], [:])
        defer { named = Array(inFiles.values) }
        do {
            var next = try document.configuration { path, named in
                fingerprints[path] = named.fingerprint
                if case .inFile(let file, _) = named { inFiles[path] = file }
            }
            override(&next)
            (configuration, refusal) = (next, nil)
            version = fingerprints.sorted { $0.key < $1.key }.reduce(Fingerprint.of(document.text)) { hash, file in
                Fingerprint.of("\(file.key) \(file.value)", and: hash)
            }
            return .inForce
        } catch {
            return refuse(error)
        }
    }

    private mutating func refuse(_ error: any Error) -> News {
        failures += 1
        refusal = error
        return .refused
    }
}

/// A file of resolvers while it is replaced: one that cannot be read for a moment, or names nobody, leaves those of before in force.
struct FollowedResolvers: Sendable {
    /// As it was when it could be read last; of another file, until that one can be read.
    private(set) var resolvers: ResolverFile?
    private var file: FollowedFile?

    /// - Parameters:
    ///   - path: `nil`: nobody needs one.
    ///   - logger: told of what is wrong with the file, when it begins; `nil`: somebody else is.
    /// - Returns: whether it says something else than before.
    mutating func look(at path: String?, _ logger: Logger?) -> Bool {
        guard let path else {
            file = nil
            return false
        }
        if file?.path != path { file = FollowedFile(path) }
        let before = resolvers
        switch file?.changed() {
        case .text(let text):
            var next = ResolverFile(text)
            if next.nameServers.isEmpty {
                next.nameServers = before?.nameServers ?? []
                let meanwhile =
                    next.nameServers.isEmpty ? "names of the world outside are not found" : "those of before are asked"
                logger?.warning("\(path) names no server: \(meanwhile)")
            }
            resolvers = next
        case .unreadable(let number):
            logger?.warning("\(NameConfigurationUnreadable(path: path, errno: number)); what was read before stays in force")
        case nil: break
        }
        return resolvers != before
    }
}

extension Exposition {
    mutating func add(_ followed: FollowedConfiguration) {
        add(
            "coredns_reload_failed_total", .counter, "Configurations that were not put in force, as they have mistakes.",
            .init(Double(followed.failures)))
        guard followed.version != 0 else { return }
        add(
            "coredns_reload_version_info", .gauge, "1, with the hash of the configuration that is in force.",
            .init(1, ["hash": "fnv1a", "value": String(followed.version, radix: 16)]))
    }
}
