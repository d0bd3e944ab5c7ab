import Addressing
import CNI
import Glibc
import KubeAPI

/// Carries out the orders of one pod's worker, and tells what came of them.
actor PodRunner {
    let host: NodeHost
    let key: PodKey
    let api: any KubeletAPI
    private let report: @Sendable (PodWorker.Event) -> Void
    private var sandbox: (child: Child, holder: Int32, id: String)?
    var sandboxHolder: Int32? { sandbox?.holder }
    private var isRemoving = false
    private var containers: [String: Running] = [:]
    /// What is in the volumes that follow objects, by name and path.
    var written: [String: [String: VolumeFolder.File]] = [:]
    /// By volume and path.
    var tokens: [String: String] = [:]

    struct Running {
        var child: Child
        /// Its process 1 as the host sees it.
        var process: Int32
        var run: Int
        var environment: [(name: String, value: String)]
        var workingDirectory: String?
        /// `USER:GROUP` and perhaps another group; `nil`: root.
        var user: String?
        /// Where its input is written; `nil`: it has none, or it was closed.
        var input: CInt?
        var terminal: ContainerTerminal?
    }

    init(_ key: PodKey, host: NodeHost, api: any KubeletAPI, report: @escaping @Sendable (PodWorker.Event) -> Void) {
        (self.key, self.host, self.api, self.report) = (key, host, api, report)
    }

    var directory: String { host.directory(of: key) }

    /// Orders that take time; each ends with an event.
    func carryOut(_ order: PodWorker.Order, of pod: PodManifest) async {
        switch order {
        case .prepareVolumes:
            await attempt(.volumesReady, PodWorker.Event.volumesFailed) { try await prepareVolumes(pod) }
        case .makeSandbox: await attempt(.sandboxReady, PodWorker.Event.sandboxFailed) { try await makeSandbox(pod) }
        case .attach:
            do { report(.attached(try await attach(pod))) } catch { report(.attachFailed("\(error)")) }
        case .detach: await attempt(.detached, PodWorker.Event.detachFailed) { try await detach() }
        case .removeSandbox:
            await removeSandbox()
            report(.sandboxRemoved)
        case .start(let container, let run, let addresses): await start(container, run, addresses, pod)
        case .terminate(let name, let run): signal(name, run, SIGTERM)
        case .kill(let name, let run): signal(name, run, Self.kill)
        case .probe(let name, let run, let kind, let probe, let address):
            let failure = await perform(probe.action, container: name, run: run, limit: probe.timeout, address: address)
            report(.probed(container: name, run: run, kind, failure: failure))
        case .hook(let name, let run, let hook, let action, let limit, let address):
            let failure = await perform(action, container: name, run: run, limit: limit, address: address)
            report(.hookEnded(container: name, run: run, hook, failure: failure))
        case .write, .record, .removeObject, .forget: break
        }
    }

    private func attempt(_ good: PodWorker.Event, _ bad: (String) -> PodWorker.Event, _ body: () async throws -> Void) async {
        do {
            try await body()
            report(good)
        } catch {
            report(bad("\(error)"))
        }
    }

    /// What has a shim kill its container.
    private static let kill = SIGUSR2

    private func signal(_ name: String, _ run: Int, _ number: CInt) {
        if let running = containers[name], running.run == run { running.child.signal(number) }
    }

    /// What is on disk of the pod goes; its logs too, as a kubelet does.
    func clean() {
        Files.remove(directory)
        Files.remove(host.logs(of: key))
    }
}

// MARK: - The sandbox

extension PodRunner {
    /// Namespaces for the pod, held by a process; a pod of the host's network is in its node's.
    private func makeSandbox(_ pod: PodManifest) async throws {
        isRemoving = false
        // First what can go wrong without a process.
        try writeNames(pod, addresses: [])
        var command: [String] = [
            host.launcher, "pause", "--new", "net,uts,ipc,pid", "--hostname", pod.hostname, "--ready-fd", "3",
        ]
        if pod.usesHostNetwork {
            command = [
                host.launcher, "run", "--join", "\(host.holder)", "--namespaces", "net,uts", "--",
                host.launcher, "pause", "--new", "ipc,pid", "--ready-fd", "3",
            ]
        }
        let child = try Child(command, reports: true)
        guard let holder = Int32(await child.reported().filter(\.isNumber)) else {
            child.signal(SIGKILL)
            _ = await child.ended()
            throw LabError(.processFailed, child.text())
        }
        let id = "\(key.uid)-\(nextNumber())"
        sandbox = (child, holder, id)
        Task { await awaitSandbox(child) }
    }

