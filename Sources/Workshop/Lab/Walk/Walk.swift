import Glibc
import KubeAPI

/// One packet goes all the way: objects from a file, a plan, the kernel, the plugin, and real connections between pods on
/// different nodes, with every hop as the kernel saw it. Then everything is taken down, and the host is as it was.
public struct Walk {
    private let tools: Tools
    private let objectsPath: String
    private let directory: String?
    private let base: String
    private let interruption: WalkInterruption
    private let say: (String) throws -> Void

    /// - Parameter objects: a file with at least two nodes and, on different nodes, a pod that serves and one that asks.
    /// - Parameter programs: the directory of Tulle's own programs.
    /// - Parameter directory: for state and logs; must not be there; made by the walk, and removed unless it fails. `nil`: one of
    ///   its own below `base`, which the next walk removes where this one could not.
    /// - Parameter base: where directories of walks' own are made.
    /// - Parameter say: takes one line of the account; an error ends the walk.
    public init(
        objects: String, programs: String, directory: String? = nil, base: String = "/run",
        interruption: WalkInterruption = WalkInterruption(), say: @escaping (String) throws -> Void
    ) throws {
        tools = try Tools(directory: programs)
        objectsPath = Self.absolute(objects)
        self.directory = directory.map(Self.absolute)
        self.base = base
        self.interruption = interruption
        self.say = say
    }

    private static func absolute(_ path: String) -> String {
        guard !path.hasPrefix("/"), let working = realpath(".", nil) else { return path }
        defer { free(working) }
        return "\(String(cString: working))/\(path)"
    }

    /// Blocks until everything is taken down, whatever came of it.
    public func run() throws {
        let before = try HostFingerprint()
        let cast = try Cast(objectsPath) { lines in for line in lines { try say("Ignored   \(line)") } }
        let names = cast.nodes.map(\.metadata.name)
        try WalkDirectory.checkLength(directory ?? WalkDirectory.template(in: base), nodes: names)
        WalkDirectory.removeStale(in: base)
        let place = if let directory { try WalkDirectory(named: directory) } else { try WalkDirectory(in: base) }
        let stage = WalkStage(
            cast, objects: objectsPath, directory: place.path, tools: tools, interruption: interruption, say: say)
        var failure: (any Error)?
        do { try stage.play() } catch { failure = error }
        let isInterrupted = interruption.signal != nil
        // What the agents said is asked for before they are ended; who does not want to know any more is not told.
        let findings = failure == nil || isInterrupted ? [] : stage.findings()
        stage.takeDown()
        if failure == nil || isInterrupted {
            do { try place.remove() } catch { failure = failure ?? error }
        } else {
            for line in [""] + findings { try? say(line) }
            let end = directory == nil ? "until the next walk" : "until you remove it"
            try? say("Logs      \(place.path)/<node>/agent.log, kept \(end)")
        }
        let changes = try HostFingerprint().changes(since: before) + stage.leftovers()
        guard changes.isEmpty else {
            // A failure may well be the reason: it is said too.
            throw LabError(
                .hostChanged,
                (failure.map { "\($0); " } ?? "") + "the host is not as it was: \(changes.joined(separator: "; "))",
                remedy: "perhaps another program changed it meanwhile")
        }
        if isInterrupted { throw LabError(.interrupted, "interrupted; everything is taken down, and the host is as it was") }
        if let failure { throw failure }
        try say("")
        try say(
            "Everything is taken down. The host is as it was: \(before.count) links, addresses, routes, rules, tables and mounts "
                + "compared, and no process is left.")
    }
}
