extension PodWorker {
    static let deadlineMessage = "Pod was active on the node longer than the specified deadline"

    /// When it is to be ended; `nil` when it may go on, or is ending anyway.
    var deadline: Moment? {
        switch stage {
        case .volumes, .sandbox, .attaching, .running: break
        case .stopping, .detaching, .removing: if after != .restart { return nil }
        case .finished, .ended: return nil
        }
        guard let limit = manifest.activeDeadline, let start = Moment(startTime) else { return nil }
        return start + limit
    }

    mutating func heedDeadline() {
        guard !isPastDeadline, let deadline, deadline <= now else { return }
        isPastDeadline = true
        record("DeadlineExceeded", Self.deadlineMessage)
        stop(then: .finish, grace: manifest.gracePeriod)
    }

    /// Begins to end the pod, or hurries an end that has begun.
    mutating func stop(then next: After, grace: Duration) {
        switch stage {
        case .ended: return
        case .finished:
            after = next
            enter(.removing)
        case .detaching, .removing:
            if after != .delete { after = next }
        case .stopping:
            if after != .delete { after = next }
            hurry(grace)
        case .volumes, .sandbox, .attaching, .running:
            after = next
            // An order that is out comes to its end first: its answer clears the way.
            let wasBusy = isBusy
            enter(.stopping)
            isBusy = wasBusy
            stopGrace = grace
        }
    }

    private mutating func hurry(_ grace: Duration) {
        stopGrace = min(stopGrace, grace)
        for index in containers.indices {
            if let killAt = containers[index].killAt { containers[index].killAt = min(killAt, now + grace) }
        }
    }

    /// The containers first, sidecars after them in the reverse of their order; then what is around them.
    mutating func continueStopping() {
        askProbes()
        for index in containers.indices where containers[index].role != .sidecar { stopOne(index) }
        if !containers.contains(where: { $0.role != .sidecar && $0.isAlive }) {
            if let index = containers.lastIndex(where: { $0.role == .sidecar && $0.isAlive }) { stopOne(index) }
        }
        guard !containers.contains(where: \.isAlive), !isBusy else { return }
        takeDown()
    }

    private mutating func stopOne(_ index: Int) {
        var record = containers[index]
        end(&record, grace: stopGrace, why: "Stopping container \(record.name)")
        containers[index] = record
    }

    /// Tells a container to end: its hook, SIGTERM, and SIGKILL when its time is over.
    mutating func end(_ record: inout ContainerRecord, grace: Duration, why: String) {
        if record.isRunning, !record.isStopping {
            record.isStopping = true
            self.record("Killing", why, of: record)
            record.killAt = now + grace
            if grace > .zero {
                if let hook = record.manifest.preStop {
                    orders.append(
                        .hook(
                            container: record.name, run: record.run, .preStop, hook, limit: grace, address: addresses.first))
                } else {
                    orders.append(.terminate(container: record.name, run: record.run))
                }
            }
        }
        if record.isRunning, let killAt = record.killAt, killAt <= now {
            orders.append(.kill(container: record.name, run: record.run))
            // Should it not have reached it, once more.
            record.killAt = now + .seconds(2)
        }
    }
}