    private func awaitSandbox(_ child: Child) async {
        _ = await child.ended()
        guard sandbox?.child === child, !isRemoving else { return }
        report(.sandboxEnded)
    }

    /// No two sandboxes of a pod have the same ID, not even after a restart.
    private func nextNumber() -> Int {
        let path = directory + "/sandboxes"
        let number = (Files.text(of: path).flatMap { Int($0) } ?? 0) + 1
        try? Files.write("\(number)".utf8, to: path)
        return number
    }

    private func removeSandbox() async {
        isRemoving = true
        for running in containers.values {
            running.child.signal(Self.kill)
            _ = await running.child.ended()
        }
        guard let child = sandbox?.child else { return }
        child.signal(SIGTERM)
        _ = await child.ended(within: .seconds(5))
        sandbox = nil
    }
}

// MARK: - The network

extension PodRunner {
    /// Written before ADD: whoever finds it after a crash knows what DEL has to name.
    private var attachmentFile: String { directory + "/attachment" }

    private func attach(_ pod: PodManifest) async throws -> [IPAddress] {
        guard let sandbox else { throw LabError(.attachmentFailed, "the sandbox is gone") }
        try Files.write("\(sandbox.id)\n\(key.namespace)\n\(key.name)\n".utf8, to: attachmentFile)
        let answer = try await host.call(
            .add, containerID: sandbox.id, namespace: "/proc/\(sandbox.holder)/ns/net", pod: key,
            runtime: pod.runtimeConfiguration(for: host.network["capabilities"]))
        guard let answer else { throw LabError(.attachmentFailed, "the plugin's answer is no JSON") }
        let result = try AttachmentResult(json: answer)
        return result.ips.compactMap { InterfaceAddress($0.address)?.address }
    }

    private func detach() async throws {
        guard let id = Files.text(of: attachmentFile)?.split(separator: "\n").first else { return }
        let namespace = sandbox.map { "/proc/\($0.holder)/ns/net" } ?? ""
        let isThere = !namespace.isEmpty && access(namespace, F_OK) == 0
        _ = try await host.call(.delete, containerID: String(id), namespace: isThere ? namespace : "", pod: key)
        unlink(attachmentFile)
    }
}

// MARK: - Containers

