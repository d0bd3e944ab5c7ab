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
    /// A kubelet when the power comes on, `nil` when it goes off.
    private let switches: AsyncStream<KubeletService?>
    private let feed: AsyncStream<KubeletService?>.Continuation
    /// Over when it is taken away.
    private let end: AsyncStream<Never>
    private let ending: AsyncStream<Never>.Continuation

    /// The fabric's end of the node's link.
    struct Cable: Sendable {
        var fabric: NetworkNamespace
        var port: String
    }

    /// - Parameter makeKubelet: called each time the power comes on; a kubelet works once.
    init(_ name: String, cable: Cable, agent: LabPart, makeKubelet: @escaping @Sendable () -> KubeletService) {
        (self.name, self.cable, self.agent, self.makeKubelet) = (name, cable, agent, makeKubelet)
        (switches, feed) = AsyncStream.makeStream()
        (end, ending) = AsyncStream.makeStream()
        let kubelet = makeKubelet()
        state = Mutex(kubelet)
        feed.yield(kubelet)
    }

    /// `nil` while the power is off.
    var kubelet: KubeletService? { state.withLock { $0 } }

    /// Turns the power on or off; what it has already it keeps. Returns at once.
    func turn(on isOn: Bool) throws {
        try state.withLock { kubelet in
            guard (kubelet != nil) != isOn else { return }
            try cable.plug(in: isOn)
            kubelet = isOn ? makeKubelet() : nil
            feed.yield(kubelet)
        }
    }

    /// Ends what it runs, for good, and waits until that has ended.
    func takeAway() async {
        feed.finish()
        for await _ in end {}
    }

    /// Runs what the machine runs, until the task is cancelled or the machine is taken away.
    func run() async throws {
        defer { ending.finish() }
        var power = switches.makeAsyncIterator()
        while let now = await power.next() {
            guard let kubelet = now else { continue }
            try await withThrowingDiscardingTaskGroup { group in
                group.addTask { try await kubelet.run() }
                group.addTask { [agent] in await agent.run() }
                while let now = await power.next(), now != nil {}
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
