import Addressing
import CNI
import Glibc

/// The kubelet of one node: a worker for each of its pods, and what carries out their orders.
public actor Kubelet {
    private let host: NodeHost
    private let factor: Double
    private let api: any KubeletAPI
    let now: @Sendable () -> Moment
    private let refreshes: Duration
    private let inputs: AsyncStream<Input>
    private let input: AsyncStream<Input>.Continuation
    private var pods: [PodKey: Kept] = [:]
    /// Pods whose work here is done and whose objects may stay a while, such as for a finalizer.
    private var ended: Set<PodKey> = []

    private enum Input: Sendable {
        case change(PodChange)
        case event(PodKey, PodWorker.Event)
        /// A timer that was set for this moment.
        case wake(PodKey, Moment)
        /// The node has other addresses.
        case moved
        case end
    }

    struct Kept {
        var worker: PodWorker
        let runner: PodRunner
        let voice: PodVoice
        var wakesAt: Moment?
    }

    /// - Parameters:
    ///   - factor: what a kubelet's waits after failures are multiplied by.
    ///   - refreshes: how often volumes are compared with the objects that they follow.
    ///   - now: the clock.
    public init(
        host: NodeHost, factor: Double = 1, refreshes: Duration = .seconds(30), api: any KubeletAPI,
        now: @escaping @Sendable () -> Moment
    ) {
        (self.host, self.refreshes, self.api, self.now) = (host, refreshes, api, now)
        self.factor = factor
        (inputs, input) = AsyncStream.makeStream()
    }

    /// Tells it of a pod; in the order of calling.
    nonisolated public func tell(_ change: PodChange) { input.yield(.change(change)) }

    /// Works until ``end()`` or until its task is cancelled; what was left by one that died is cleared first. The processes of all
    /// pods end with it.
    public func run() async {
        await sweep()
        await withDiscardingTaskGroup { group in
            group.addTask { await self.refreshVolumes() }
            loop: for await next in inputs {
                switch next {
                case .change(let change): take(change, &group)
                case .event(let key, let event): handle(event, key, &group)
                case .wake(let key, let moment):
                    // An earlier one may have been set since.
                    guard pods[key]?.wakesAt == moment else { continue }
                    pods[key]?.wakesAt = nil
                    handle(.timer, key, &group)
                case .moved:
                    for key in Array(pods.keys) { handle(.moved(host.addresses), key, &group) }
                case .end: break loop
                }
            }
            // First the timers, then the pods: a task that waits for a container ends with it.
            group.cancelAll()
            for kept in pods.values {
                group.addTask { await kept.runner.carryOut(.removeSandbox, of: kept.worker.manifest) }
            }
        }
    }

    /// Gives the node other addresses, of which its pods' statuses tell.
    nonisolated func move(to addresses: [IPAddress]) {
        host.location.move(to: addresses)
        input.yield(.moved)
    }

    nonisolated public func end() { input.yield(.end) }
}

// MARK: - Pods

extension Kubelet {
    private func take(_ change: PodChange, _ group: inout DiscardingTaskGroup) {
        switch change {
        case .present(let tree):
            let manifest = PodManifest(tree)
            let key = manifest.key
            guard !ended.contains(key) else { return }
            if pods[key] != nil { return handle(.changed(manifest), key, &group) }
            // A pod of this name with another UID is a new one; the old one ends first by its own `gone`.
            for old in pods.keys where old.isNamesake(of: key) { handle(.gone, old, &group) }
            ended = ended.filter { !$0.isNamesake(of: key) }
            let input = input
            let runner = PodRunner(key, host: host, api: api) { input.yield(.event(key, $0)) }
            let settings = PodWorker.Settings(node: host.name, nodeAddresses: host.addresses, factor: factor)
            let worker = PodWorker(manifest, settings: settings, at: now())
            pods[key] = Kept(worker: worker, runner: runner, voice: PodVoice(key, api))
            handle(manifest.isBeingDeleted ? .changed(manifest) : .timer, key, &group)
        case .gone(let key):
            handle(.gone, key, &group)
            ended.remove(key)
        case .synced: clear()
        }
    }

