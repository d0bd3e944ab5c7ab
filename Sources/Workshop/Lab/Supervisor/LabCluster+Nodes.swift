import Addressing
import CLinux
import Glibc
import KubeAPI
import KubeClient

/// Nodes that are added to a lab that is up, taken away and numbered anew, and another backend for all of them.
extension LabCluster {
    /// Adds a node, and waits until it is Ready.
    ///
    /// - Returns: `node`, its name, and its `addresses`.
    func addNode(_ tree: JSONValue) async throws -> JSONValue {
        try await changes.alone { [self] in
            let wanted = tree["node"]?.string
            let seat = try change { settings in try settings.addSeat(wanted) }
            do {
                return try await add(seat)
            } catch {
                await takeAway(seat.name)
                _ = try? change { settings in try settings.removeSeat(seat.name) }
                throw error
            }
        }
    }

    private func add(_ seat: LabSeat) async throws -> JSONValue {
        let (ground, settings, credentials, directory) = (ground, settings, credentials, directory)
        let node = try await offPool {
            let node = try ground.add(seat, settings)
            try credentials.writeKubeconfig(ofNode: node.name, settings, in: directory)
            return node
        }
        try watch(node.holder)
        add(machine(of: node))
        try await untilReady([node.name])
        return ["node": .string(node.name), "addresses": .array(node.addresses.map { .string($0.description) })]
    }

    /// Takes a node away as a machine that is switched off and sold: its processes, its namespaces, its files, and its object.
    func removeNode(_ tree: JSONValue) async throws -> JSONValue {
        try await changes.alone { [self] in
            let name = tree["node"]?.string ?? ""
            try change { settings in try settings.removeSeat(name) }
            await takeAway(name)
            try await gone { _ = try await client.delete(Node.resource, name, in: nil) }
            // The collector of garbage would wait a while, in case the node comes back.
            for pod in try await client.list(Pod.resource).items where pod[at: "spec", "nodeName"]?.string == name {
                let (namespace, pod) = (pod[at: "metadata", "namespace"]?.string, pod[at: "metadata", "name"]?.string ?? "")
                try await gone {
                    _ = try await client.delete(Pod.resource, pod, in: namespace, options: DeletionOptions(grace: .zero))
                }
            }
            return [:]
        }
    }

    /// Somebody may be quicker.
    private func gone(_ delete: () async throws -> Void) async throws {
        do { try await delete() } catch APIFailure.notFound {}
    }

    private func takeAway(_ name: String) async {
        if let machine = machines.first(where: { $0.name == name }) {
            await machine.takeAway()
            removeMachine(name)
        }
        let ground = ground
        try? await offPool { ground.remove(name) }
    }

    /// Gives a node other addresses.
    ///
    /// - Returns: its `addresses`.
    func renumberNode(_ tree: JSONValue) async throws -> JSONValue {
        try await changes.alone { [self] in
            let name = tree["node"]?.string ?? ""
            let seat = try change { settings in try settings.moveSeat(name) }
            let (ground, settings) = (ground, settings)
            try await offPool { try ground.renumber(seat, settings) }
            let addresses = settings.addresses(ofNode: seat.position)
            kubelets[name]?.kubelet.move(to: addresses)
            return ["addresses": .array(addresses.map { .string($0.description) })]
        }
    }

    /// Starts every agent again with another backend, one after the other, and waits until each has made its roads.
    func changeBackend(_ tree: JSONValue) async throws -> JSONValue {
        guard let backend = (tree["backend"]?.string).flatMap(LabSettings.Backend.init) else {
            throw LabError(.settingsRefused, "\(tree["backend"]?.string ?? "") is no backend")
        }
        return try await changes.alone { [self] in
            try change { settings in
                (settings.backend, settings.isDirectOnSegment) = (backend, tree["isDirectOnSegment"] == true)
                if let fault = settings.faults.first { throw LabError(.settingsRefused, fault) }
            }
            for machine in machines where machine.kubelet != nil {
                let (agent, before) = (machine.agent, machine.agent.record)
                let status = directory.agentState(machine.name) + "/status"
                agent.startAgain()
                try await until("\(agent.name) did not start again", log: agent.log) {
                    agent.record.process != nil && agent.record.starts > before.starts
                        && Self.hasLookedAtEverything(status, since: agent.record.since)
                }
            }
            return [:]
        }
    }

    /// Whether the agent that was started then has compared everything with the kernel. Earlier ones left what they said.
    private static func hasLookedAtEverything(_ status: String, since start: Moment?) -> Bool {
        guard let start, let written = Files.changed(status), written >= start, let text = Files.text(of: status) else {
            return false
        }
        return text.split(separator: "\n").contains { $0.hasPrefix("whole-rounds ") && $0 != "whole-rounds 0" }
    }
}

// MARK: - What holds namespaces

extension LabCluster {
    /// Throws when one of the processes that hold namespaces ends without having been asked to.
    func watchHolders() async throws {
        for holder in ground.holders() { try watch(holder) }
        for await holder in ends where ground.holders().contains(where: { $0.identifier == holder.identifier }) {
            throw LabError(.processFailed, "the process that holds the namespaces of \(holder.name) ended")
        }
    }

    private func watch(_ holder: Holder) throws {
        let descriptor = clinux_process_descriptor(holder.identifier)
        guard descriptor >= 0 else { throw LabError(.processFailed, "the namespaces of \(holder.name) are gone") }
        try DescriptorWatch.shared.watch(descriptor) { [endOf] in
            endOf.yield(holder)
            return true
        } finish: {
            close(descriptor)
        }
    }
}

/// One after the other, in the order in which they come.
actor LabChanges {
    private var last: Task<Void, Never>?

    func alone<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) async throws -> Value {
        let before = last
        let task = Task {
            await before?.value
            return try await body()
        }
        last = Task { _ = await task.result }
        return try await task.value
    }
}