extension PodRunner {
    private func start(_ container: ContainerManifest, _ run: Int, _ addresses: [IPAddress], _ pod: PodManifest) async {
        func refuse(_ reason: String, _ message: String) {
            report(.startFailed(container: container.name, run: run, reason: reason, message: message))
        }
        if let fault = ImageName.fault(container.image) {
            return refuse(
                "InvalidImageName",
                "Failed to apply default image tag \"\(container.image)\": couldn't parse image name \"\(container.image)\": \(fault)"
            )
        }
        if let missing = host.images.missing(container.image) { return refuse("ErrImagePull", missing) }
        if let reason = Self.refusesRoot(container, pod) { return refuse("CreateContainerConfigError", reason) }
        let environment: [(name: String, value: String)]
        do {
            environment = try await variables(of: container, in: pod, addresses: addresses)
        } catch {
            return refuse("CreateContainerConfigError", "\(error)")
        }
        do {
            guard let sandbox else { return refuse("CreateContainerError", "the sandbox is gone") }
            try writeNames(pod, addresses: addresses)
            let values = Dictionary(environment.map { ($0.name, $0.value) }) { $1 }
            func expand(_ words: [String]) -> [String] { words.map { ContainerEnvironment.expand($0, values) } }
            let (words, note) = host.images.words(
                for: container, command: expand(container.command), arguments: expand(container.arguments),
                echo: echo(container), idle: [host.launcher, "idle"])
            let message = directory + "/messages/\(container.name)"
            try Files.makeDirectories(directory + "/messages")
            try Files.write([], to: message, mode: 0o666)
            let root = directory + "/roots/\(container.name)"
            try Files.makeDirectories(root)
            let id = try nextLog(of: container.name)
            var command = [
                host.launcher, "container", "--join", "\(sandbox.holder)", "--root", root, "--log",
                logFile(ofContainer: container.name, id: id), "--report-fd", "3", "--mount",
                "\(message):\(container.terminationMessagePath)",
            ]
            if pod.usesHostNetwork { command += ["--namespaces", "net,uts,ipc,pid"] }
            for mount in try mounts(of: container, in: pod) { command += ["--mount", mount] }
            if container.hasReadOnlyRoot { command.append("--read-only") }
            if let directory = container.workingDirectory { command += ["--workdir", directory] }
            let user = (container.runAsUser ?? pod.runAsUser).map {
                "\($0):\(container.runAsGroup ?? pod.runAsGroup ?? 0)\(pod.volumeGroup.map { ":\($0)" } ?? "")"
            }
            if let user { command += ["--user", user] }
            let given = try ContainerInput(container)
            command += given.words
            let child: Child
            do {
                defer { given.closeContainersEnds() }
                child = try Child(
                    command + ["--"] + words, environment: environment, streams: given.streams, reports: true,
                    inherited: given.inherited)
            }
            // It ends with the container, also with one that cannot be run.
            if let terminal = given.terminal { Task { await terminal.show() } }
            let lines = await child.reported().split(separator: "\n").map(String.init)
            if let error = lines.first(where: { $0.hasPrefix("error ") }) {
                _ = await child.ended()
                return refuse("RunContainerError", "container \(container.name): \(error.dropFirst(6))")
            }
            guard let process = lines.first.flatMap({ Int32($0.dropFirst(4)) }) else {
                _ = await child.ended()
                return refuse("RunContainerError", "container \(container.name): \(child.text())")
            }
            containers[container.name] = Running(
                child: child, process: process, run: run, environment: environment,
                workingDirectory: container.workingDirectory, user: user, input: given.takeInput(), terminal: given.terminal)
            report(
                .started(
                    container: container.name, run: run, id: id,
                    image: "tulle.local/\(container.image)", note: note))
            let code = await child.ended()
            closeInput(of: container.name)
            // Its number is the next process's.
            containers[container.name] = nil
            var text = String((Files.text(of: message) ?? "").prefix(4096))
            if text.isEmpty, code != 0, container.takesMessageFromLog {
                text = (try? ContainerLogTail.lastWords(in: logFile(ofContainer: container.name, id: id))) ?? ""
            }
            report(.exited(container: container.name, run: run, code: code, message: text))
        } catch {
            refuse("CreateContainerError", "container \(container.name): \(error)")
        }
    }

    /// Why a container must not run as root, in kubelet's words; `nil` when it does not, or may. Images say nothing here: without a
    /// user it would be root.
    private static func refusesRoot(_ container: ContainerManifest, _ pod: PodManifest) -> String? {
        guard container.mustNotRunAsRoot ?? pod.mustNotRunAsRoot else { return nil }
        let place = "(pod: \"\(pod.key)\", container: \(container.name))"
        switch container.runAsUser ?? pod.runAsUser {
        case nil: return "container has runAsNonRoot and image will run as root \(place)"
        case 0: return "container's runAsUser breaks non-root policy \(place)"
        default: return nil
        }
    }

    private func echo(_ container: ContainerManifest) -> [String] {
        var words = [host.launcher, "echo", "--name", key.name, "--node", host.name]
        for port in container.ports where port.transport != "SCTP" {
            words += [port.transport == "UDP" ? "--udp" : "--tcp", "\(port.number)"]
        }
        return words
    }

    /// Makes the log of the next run; the one before it is kept, older ones go.
    ///
    /// - Returns: the run's ID, by which ``logFile(ofContainer:id:)`` finds it. No two runs have the same, not even after a restart.
    private func nextLog(of container: String) throws -> String {
        let folder = host.logs(of: key) + "/\(container)"
        try Files.makeDirectories(folder, mode: 0o755)
        let numbers = Files.names(in: folder).compactMap { Int($0.prefix { $0 != "." }) }
        let next = (numbers.max() ?? -1) + 1
        // First the new one: at every moment there are the last two.
        try Files.write([], to: "\(folder)/\(next).log", mode: 0o640)
        for number in Set(numbers) where number < next - 1 {
            for name in ["\(number).log", "\(number).log.1"] { unlink("\(folder)/\(name)") }
        }
        return "\(key.uid)-\(container)-\(next)"
    }

