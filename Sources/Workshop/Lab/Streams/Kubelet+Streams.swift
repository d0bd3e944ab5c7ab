import APIServer
import Glibc
import KubeAPI

extension Kubelet {
    /// What a request asks for, ready to be run.
    ///
    /// - Throws: a ``Status`` in a kubelet's words.
    func session(for request: StreamRequest) async throws -> any StreamSession {
        guard let pod = kept(request.namespace, request.name, uid: request.uid) else {
            throw Status.notFound("pod \"\(request.name)\" does not run on node \"\(request.node)\" yet")
        }
        switch request.wish {
        case .log(let options): return try log(options, pod)
        case .stream(.exec, let options): return try await command(options, pod)
        case .stream(.attach, let options): return try await attachment(options, pod)
        case .stream(.portForward, _): throw Status.notImplemented("port-forward is not served here yet")
        }
    }

    /// Everything in the log of a container's run, read before the kubelet does anything else: a log is kept over two restarts only.
    func log(namespace: String, pod: String, container: String, isPrevious: Bool = false) throws -> [ContainerLogTail.Entry] {
        guard let pod = kept(namespace, pod) else { throw Status.notFound("pod \"\(pod)\" does not run here") }
        let record = try pod.worker.record(named: container)
        let id = try isPrevious ? previous(record, pod) : current(record, pod)
        var tail = try ContainerLogTail(pod.runner.logFile(ofContainer: record.name, id: id))
        var entries: [ContainerLogTail.Entry] = []
        while true {
            let more = tail.next()
            if more.isEmpty { return entries }
            entries += more
        }
    }

    /// The log of the container's run, to be followed.
    func log(_ options: LogOptions, namespace: String, pod: String) throws -> LogSession {
        guard let kept = kept(namespace, pod) else { throw Status.notFound("pod \"\(pod)\" does not run here") }
        return try log(options, kept)
    }

    private func log(_ options: LogOptions, _ pod: Kept) throws -> LogSession {
        let record = try pod.worker.record(named: options.container)
        let id = try options.isPrevious ? previous(record, pod) : current(record, pod)
        let path = pod.runner.logFile(ofContainer: record.name, id: id)
        var selection = LogSelection(showsTimestamps: options.showsTimestamps, room: options.limitBytes.map { Int($0) })
        if let text = options.sinceTime {
            guard let since = Moment(text) else { throw Status.badRequest("sinceTime \"\(text)\" is no time of RFC 3339") }
            selection.since = since
        } else if let seconds = options.sinceSeconds {
            selection.since = now() + .seconds(-seconds)
        }
        do {
            if let wanted = options.tailLines {
                selection.skipped = max(0, try ContainerLogTail.count(of: path) - Int(clamping: wanted))
            }
            let key = pod.worker.manifest.key
            return LogSession(path: path, follows: options.follows && !options.isPrevious, selection: selection) {
                await self.isWriting(key, record.name, id)
            }
        } catch {
            throw Status.internalError("\(error)")
        }
    }

    /// Which run's log is the container's.
    private func current(_ record: ContainerRecord, _ pod: Kept) throws -> String {
        if record.isRunning { return record.id }
        if let ending = record.ending ?? record.lastEnding, !ending.id.isEmpty { return ending.id }
        let name = pod.worker.manifest.metadata.name
        var why = "is waiting to start - no logs yet"
        if case .waiting(let reason, _) = record.state, !reason.isEmpty {
            why = "is waiting to start: \(pod.worker.waitingReason(record, reason))"
        }
        throw Status.badRequest("container \"\(record.name)\" in pod \"\(name)\" \(why)")
    }

    private func previous(_ record: ContainerRecord, _ pod: Kept) throws -> String {
        guard let ending = record.lastEnding, !ending.id.isEmpty else {
            let name = pod.worker.manifest.metadata.name
            throw Status.badRequest("previous terminated container \"\(record.name)\" in pod \"\(name)\" not found")
        }
        return ending.id
    }

    /// Whether this run of the container still may say something.
    private func isWriting(_ key: PodKey, _ container: String, _ id: String) -> Bool {
        guard let record = kept(key.namespace, key.name, uid: key.uid)?.worker.containers.first(where: { $0.name == container })
        else { return false }
        return record.isRunning && record.id == id
    }

    private func command(_ options: StreamOptions, _ pod: Kept) async throws -> any StreamSession {
        guard !options.command.isEmpty else {
            throw Status.badRequest("you must specify at least one command for the container")
        }
        let record = try running(options.container, pod)
        do {
            return try await CommandSession(options) { streams in
                try await pod.runner.execute(
                    options.command, in: record.name, streams: streams, takesTerminal: options.tty)
            }
        } catch {
            throw Status.internalError("\(error)")
        }
    }

    private func attachment(_ options: StreamOptions, _ pod: Kept) async throws -> any StreamSession {
        let record = try running(options.container, pod)
        if options.tty, !record.manifest.hasTerminal {
            throw Status.badRequest("Unable to use a TTY - container \(record.name) did not allocate one")
        }
        if options.stdin, !record.manifest.takesInput {
            throw Status.badRequest("container \(record.name) does not have stdin enabled")
        }
        let (key, runner, id) = (pod.worker.manifest.key, pod.runner, record.id)
        if let terminal = await runner.terminal(of: record.name) { return TerminalSession(options, terminal) }
        return AttachSession(
            options, path: runner.logFile(ofContainer: record.name, id: id),
            isWritten: { await self.isWriting(key, record.name, id) },
            input: options.stdin ? await runner.input(of: record.name) : nil,
            leave: { if record.manifest.takesInputOnce { await runner.closeInput(of: record.name) } })
    }

    private func running(_ name: String, _ pod: Kept) throws -> ContainerRecord {
        let record = try pod.worker.record(named: name)
        guard record.isRunning else { throw Status.internalError("container not found (\"\(record.name)\")") }
        return record
    }
}

extension PodWorker {
    /// - Parameter name: empty for the only one.
    fileprivate func record(named name: String) throws(Status) -> ContainerRecord {
        let pod = manifest.metadata.name
        let (mains, initials) = (manifest.containers.map(\.name), manifest.initContainers.map(\.name))
        var name = name
        if name.isEmpty {
            guard mains.count == 1, initials.isEmpty else {
                var message =
                    "a container name must be specified for pod \(pod), choose one of: [\(mains.joined(separator: " "))]"
                if !initials.isEmpty {
                    message += " or one of the init containers: [\(initials.joined(separator: " "))]"
                }
                throw .badRequest(message)
            }
            name = mains[0]
        }
        guard let record = containers.first(where: { $0.name == name }) else {
            throw .badRequest("container \(name) is not valid for pod \(pod)")
        }
        return record
    }
}
