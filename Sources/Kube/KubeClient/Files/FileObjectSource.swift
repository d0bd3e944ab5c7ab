internal import FoundationEssentials
public import KubeAPI
public import Logging

/// Feeds the objects of files, and their changes as the files change.
///
/// A file that cannot be read, or is half written, changes nothing: what it last said stays, beside a fault, because the
/// network of running pods must not depend on an editor. The same holds for an object that was right and is wrong now. A file is
/// read once it has not changed between two looks: one that is being written may look whole in the middle. To take objects away,
/// take them out of the file.
public struct FileObjectSource: ObjectSource {
    public let events: AsyncStream<ObjectBatch>

    private let continuation: AsyncStream<ObjectBatch>.Continuation
    private let follower: FileFollower
    private let interval: Duration
    private let clock: any Clock<Duration>
    private let logger: Logger

    /// - Parameters:
    ///   - unknownFields: which of an object's fields its kind has not; they are faults, and the object is taken as it is.
    ///   - interval: how often the files are looked at; a look is one `stat` a file.
    public init(
        paths: [String], registry: Registry = .standard, unknownFields: @escaping ObjectFile.UnknownFields = { _, _ in [] },
        interval: Duration, clock: any Clock<Duration>, logger: Logger
    ) {
        (events, continuation) = AsyncStream.makeStream()
        follower = FileFollower(paths: paths, registry: registry, unknownFields: unknownFields)
        self.interval = interval
        self.clock = clock
        self.logger = logger
    }

    public func run() async {
        var follower = follower
        defer { continuation.finish() }
        while !Task.isCancelled {
            let age = clock.stopwatch()
            let events = follower.look()
            if !events.isEmpty {
                logger.debug("files changed", metadata: ["paths": "\(follower.paths)", "events": "\(events.count)"])
                continuation.yield(ObjectBatch(events, age: age))
            }
            do { try await clock.sleep(for: interval) } catch { return }
        }
    }
}

/// One look after the other at files; says what changed between them.
struct FileFollower: Sendable {
    let paths: [String]
    let registry: Registry
    private let unknownFields: ObjectFile.UnknownFields
    private var seen: [String: Stamp]?
    private var read: [String: Stamp]?
    private var cache = ObjectCache()
    private var isListed = false
    private var faults: [SourceFault] = []

    /// What changes whenever a file does: editors write in place (time, size) or rename a new file over it (inode).
    private struct Stamp: Hashable {
        var modified: Date?
        var size: String
        var inode: String
    }

    init(paths: [String], registry: Registry, unknownFields: @escaping ObjectFile.UnknownFields = { _, _ in [] }) {
        self.paths = paths
        self.registry = registry
        self.unknownFields = unknownFields
    }

    mutating func look() -> [ObjectEvent] {
        do {
            let stamps = try stamps()
            // The first look reads at once: nothing is known yet that a half-written file could take away.
            let isSettled = seen == nil || stamps == seen
            seen = stamps
            guard isSettled, stamps != read else { return [] }
            // The stamps are from before the reading: what changes meanwhile is seen at the next look.
            read = stamps
            let contents = try ObjectFile.load(paths, registry: registry, unknownFields: unknownFields)
            return report(contents.faults) + changes(contents)
        } catch {
            let origin = error.line.map { "\(error.path), line \($0)" } ?? error.path
            return report([SourceFault(origin: origin, message: error.message)])
        }
    }

    private mutating func changes(_ contents: ObjectFile.Contents) -> [ObjectEvent] {
        let objects = kept(contents)
        let changes = cache.replace(with: objects)
        if isListed { return changes }
        isListed = true
        return [.listed(objects)]
    }

    /// What the files say now, and of a damaged object what they said before. While an object cannot be named, any of those that
    /// are gone may be the one.
    private func kept(_ contents: ObjectFile.Contents) -> [any KubernetesObject] {
        let objects = contents.objects.map { contents.damaged.contains($0.key) ? cache.objects[$0.key] ?? $0 : $0 }
        guard contents.faults.contains(where: { $0.isAboutObject && $0.key == nil }) else { return objects }
        let named = Set(objects.map(\.key))
        return objects + cache.objects.values.filter { !named.contains($0.key) }
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
            read = nil
            throw error
        }
    }
}