    /// The log of a run in the CRI's form; what was rotated out lies beside it with `.1` at its end.
    nonisolated func logFile(ofContainer container: String, id: String) -> String {
        "\(host.logs(of: key))/\(container)/\(id[(id.lastIndex(of: "-").map(id.index(after:)) ?? id.startIndex)...]).log"
    }

    /// A descriptor for a container's input, which the caller closes; `nil` when it is closed or was none.
    func input(of container: String) -> CInt? {
        containers[container]?.input.map { fcntl($0, F_DUPFD_CLOEXEC, 3) }
    }

    /// `nil`: the container has none, or does not run.
    func terminal(of container: String) -> ContainerTerminal? { containers[container]?.terminal }

    /// The container reads to the end of its input.
    func closeInput(of container: String) {
        if let input = containers[container]?.input { close(input) }
        containers[container]?.input = nil
    }
}

// MARK: - Commands in containers

extension PodRunner {
    /// Runs a command in a container that runs.
    func execute(
        _ command: [String], in container: String, streams: Child.Streams?, takesTerminal: Bool
    ) throws(LabError) -> Child {
        guard let running = containers[container] else {
            throw LabError(.processFailed, "container \(container) of \(key) does not run")
        }
        var words = [host.launcher, "run", "--join", "\(running.process)", "--namespaces", "net,mnt,uts,pid,ipc"]
        if let directory = running.workingDirectory { words += ["--workdir", directory] }
        if let user = running.user { words += ["--user", user] }
        var environment = running.environment
        if takesTerminal {
            words.append("--tty")
            if !environment.contains(where: { $0.name == "TERM" }) { environment.append(("TERM", "xterm")) }
        }
        return try Child(words + ["--"] + command, environment: environment, streams: streams)
    }

    /// - Returns: why it failed; `nil` when it did not.
    private func perform(_ action: Action, container: String, run: Int, limit: Duration, address: IPAddress?) async -> String? {
        do {
            switch action {
            case .wait(let time):
                try? await Task.sleep(for: time)
                return nil
            case .run(let command):
                let said = try Excerpt()
                let child: Child
                do {
                    defer { said.closeWriting() }
                    child = try execute(command, in: container, streams: said.streams, takesTerminal: false)
                }
                let (status, isLate) = await child.ended(within: limit)
                if isLate { return "command timed out: \"\(command.joined(separator: " "))\" timed out after \(limit)" }
                guard status != 0 else { return nil }
                let text = said.text()
                return text.isEmpty ? "exit status \(status)" : text
            case .connect(let target, let port):
                return try await ask(["--tcp"], target, port, limit, address)
            // An event has said that no TLS is spoken.
            case .get(let target, let port, _, _, true): return try await ask(["--tcp"], target, port, limit, address)
            case .get(let target, let port, let path, let headers, false):
                return try await ask(["--http", path] + headers.flatMap { ["--header", $0] }, target, port, limit, address)
            }
        } catch {
            return "\(error)"
        }
    }

    /// From the node, as a kubelet asks.
    private func ask(_ how: [String], _ target: String, _ port: UInt16, _ limit: Duration, _ address: IPAddress?) async throws
        -> String?
    {
        let target = target.isEmpty ? address.map { "\($0)" } ?? "" : target
        let milliseconds = limit.components.seconds * 1000 + limit.components.attoseconds / 1_000_000_000_000_000
        let child = try Child(
            [host.launcher, "probe", "--join", "\(host.holder)", "--timeout", "\(max(1, milliseconds))"] + how + [
                target, "\(port)",
            ])
        let (status, isLate) = await child.ended(within: limit + .seconds(2))
        if isLate { return "no answer within \(limit)" }
        guard status != 0 else { return nil }
        let text = child.text()
        return text.hasPrefix("tulle-pod: ") ? String(text.dropFirst(11).filter { $0 != "\n" }) : text
    }
}
