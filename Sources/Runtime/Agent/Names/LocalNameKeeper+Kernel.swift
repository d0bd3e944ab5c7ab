import Cluster
import NFTablesKernel
import Netlink
import Plan

extension LocalNameKeeper {
    /// In a namespace.
    ///
    /// - Parameter serving: `nil` without the duty.
    convenience init(
        _ settings: AgentSettings, in namespace: NetworkNamespace, policies: PolicyKeeper, serving: (any LocalNameServing)?
    ) {
        self.init(
            settings.names.service, configMap: settings.names.configMap, node: settings.node, isOurs: serving != nil,
            policies: settings.duties.contains(.policies) ? policies : nil, isLogged: settings.policyLog != .none,
            serving: serving,
            loopback: LoopbackAddresses(namespace: namespace),
            count: { try KernelTables(in: namespace).ruleCounters(in: $0) }
        ) { try KernelTables(in: namespace) }
    }
}
