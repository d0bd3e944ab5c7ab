import KubeAPI

extension PodWorker {
    /// Starts what should run: the init containers one after the other, then the others at once. Sidecars hold up only what has
    /// not begun; init containers that have done their work in this sandbox are not run again.
    mutating func run() {
        endOverdue()
        for index in containers.indices where containers[index].role != .main {
            let record = containers[index]
            if record.role == .sidecar {
                keepRunning(index)
                if !isInitialized, !containers[index].hasStarted { return askProbes() }
                continue
            }
            if isInitialized || record.ending?.code == 0 { continue }
            if record.ending != nil, manifest.restartPolicy == .never { return stop(then: .finish, grace: stopGraceOfPod) }
            keepRunning(index)
            return askProbes()
        }
        isInitialized = true
        for index in containers.indices where containers[index].role == .main { keepRunning(index) }
        askProbes()
        let mains = containers.filter { $0.role == .main }
        if mains.allSatisfy({ $0.ending != nil && !restarts($0) }) {
            stop(then: .finish, grace: stopGraceOfPod)
            continueStopping()
        }
    }

    /// A new sandbox has nothing of what init containers did in the old one: they run once more.
    mutating func startAnew() {
        isInitialized = false
        for index in containers.indices where containers[index].role == .initial {
            guard let ending = containers[index].ending else { continue }
            containers[index].lastEnding = ending
            containers[index].state = .waiting(reason: "PodInitializing", message: "")
        }
    }

    private var stopGraceOfPod: Duration { manifest.gracePeriod }

    /// Containers that were told to end by a probe and did not.
    private mutating func endOverdue() {
        for index in containers.indices where containers[index].isStopping {
            var record = containers[index]
            end(&record, grace: .zero, why: "")
            containers[index] = record
        }
    }

    func restarts(_ record: ContainerRecord) -> Bool {
        guard let ending = record.ending else { return false }
        switch record.role {
        case .sidecar: return true
        case .initial: return ending.code != 0 && manifest.restartPolicy != .never
        case .main:
            return manifest.restartPolicy == .always || manifest.restartPolicy == .onFailure && ending.code != 0
        }
    }

    private mutating func keepRunning(_ index: Int) {
        var record = containers[index]
        defer { containers[index] = record }
        guard !record.isAlive else { return }
        if let ending = record.ending {
            guard restarts(record) else { return }
            let wait = record.backoff.delay(endedAt: ending.finishedAt)
            record.lastEnding = ending
            let due = ending.finishedAt + wait
            if due > now {
                let message =
                    "back-off \(Self.words(wait)) restarting failed container=\(record.name) pod=\(manifest.key)"
                record.state = .waiting(reason: "CrashLoopBackOff", message: message)
                record.retryAt = due
                self.record(
                    "BackOff", "Back-off restarting failed container \(record.name) in pod \(manifest.key)", isWarning: true,
                    of: record)
                return
            }
        }
        if let retryAt = record.retryAt, retryAt > now { return backOffFromPulling(&record) }
        start(&record)
    }

    /// As kubelets say it: first that there is none, then, until it is asked for again, that they wait.
    private mutating func backOffFromPulling(_ record: inout ContainerRecord) {
        guard case .waiting("ErrImagePull", _) = record.state else { return }
        guard !record.isPullFresh else { return record.isPullFresh = false }
        let message = "Back-off pulling image \"\(record.manifest.image)\""
        record.state = .waiting(reason: "ImagePullBackOff", message: message)
        self.record("BackOff", message, of: record)
        self.record("Failed", "Error: ImagePullBackOff", isWarning: true, of: record)
    }

    private mutating func start(_ record: inout ContainerRecord) {
        if record.lastEnding != nil, !record.isTrying {
            record.restarts += 1
            record.backoff.restarted(at: now)
        }
        record.run += 1
        record.isTrying = false
        (record.isStarting, record.isStopping, record.retryAt, record.killAt) = (true, false, nil, nil)
        (record.hasStarted, record.isReady, record.probes) = (false, false, [:])
        if record.ending != nil || !record.hasRun { record.state = .waiting(reason: "ContainerCreating", message: "") }
        orders.append(.start(record.manifest, run: record.run, addresses: addresses))
    }

