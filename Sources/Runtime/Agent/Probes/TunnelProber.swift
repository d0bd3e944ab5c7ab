import Cluster
import Logging
import Netlink
import Plan

/// Tries tunnels on a thread of its own, mends what can be mended, and says what is wrong.
actor TunnelProber {
    private let executor = SessionExecutor(name: "tunnel-probe")
    private let probe: TunnelProbe
    private let logger: Logger
    /// Links whose checksums the kernel computes because a device did it wrongly.
    private var mended: Set<String> = []

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    init(in namespace: NetworkNamespace, mark: UInt16, logger: Logger) throws(KernelError) {
        probe = try TunnelProbe(in: namespace, mark: mark)
        self.logger = logger
    }

    /// What trying tunnels came to.
    struct Report: Sendable {
        var problems: [Problem]
        var narrowRoads: NodeFacts.NarrowRoads
    }

    /// What is wrong now. A link that was mended is a problem for as long as it has to be.
    func report(_ targets: [TunnelTarget]) -> Report {
        // A link that was made again computes as it likes.
        mended = mended.filter(probe.isOffloadOff)
        var findings = probe.findings(targets)
        let wrong = Set(zip(targets, findings).filter { $1.verdict == .checksum }.map(\.0.link))
        for link in wrong where probe.switchOffloadOff(link) {
            mended.insert(link)
            logger.warning("switched the checksum offload of a tunnel off", metadata: ["link": "\(link)"])
        }
        if !wrong.isDisjoint(with: mended) { findings = probe.findings(targets) }
        let found = zip(targets, findings).compactMap { $1.problem($0) }
        let links = mended.filter { link in !found.contains { $0.id == .tunnelChecksum && $0.message.contains(link) } }
        let slow = links.sorted().map {
            Problem(
                .tunnelChecksum, nil,
                "a device computed checksums of what \($0) sends wrongly; the kernel does it now, and all is well but slower")
        }
        return Report(problems: found + slow, narrowRoads: Self.narrowRoads(targets, findings))
    }

    private static func narrowRoads(_ targets: [TunnelTarget], _ findings: [TunnelFindings]) -> NodeFacts.NarrowRoads {
        let narrow = zip(targets, findings).compactMap { target, found in
            found.verdict == .narrow ? found.largest.map { (target.node, $0) } : nil
        }
        let areAll = !narrow.isEmpty && narrow.count == targets.count
        return NodeFacts.NarrowRoads(
            toNode: Dictionary(narrow) { min($0, $1) }, toOthers: areAll ? narrow.map(\.1).min() : nil)
    }
}
