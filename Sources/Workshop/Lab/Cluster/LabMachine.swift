import HostNetwork
import HostNetworkKernel
import Netlink
import Synchronization

/// A node as a machine with a power switch: its kubelet and its agent run, and its cable is plugged in, while it is on.
final class LabMachine: Sendable {
    let name: String
    let agent: LabPart
    private let makeKubelet: @Sendable () -> KubeletService
    private let cable: Cable
    private let state: Mutex<KubeletService?>
    private let switches: AsyncStream<Bool>
    private let feed: AsyncStream<Bool>.Continuation

    /// The fabric's end of the node's link.
    struct Cable: Sendable {
        var fabric: NetworkNamespace
        var port: String
    }

    /// - Parameter makeKubelet: called each time the power comes on; a kubelet works once.
    init(_ name: String, cable: Cable, agent: LabPart, makeKubelet: @escaping @Sendable () -> KubeletService) {
        (self.name, self.cable, self.agent, self.makeKubelet) = (name, cable, agent, makeKubelet)
        (switches, feed) = AsyncStream.makeStream()
        state = Mutex(makeKubelet())
        feed.yield(true)
    }

    /// `nil` while the power is off.
    var kubelet: KubeletService? { state.withLock { $0 } }

    /// Turns the power on or off; what it has already it keeps. Returns at once.
    func turn(on isOn: Bool) throws {
        let changed = state.withLock { kubelet -> Bool in
            guard (kubelet != nil) != isOn else { return false }
            kubelet = isOn ? makeKubelet() : nil
            return true
        }
        guard changed else { return }
        try cable.plug(in: isOn)
        feed.yield(isOn)
    }

    /// Runs what the machine runs, until the task is cancelled.
    func run() async throws {
        var power = switches.makeAsyncIterator()
        while let isOn = await power.next() {
            guard isOn, let kubelet else { continue }
            try await withThrowingDiscardingTaskGroup { group in
                group.addTask { try await kubelet.run() }
                group.addTask { [agent] in await agent.run() }
                while let isOn = await power.next(), isOn {}
                group.cancelAll()
            }
        }
    }
}

extension LabMachine.Cable {
    func plug(in isIn: Bool) throws {
        let host = try KernelHost(fabric)
        guard var link = try host.observe(Interest([])).link(port) else { return }
        let old = link
        link.isUp = isIn
        try host.carryOut([.change(from: .link(old), to: .link(link))])
    }
}