    /// `10s`, `2m40s`, as Go writes a duration.
    private static func words(_ duration: Duration) -> String {
        let (seconds, atto) = duration.components
        if seconds == 0 { return "\(atto / 1_000_000_000_000_000)ms" }
        return seconds < 60 ? "\(seconds)s" : "\(seconds / 60)m\(seconds % 60)s"
    }
}

// MARK: - What is heard of a container

extension PodWorker {
    mutating func started(_ record: inout ContainerRecord, id: String, image: String, note: String?) {
        guard record.isStarting else { return }
        (record.isStarting, record.id, record.image, record.pulls) = (false, id, image, 0)
        record.state = .running(since: now)
        if let note { self.record("ImageNotFound", note, isWarning: true, of: record) }
        self.record("Pulled", "Container image \"\(record.manifest.image)\" already present on machine", of: record)
        self.record("Created", "Created container: \(record.name)", of: record)
        self.record("Started", "Started container \(record.name)", of: record)
        if ProbeKind.allCases.contains(where: { record.probe($0)?.action.isSecure == true }) {
            self.record(
                "ProbeConnectsOnly", "a probe by HTTPS only connects in the lab: no TLS is spoken", isWarning: true, of: record)
        }
        if let hook = record.manifest.postStart {
            orders.append(
                .hook(
                    container: record.name, run: record.run, .postStart, hook, limit: .seconds(3600), address: addresses.first))
        }
        beginProbes(&record)
    }

    mutating func startFailed(_ record: inout ContainerRecord, _ reason: String, _ message: String) {
        guard record.isStarting else { return }
        record.isStarting = false
        record.state = .waiting(reason: reason, message: message)
        // It never ran: its next start is another try, no restart.
        record.isTrying = true
        record.retryAt = now + .seconds(5) * settings.factor
        switch reason {
        case "InvalidImageName":
            self.record("InspectFailed", message, isWarning: true, of: record)
            self.record("Failed", "Error: InvalidImageName", isWarning: true, of: record)
        case "ErrImagePull":
            // 10 s, 20 s, … 5 min.
            record.retryAt = now + min(.seconds(300), .seconds(10) * Double(1 << min(record.pulls, 5))) * settings.factor
            (record.pulls, record.isPullFresh) = (record.pulls + 1, true)
            let image = record.manifest.image
            self.record("Pulling", "Pulling image \"\(image)\"", of: record)
            self.record("Failed", "Failed to pull image \"\(image)\": \(message)", isWarning: true, of: record)
            self.record("Failed", "Error: ErrImagePull", isWarning: true, of: record)
        default: self.record("Failed", "Error: \(message)", isWarning: true, of: record)
        }
        if reason == "RunContainerError" {
            // It was made and ended at once, as a runtime has it.
            let ending = ContainerRecord.Ending(code: 128, reason: "StartError", message: message, finishedAt: now, id: record.id)
            (record.retryAt, record.isTrying) = (nil, false)
            record.state = .terminated(ending)
        }
    }

    mutating func exited(_ record: inout ContainerRecord, _ code: Int32, _ message: String) {
        var since: Moment?
        if case .running(let moment) = record.state { since = moment }
        record.isStarting = false
        (record.isStopping, record.killAt) = (false, nil)
        (record.isReady, record.hasStarted, record.probes) = (false, false, [:])
        record.state = .terminated(
            ContainerRecord.Ending(
                code: code, reason: code == 0 ? "Completed" : "Error", message: message, startedAt: since, finishedAt: now,
                id: record.id))
    }

    mutating func hookEnded(_ record: inout ContainerRecord, _ hook: Hook, _ failure: String?) {
        if let failure {
            self.record("Failed\(hook.rawValue)Hook", "\(hook.rawValue)Hook failed: \(failure)", isWarning: true, of: record)
        }
        guard record.isRunning else { return }
        switch hook {
        case .preStop: orders.append(.terminate(container: record.name, run: record.run))
        case .postStart where failure != nil:
            end(&record, grace: manifest.gracePeriod, why: "FailedPostStartHook")
        case .postStart: break
        }
    }
}
