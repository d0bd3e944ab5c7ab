import Addressing
import Cluster
import KubeAPI
import Logging
import NFTablesKernel
import Netlink
import Plan
import Synchronization
import Telemetry

/// Writes down the new connections that policies log: who wanted what of whom, and which rule of which policy decided.
///
/// The kernel limits how often a rule logs; here no more than some hundred lines are written in a second. What is more is counted.
/// Without a rule that logs it holds nothing of the kernel's.
actor PolicyLogger {
    private let executor = SessionExecutor(name: "policy-log")
    private let namespace: NetworkNamespace
    private let policies: PolicyKeeper
    private let names: LocalNameKeeper
    private let counts: Counts
    private let logger: Logger
    private var room = LineRoom()

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// What came of the packets so far; read by others.
    final class Counts: Sendable {
        let lines = Atomic<Int>(0)
        let dropped = Atomic<Int>(0)

        func add(to page: inout Exposition) {
            let (lines, dropped) = (lines.load(ordering: .relaxed), dropped.load(ordering: .relaxed))
            page.add("tulle_policy_log_lines_total", .counter, "Connections that were written to the log.", .init(lines))
            page.add(
                "tulle_policy_log_dropped_total", .counter,
                "Connections that the kernel told of and that were not written: too many in a second, of a rule that is gone, or not "
                    + "fetched in time. What is beyond each rule's own limit the kernel does not tell.",
                .init(dropped))
        }
    }

    /// How much of a packet is looked at: an IPv6 header, some of its extensions, and ports.
    private static var bytes: UInt32 { 128 }

    init(in namespace: NetworkNamespace, policies: PolicyKeeper, names: LocalNameKeeper, counts: Counts, logger: Logger) {
        (self.namespace, self.policies, self.names) = (namespace, policies, names)
        (self.counts, self.logger) = (counts, logger)
    }

    /// Writes lines until its task is cancelled. What goes wrong ends the log alone, and for a while.
    ///
    /// - Parameters:
    ///   - now: a clock that only goes on.
    ///   - report: called with what is wrong when that is something else.
    func run(now: @Sendable () -> Duration, report: @Sendable (Problem?) -> Void) async {
        var problem: Problem?
        func note(_ new: Problem?) {
            if problem != new { report(new) }
            problem = new
        }
        for await _ in policies.loggingChanges {
            while policies.isLogging, !Task.isCancelled {
                do throws(KernelError) {
                    let log = try PacketLog(group: PacketPath.policyLogGroup, bytes: Self.bytes, in: namespace)
                    note(nil)
                    try await write(from: log, now: now)
                } catch {
                    note(Problem(.policyLogUnread, nil, "\(error)"))
                    // Being asked to stop is no error.
                    try? await Task.sleep(for: Self.pause)
                }
            }
            note(nil)
        }
    }

    /// After which it is tried again.
    private static let pause = Duration.seconds(5)

    /// As long as there are rules that log.
    private func write(from log: PacketLog, now: @Sendable () -> Duration) async throws(KernelError) {
        while policies.isLogging, !Task.isCancelled {
            // This thread is ours alone; a quarter of a second is how late the end is noticed.
            switch try log.next(timeout: .milliseconds(250)) {
            case .packets(let packets, let lost)?:
                counts.dropped.add(lost, ordering: .relaxed)
                for packet in packets { write(packet, at: now()) }
            // What was lost is counted with the next packet.
            case .overrun?, nil: break
            }
            await Task.yield()
        }
    }

    private func write(_ packet: LoggedPacket, at time: Duration) {
        func note(_ flow: LoggedPacket.Flow) -> PolicyNote? {
            packet.prefix == PacketPath.nameLogPrefix ? names.note(refused: flow) : policies.note(of: packet.prefix, flow)
        }
        guard let flow = packet.flow, let note = note(flow), room.takes(at: time) else {
            counts.dropped.add(1, ordering: .relaxed)
            return
        }
        counts.lines.add(1, ordering: .relaxed)
        logger.notice("policy", metadata: note.metadata)
    }
}

/// How many lines there is room for: some hundred a second.
struct LineRoom {
    private var tokens = most
    private var refilled: Duration?

    private static let most = 500.0
    private static let perSecond = 200.0

    mutating func takes(at time: Duration) -> Bool {
        tokens = min(Self.most, tokens + (refilled.map { (time - $0) / .seconds(1) } ?? 0) * Self.perSecond)
        refilled = time
        guard tokens >= 1 else { return false }
        tokens -= 1
        return true
    }
}

/// What is written of one packet.
struct PolicyNote: Hashable {
    var tally: PolicyTally
    var flow: LoggedPacket.Flow
    /// The pods whose addresses they are; empty where they are none's.
    var from: String
    var to: String

    var metadata: Logger.Metadata {
        let transport = TransportProtocol(number: flow.transport)?.rawValue ?? "\(flow.transport)"
        func place(_ address: IPAddress, _ port: UInt16) -> String {
            port == 0 ? address.description : SocketAddress(address, port).description
        }
        let policies = tally.policies.map(\.description).joined(separator: ", ")
        var metadata: Logger.Metadata = [
            "outcome": "\(tally.outcome.rawValue)", "direction": "\(tally.direction.rawValue.lowercased())",
            "policy": "\(Self.quoted(policies.isEmpty ? "none known yet" : policies))",
            "from-address": "\(place(flow.source, flow.sourcePort))",
            "to-address": "\(place(flow.destination, flow.destinationPort))",
            "protocol": "\(transport)",
        ]
        if !from.isEmpty { metadata["from"] = "\(Self.quoted(from))" }
        if !to.isEmpty { metadata["to"] = "\(Self.quoted(to))" }
        if !tally.place.isEmpty { metadata["rule"] = "\(Self.quoted(tally.place))" }
        return metadata
    }

    /// As logfmt has it: what has blanks or quotes in it stands in quotes.
    static func quoted(_ value: String) -> String {
        guard value.contains(where: { $0.isWhitespace || $0 == "\"" || $0 == "=" }) else { return value }
        return "\"" + value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }
}
