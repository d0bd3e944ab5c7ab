import NFTablesKernel
import Netlink
import Plan

extension PolicyKeeper {
    /// In a namespace. Each settling opens a socket: it is little beside a transaction.
    convenience init(_ settings: AgentSettings, in namespace: NetworkNamespace) {
        let isOurs = settings.duties.contains(.policies)
        self.init(
            node: settings.node, isOurs: isOurs,
            connections: settings.cutsConnections ? KernelPolicyConnections(namespace: namespace) : nil,
            log: settings.policyLog, count: { try KernelTables(in: namespace).ruleCounts(in: $0) },
            survey: { BridgeSurvey(namespace: namespace).problems($0) }
        ) { try KernelTables(in: namespace) }
    }
}
