import CNI
import Glibc
import Netlink

/// A hundred pods at once, with a thousand's worth of care for what is measured: the processes are started one after the other as
/// fast as this thread can, answers are taken as they come, and the clock runs from before the first one is started. What the
/// processors did is counted too, for a busy machine makes every wait longer and none of the work.
extension CNIScene {
    func crowd(_ count: Int) throws {
        let pods = try (0..<count).map { _ in try NetworkNamespace.new() }
        for verb in ["ADD", "DEL"] {
            let before = agentProcessors
            let start = ContinuousClock.now
            var crowd = Crowd(start: start)
            for (number, pod) in pods.enumerated() {
                crowd.running.append(try call(verb, "c\(number)", path(pod), extra: "").spawn(in: nil))
                crowd.open.append(number)
                crowd.take(waiting: 0)
            }
            let started = ContinuousClock.now - start
            while !crowd.open.isEmpty { crowd.take(waiting: -1) }
            let ends = crowd.running.indices.map { crowd.running[$0].end() }
            let whole = ContinuousClock.now - start
            // What the agent does after its answers is part of what they cost.
            poll(nil, 0, 300)
            let couriers = ends.reduce(.zero) { $0 + $1.processors }
            let failed = ends.count { $0.status != 0 }
            print(
                " \(count) \(verb)s at once: all in \(Int(whole / .milliseconds(1))) ms, started in "
                    + "\(Int(started / .milliseconds(1))); each \(CNISummary(crowd.times)); \(failed) failed; processors' time for "
                    + "each: courier \(text(couriers / count)), agent \(text((agentProcessors - before) / count))")
        }
    }

    private func text(_ duration: Duration) -> String { "\((duration / .milliseconds(1) * 100).rounded() / 100) ms" }

    /// Of all its threads so far. `utime` and `stime` of proc_pid_stat(5), in ticks of 10 ms.
    private var agentProcessors: Duration {
        let file = open("/proc/\(agent)/stat", O_RDONLY)
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 1024)
        let count = max(0, read(file, &bytes, bytes.count))
        // Behind the name, which may hold anything, in brackets.
        let fields = String(decoding: bytes[..<count], as: UTF8.self).split(separator: ")").last?.split(separator: " ") ?? []
        let ticks = fields.count > 12 ? (Int(fields[11]) ?? 0) + (Int(fields[12]) ?? 0) : 0
        return .milliseconds(ticks * 1000 / max(1, sysconf(Int32(_SC_CLK_TCK))))
    }
}

private struct Crowd {
    let start: ContinuousClock.Instant
    var running: [Call.Running] = []
    /// Those whose answers have not come to the end.
    var open: [Int] = []
    var times: [Duration] = []

    /// Reads what has come.
    mutating func take(waiting milliseconds: Int32) {
        var waits = open.map { pollfd(fd: running[$0].output, events: Int16(POLLIN), revents: 0) }
        guard poll(&waits, nfds_t(waits.count), milliseconds) > 0 else { return }
        for (index, wait) in zip(open, waits) where wait.revents != 0 && running[index].drain() {
            times.append(ContinuousClock.now - start)
            open.removeAll { $0 == index }
        }
    }
}
