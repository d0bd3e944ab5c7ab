import Addressing
import Cluster
import HostNetworkKernel
package import KubeAPI
import NFTablesKernel
package import Netlink
package import Plan

/// The rounds of a node without the rest of an agent, for who measures what they cost: no timer, no news, no pods.
package struct RoundsAlone: ~Copyable {
    private var keeper: NodeKeeper<KernelTables>

    /// - Parameter namespace: the node's.
    package init(of node: String, in namespace: NetworkNamespace, network: NetworkSettings) throws {
        keeper = NodeKeeper(
            node: node, host: try KernelHost(namespace), tables: try KernelTables(in: namespace), pods: NoAttachments(),
            network: network)
    }

    /// Takes these objects for all there are, and carries out what they ask for.
    ///
    /// - Returns: how many steps were said to the kernel.
    package mutating func list(_ objects: [any KubernetesObject]) throws -> Int {
        _ = keeper.list(objects)
        return try check()
    }

    /// An object came or changed.
    ///
    /// - Returns: how many steps were said to the kernel.
    package mutating func set(_ object: any KubernetesObject) throws -> Int {
        guard case .keys(let keys) = keeper.set(object) else { return try check() }
        return try settled(try keeper.settle(keys, at: .zero))
    }

    /// Compares everything with the kernel.
    package mutating func check() throws -> Int {
        return try settled(try keeper.settleAll(at: .zero))
    }

    /// Where a measurement begins, nothing may be wrong.
    private func settled(_ outcome: NodeKeeper<KernelTables>.Outcome) throws -> Int {
        guard let problem = keeper.problems.first else { return outcome.steps.count }
        throw KernelError(.inputOutput, "settle a node", explanation: "\(problem)")
    }
}
