extension PolicyMaker {
    /// A few ClusterNetworkPolicies. No two of a tier have one priority: which of them comes first is nobody's promise.
    mutating func clusterPolicies(_ others: [Tree]) -> [Tree] {
        if !others.isEmpty { note(.clusterBesideNetworkPolicy) }
        var priorities: [String: Set<Int>] = [:]
        return (0..<dice.number(1...4)).map { number in
            let tier = dice.one(of: ["Admin", "Baseline"])
            note(tier == "Admin" ? .clusterAdmin : .clusterBaseline)
            var priority = dice.number(0...1000)
            while priorities[tier]?.contains(priority) == true { priority = (priority + 1) % 1001 }
            priorities[tier, default: []].insert(priority)
            if priorities[tier]?.count == 2 { note(.clusterOfSeveralPriorities) }
            return clusterPolicy("c\(number)", tier, priority)
        }
    }

    mutating func clusterPolicy(_ name: String, _ tier: String, _ priority: Int) -> Tree {
        var spec: Tree = ["tier": .text(tier), "priority": .number(priority), "subject": clusterSubject()]
        let directions = dice.one(of: [["ingress"], ["egress"], ["ingress", "egress"]])
        if directions.count == 2 { note(.clusterOfBothDirections) }
        for direction in directions {
            let count = dice.number(1...4)
            if count > 1 { note(.clusterOfSeveralRules) }
            spec[direction] = .list((0..<count).map { clusterRule(direction == "egress", $0) })
        }
        // What has no place in the order stands before all others: two such would have no order among themselves.
        if name == "c0", spoils() {
            if dice.chance(1, in: 2) {
                note(.clusterUnreadableTier)
                spec["tier"] = dice.one(of: ["admin", "Default", 7])
            } else {
                note(.clusterUnreadablePriority)
                spec["priority"] = dice.one(of: [1001, -1, "high"])
            }
        }
        return [
            "apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicy", "metadata": ["name": .text(name)],
            "spec": spec,
        ]
    }

    private mutating func clusterSubject() -> Tree {
        if spoils() {
            note(.clusterUnreadableSubject)
            return dice.one(of: [
                [:], ["namespaces": [:], "pods": ["namespaceSelector": [:], "podSelector": [:]]],
                ["namespaces": unreadableSelector(of: .namespaces)], "all",
            ])
        }
        if dice.chance(1, in: 2) {
            note(.clusterSubjectNamespaces)
            return ["namespaces": anySelector(of: .namespaces)]
        }
        note(.clusterSubjectPods)
        return ["pods": namespacedPod()]
    }

    private mutating func anySelector(of meant: Meant) -> Tree { dice.chance(1, in: 3) ? [:] : selector(of: meant) }

    private mutating func namespacedPod() -> Tree {
        guard dice.chance(4, in: 5) else {
            note(.clusterNamespacesLeftOut)
            return ["podSelector": anySelector(of: .pods)]
        }
        return ["namespaceSelector": anySelector(of: .namespaces), "podSelector": anySelector(of: .pods)]
    }

    // MARK: - Rules

    private mutating func clusterRule(_ isEgress: Bool, _ position: Int) -> Tree {
        if spoils(), dice.chance(1, in: 4) {
            note(.clusterUnreadableRule)
            return dice.one(of: ["all", 7])
        }
        let action = dice.one(of: ["Accept", "Deny", "Pass"])
        note(action == "Accept" ? .clusterAccept : action == "Deny" ? .clusterDeny : .clusterPass)
        var rule: Tree = ["action": .text(action), "name": .text("rule-\(position)")]
        let peers = isEgress ? "to" : "from"
        let count = dice.number(1...2)
        if count > 1 { note(.clusterPeersSeveral) }
        rule[peers] = .list((0..<count).map { _ in clusterPeer(isEgress) })
        let isOfPods = rule[peers]?.list?.allSatisfy { $0["networks"] == nil && $0["nodes"] == nil } == true
        if dice.chance(1, in: 2) {
            note(.clusterProtocolsLeftOut)
        } else {
            let count = dice.number(1...2)
            if count > 1 { note(.clusterProtocolsSeveral) }
            rule["protocols"] = .list((0..<count).map { _ in clusterProtocol(mayBeName: isOfPods) })
        }
        if spoils() { spoil(&rule, action, peers) }
        return rule
    }

