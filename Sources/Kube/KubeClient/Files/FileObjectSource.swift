internal import FoundationEssentials
public import KubeAPI
public import Logging

/// Feeds the objects of files, and their changes as the files change.
///
/// A file that cannot be read, or is half written, changes nothing: what it last said stays, beside a fault, because the
/// network of running pods must not depend on an editor. To take objects away, take them out of the file.
public struct FileObjectSource: ObjectSource {
    public let events: AsyncStream<ObjectEvent>

    private let continuation: AsyncStream<ObjectEvent>.Continuation
    private let follower: FileFollower
    private let interval: Duration
    private let clock: any Clock<Duration>
    private let logger: Logger

    /// - Parameter interval: how often the files are looked at; a look is one `stat` a file.
    public init(
        paths: [String], registry: Registry = .standard, interval: Duration, clock: any Clock<Duration>, logger: Logger
    ) {
        (events, continuation) = AsyncStream.makeStream()
        follower = FileFollower(paths: paths, registry: registry)
        self.interval = interval
        self.clock = clock
        self.logger = logger
    }

    public func run() async {
        var follower = follower
        defer { continuation.finish() }
        while !Task.isCancelled {
            let events = follower.look()
            if !events.isEmpty {
                logger.debug("files changed", metadata: ["paths": "\(follower.paths)", "events": "\(events.count)"])
            }
            for event in events { continuation.yield(event) }
            do { try await clock.sleep(for: interval) } catch { return }
        }
    }
}

/// One look after the other at files; says what changed between them.
struct FileFollower: Sendable {
    let paths: [String]
    let registry: Registry
    private var seen: [String: Stamp]?
    private var cache = ObjectCache()
    private var isListed = false
    private var faults: [SourceFault] = []

    /// What changes whenever a file does: editors write in place (time, size) or rename a new file over it (inode).
    private struct Stamp: Hashable {
        var modified: Date?
        var size: String
        var inode: String
    }

    init(paths: [String], registry: Registry) {
        self.paths = paths
        self.registry = registry
    }

    mutating func look() -> [ObjectEvent] {
        do {
            let stamps = try stamps()
            guard stamps != seen else { return [] }
            // The stamps are from before the reading: what changes meanwhile is seen at the next look.
            seen = stamps
            let contents = try ObjectFile.load(paths, registry: registry)
            return report(contents.faults) + changes(contents.objects)
        } catch {
            return report([SourceFault(origin: error.path, message: error.description)])
        }
    }

    private mutating func changes(_ objects: [any KubernetesObject]) -> [ObjectEvent] {
        let changes = cache.replace(with: objects)
        if isListed { return changes }
        isListed = true
        return [.listed(objects)]
    }

    /// Faults are told when they are others than before.
    private mutating func report(_ new: [SourceFault]) -> [ObjectEvent] {
        guard new != faults else { return [] }
        faults = new
        return [.faults(new)]
    }

    private mutating func stamps() throws(ObjectFileError) -> [String: Stamp] {
        do {
            var stamps: [String: Stamp] = [:]
            for path in try ObjectFile.files(paths) {
                let attributes = try? FileManager.default.attributesOfItem(atPath: ObjectFile.resolved(path))
                stamps[path] = Stamp(
                    modified: attributes?[.modificationDate] as? Date,
                    size: "\(attributes?[.size] ?? "")",
                    inode: "\(attributes?[.systemFileNumber] ?? "")")
            }
            return stamps
        } catch {
            // Once the files are back, they are read again whatever their stamps.
            seen = nil
            throw error
        }
    }
}
