/// What a worker knows of one container.
struct ContainerRecord: Hashable, Sendable {
    enum Role: Hashable, Sendable { case initial, sidecar, main }

    enum State: Hashable, Sendable {
        case waiting(reason: String, message: String)
        case running(since: Moment)
        case terminated(Ending)
    }

    struct Ending: Hashable, Sendable {
        var code: Int32
        var reason: String
        var message = ""
        var startedAt: Moment?
        var finishedAt: Moment
        var id: String
    }

    let manifest: ContainerManifest
    let role: Role
    var state = State.waiting(reason: "ContainerCreating", message: "")
    var lastEnding: Ending?
    var restarts = 0
    /// Which start this is: what is heard of an earlier one no longer matters.
    var run = 0
    var id = ""
    var image = ""
    var backoff: CrashBackoff
    /// A start was ordered, and neither its success nor its failure has come.
    var isStarting = false
    /// Its last start came to nothing before anything ran.
    var isTrying = false
    /// How often its image was asked for in vain.
    var pulls = 0
    /// That has just been said.
    var isPullFresh = false
    /// When it may be tried again.
    var retryAt: Moment?
    /// It was told to end; nothing starts it before it has.
    var isStopping = false
    var killAt: Moment?
    var hasStarted = false
    var isReady = false
    var probes: [ProbeKind: ProbeRecord] = [:]

    init(_ manifest: ContainerManifest, _ role: Role, backoff: CrashBackoff) {
        (self.manifest, self.role, self.backoff) = (manifest, role, backoff)
    }

    var isRunning: Bool { if case .running = state { true } else { false } }
    var ending: Ending? { if case .terminated(let ending) = state { ending } else { nil } }
    /// A process of it is there, or may be.
    var isAlive: Bool { isRunning || isStarting }
    var hasRun: Bool { isRunning || ending != nil || lastEnding != nil }
    var name: String { manifest.name }

    func probe(_ kind: ProbeKind) -> Probe? {
        switch kind {
        case .startup: manifest.startup
        case .liveness: manifest.liveness
        case .readiness: manifest.readiness
        }
    }
}

public enum ProbeKind: String, Hashable, Sendable, CaseIterable {
    case startup = "Startup"
    case liveness = "Liveness"
    case readiness = "Readiness"
}

struct ProbeRecord: Hashable, Sendable {
    var nextAt: Moment
    var isAsked = false
    var successes = 0
    var failures = 0
}
