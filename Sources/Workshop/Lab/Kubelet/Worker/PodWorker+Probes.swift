extension PodWorker {
    mutating func beginProbes(_ record: inout ContainerRecord) {
        for kind in ProbeKind.allCases {
            guard let probe = record.probe(kind) else { continue }
            record.probes[kind] = ProbeRecord(nextAt: now + probe.initialDelay)
        }
        record.hasStarted = record.manifest.startup == nil
        record.isReady = record.hasStarted && record.manifest.readiness == nil
    }

    /// Liveness and readiness wait for the startup probe, which is asked no more when it has succeeded.
    func askable(_ record: ContainerRecord) -> [ProbeKind] {
        guard record.isRunning else { return [] }
        let kinds: [ProbeKind] = record.hasStarted ? [.liveness, .readiness] : [.startup]
        return kinds.filter { kind in
            guard let probe = record.probes[kind], !probe.isAsked else { return false }
            // One that is told to end is not told again.
            return kind == .readiness || !record.isStopping && stage == .running
        }
    }

    /// Orders the probes that are due.
    mutating func askProbes() {
        for index in containers.indices {
            for kind in askable(containers[index]) {
                guard let state = containers[index].probes[kind], state.nextAt <= now,
                    let probe = containers[index].probe(kind)
                else { continue }
                containers[index].probes[kind]?.isAsked = true
                containers[index].probes[kind]?.nextAt = now + probe.period
                orders.append(
                    .probe(
                        container: containers[index].name, run: containers[index].run, kind, probe, address: addresses.first))
            }
        }
    }

    mutating func probed(_ record: inout ContainerRecord, _ kind: ProbeKind, _ failure: String?) {
        guard record.isRunning, let probe = record.probe(kind), var state = record.probes[kind] else { return }
        state.isAsked = false
        if let failure {
            (state.successes, state.failures) = (0, state.failures + 1)
            self.record("Unhealthy", "\(kind.rawValue) probe failed: \(failure)", isWarning: true, of: record)
        } else {
            (state.successes, state.failures) = (state.successes + 1, 0)
        }
        record.probes[kind] = state
        let hasSucceeded = state.successes >= (kind == .readiness ? probe.successThreshold : 1)
        let hasFailed = state.failures >= probe.failureThreshold
        switch kind {
        case .readiness where hasSucceeded: record.isReady = true
        case .readiness where hasFailed: record.isReady = false
        case .startup where hasSucceeded:
            record.hasStarted = true
            if record.manifest.readiness == nil { record.isReady = true }
        case .startup where hasFailed, .liveness where hasFailed:
            let word = kind == .startup ? "startup" : "liveness"
            end(
                &record, grace: probe.gracePeriod ?? manifest.gracePeriod,
                why: "Container \(record.name) failed \(word) probe, will be restarted")
        default: break
        }
    }
}