    private func handle(_ event: PodWorker.Event, _ key: PodKey, _ group: inout DiscardingTaskGroup) {
        guard var kept = pods[key] else { return }
        let orders = kept.worker.handle(event, at: now())
        pods[key] = kept
        let (runner, manifest, voice) = (kept.runner, kept.worker.manifest, kept.voice)
        for order in orders {
            switch order {
            case .write, .record, .removeObject: voice.say(order)
            case .forget:
                pods[key] = nil
                // One whose object is gone is not told of again.
                if !kept.worker.isGone { ended.insert(key) }
                group.addTask { await runner.clean() }
            default: group.addTask { await runner.carryOut(order, of: manifest) }
            }
        }
        if voice.hasToSpeak { group.addTask { await voice.speak() } }
        wake(key, &group)
    }

    /// A timer for the worker's next moment; one that is later than another that is set is not needed.
    private func wake(_ key: PodKey, _ group: inout DiscardingTaskGroup) {
        guard let next = pods[key]?.worker.nextDeadline else { return }
        if let set = pods[key]?.wakesAt, set <= next { return }
        pods[key]?.wakesAt = next
        let (input, wait) = (input, max(.milliseconds(1), next - now()))
        group.addTask {
            try? await Task.sleep(for: wait)
            input.yield(.wake(key, next))
        }
    }

    private func refreshVolumes() async {
        while !Task.isCancelled {
            try? await Task.sleep(for: refreshes)
            let reading = ObjectReading(api)
            for key in Array(pods.keys) {
                // It may have gone since.
                guard !Task.isCancelled, let kept = pods[key], kept.worker.stage == .running else { continue }
                await kept.runner.refreshVolumes(kept.worker.manifest, reading)
            }
        }
    }

    /// What is on disk of pods that are not there any more.
    private func clear() {
        let folders = Set(pods.keys.map(\.uid))
        for uid in Files.names(in: host.directory + "/pods") where !folders.contains(uid) {
            // An attachment that could not be taken back is remembered for the next time.
            guard Files.text(of: "\(host.directory)/pods/\(uid)/attachment") == nil else { continue }
            Files.remove("\(host.directory)/pods/\(uid)")
        }
        let logs = Set(pods.keys.map { host.logs(of: $0) })
        for name in Files.names(in: host.directory + "/logs") where !logs.contains("\(host.directory)/logs/\(name)") {
            Files.remove("\(host.directory)/logs/\(name)")
        }
    }

    /// Attachments of sandboxes that died with an earlier kubelet.
    private func sweep() async {
        for uid in Files.names(in: host.directory + "/pods") {
            let folder = "\(host.directory)/pods/\(uid)"
            let lines = (Files.text(of: folder + "/attachment") ?? "").split(separator: "\n").map(String.init)
            guard lines.count == 3 else { continue }
            let key = PodKey(namespace: lines[1], name: lines[2], uid: uid)
            // What cannot be taken back now is left to the plugin's collection of garbage.
            if (try? await host.call(.delete, containerID: lines[0], namespace: "", pod: key)) != nil {
                unlink(folder + "/attachment")
            }
        }
    }
}

// MARK: - For kubectl

extension Kubelet {
    /// Runs a command in a container, with descriptors of the caller, who closes them; with a terminal they are its slave.
    ///
    /// - Returns: its exit code, or 128 and the signal that ended it.
    public func execute(
        _ command: [String], namespace: String, pod: String, container: String, input: Int32, output: Int32, error: Int32,
        takesTerminal: Bool = false
    ) async throws -> Int32 {
        guard let kept = kept(namespace, pod) else {
            throw LabError(.objectsUnusable, "pod \(namespace)/\(pod) does not run on \(host.name)")
        }
        let streams = Child.Streams(input: input, output: output, error: error)
        let child = try await kept.runner.execute(command, in: container, streams: streams, takesTerminal: takesTerminal)
        return await withTaskCancellationHandler {
            await child.ended()
        } onCancel: {
            child.signal(SIGKILL)
        }
    }

    /// The process that holds a pod's namespaces; `nil` when the pod has none here.
    public func sandbox(namespace: String, pod: String) async -> Int32? {
        await kept(namespace, pod)?.runner.sandboxHolder
    }

    /// A pod that is kept here.
    ///
    /// - Parameter uid: empty for whichever has the name.
    func kept(_ namespace: String, _ name: String, uid: String = "") -> Kept? {
        pods.first { $0.key.namespace == namespace && $0.key.name == name && (uid.isEmpty || $0.key.uid == uid) }?.value
    }
}