    private mutating func clusterPeer(_ isEgress: Bool) -> Tree {
        switch dice.number(0...(isEgress ? 5 : 3)) {
        case 0, 1:
            note(.clusterPeerNamespaces)
            return ["namespaces": anySelector(of: .namespaces)]
        case 2, 3:
            note(.clusterPeerPods)
            return ["pods": namespacedPod()]
        case 4:
            note(.clusterPeerNodes)
            return ["nodes": anySelector(of: .nodes)]
        default:
            note(.clusterPeerNetworks)
            let blocks = Set((0..<dice.number(1...2)).map { _ in block() }).map { block in
                note(block.address.isIPv4 ? .clusterNetworks4 : .clusterNetworks6)
                return block.tree
            }
            // A set has no order of its own that the seed could give again.
            return ["networks": .list(blocks.sorted { $0.description < $1.description })]
        }
    }

    private mutating func clusterProtocol(mayBeName: Bool) -> Tree {
        if mayBeName, dice.chance(1, in: 3) {
            note(.clusterPortName)
            return ["destinationNamedPort": .text(dice.one(of: ["web", "lookup", "signal", "nobody"]))]
        }
        let transport = dice.one(of: ["tcp", "tcp", "udp", "sctp"])
        note(transport == "tcp" ? .clusterTCP : transport == "udp" ? .clusterUDP : .clusterSCTP)
        if dice.chance(1, in: 3) {
            note(.clusterPortRange)
            let (first, last) = dice.one(of: [(80, 81), (81, 90), (1, 79), (8000, 8100), (1, 65535)])
            return [transport: ["destinationPort": ["range": ["start": .number(first), "end": .number(last)]]]]
        }
        note(.clusterPortNumber)
        return [transport: ["destinationPort": ["number": .number(dice.one(of: [80, 81, 8090, 7]))]]]
    }

    // MARK: - What cannot be read

    private mutating func spoil(_ rule: inout Tree, _ action: String, _ peers: String) {
        let isEgress = peers == "to"
        note(action == "Accept" ? .clusterUnreadableAccept : action == "Deny" ? .clusterUnreadableDeny : .clusterUnreadablePass)
        switch dice.number(0...(isEgress ? 8 : 5)) {
        case 0:
            note(.clusterUnreadableAction)
            rule["action"] = dice.one(of: ["Allow", "accept", 7, ""])
        case 1:
            note(.clusterPeerOfNothing)
            rule[peers] = dice.one(of: [[[:]], [["namespaces": [:]], ["groups": ["a"]]], [], "all", [7]])
        case 2:
            note(.clusterPeerOfTwo)
            rule[peers] = [["namespaces": [:], "pods": ["namespaceSelector": [:], "podSelector": [:]]]]
        case 3:
            note(.clusterUnreadableSelector)
            let spoilt: Tree = ["namespaces": unreadableSelector(of: .namespaces)]
            rule[peers] = [["namespaces": [:]], dice.one(of: [spoilt, ["pods": ["namespaceSelector": [:]]]])]
        case 4:
            note(.clusterUnreadableRange)
            let ranges: [Tree] = [["start": 81, "end": 81], ["start": 90, "end": 81], ["start": 81], ["start": 0, "end": 9]]
            rule["protocols"] = [["tcp": ["destinationPort": ["range": dice.one(of: ranges)]]]]
        case 5:
            note(.clusterUnreadablePort)
            rule["protocols"] = dice.one(of: [
                [], [[:]], [["tcp": [:]]], [["tcp": ["destinationPort": [:]]]], [["icmp": [:]]], [7], "tcp",
                [["tcp": ["destinationPort": ["number": 70000]]]], [["udp": ["destinationPort": ["number": "80"]]]],
                [["tcp": ["destinationPort": ["number": 80]], "destinationNamedPort": "web"]], [["destinationNamedPort": ""]],
                [["tcp": ["destinationPort": ["number": 80, "range": ["start": 1, "end": 2]]]]],
            ])
        case 6:
            note(.clusterUnreadableCIDR)
            rule["to"] = [["networks": dice.one(of: [["x"], [], ["198.51.100.0/24", "198.51.100.0/33"], "198.51.100.0/24"])]]
        case 7:
            note(.clusterNameBesideNetworks)
            rule["to"] = [["pods": ["namespaceSelector": [:], "podSelector": [:]]], ["networks": ["0.0.0.0/0"]]]
            rule["protocols"] = [["destinationNamedPort": "web"]]
        default:
            note(.clusterDomainNames)
            rule["to"] = [["domainNames": ["*.example.org"]]]
        }
    }
}
