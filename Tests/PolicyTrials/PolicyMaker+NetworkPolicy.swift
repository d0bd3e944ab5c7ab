extension PolicyMaker {
    mutating func networkPolicy(_ name: String, in namespace: String) -> Tree {
        var spec: Tree = ["podSelector": subject()]
        let directions = [["Ingress"], ["Egress"], ["Ingress", "Egress"]]
        switch dice.number(0...9) {
        case 0:
            let types = dice.one(of: directions)
            note(types.count == 2 ? .denyBoth : types == ["Ingress"] ? .denyIngress : .denyEgress)
            spec["policyTypes"] = .list(types.map(Tree.text))
        case 1:
            note(.allowAllIngress)
            spec["ingress"] = [[:]]
        case 2:
            note(.allowAllEgress)
            spec["policyTypes"] = ["Egress"]
            spec["egress"] = [[:]]
        case 3: leaveTypesOut(&spec)
        case 4:
            note(.exceptionOpenedElsewhere)
            spec["ingress"] = exceptionOpenedElsewhere("from")
        default:
            let types = dice.one(of: directions)
            spec["policyTypes"] = spoils() ? unreadableTypes() : .list(types.map(Tree.text))
            if types.count == 2 { note(.rulesOfBothDirections) }
            for type in types { spec[type.lowercased()] = rules(type == "Ingress" ? "from" : "to") }
            if types == ["Ingress"], dice.chance(1, in: 5) {
                note(.rulesWithoutTheirType)
                spec["egress"] = rules("to")
            }
        }
        return [
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": ["name": .text(name), "namespace": .text(namespace)], "spec": spec,
        ]
    }

    private mutating func subject() -> Tree {
        if spoils() {
            note(.unreadableSubject)
            return unreadableSelector(of: .pods)
        }
        if dice.chance(1, in: 3) {
            note(.subjectAll)
            return [:]
        }
        let selector = selector(of: .pods)
        note(selector["matchExpressions"] == nil ? .subjectLabels : .subjectExpressions)
        return selector
    }

    private mutating func leaveTypesOut(_ spec: inout Tree) {
        spec["ingress"] = rules("from")
        switch dice.number(0...2) {
        case 0: note(.typesLeftOut)
        case 1:
            note(.typesLeftOutWithEgressRules)
            spec["egress"] = rules("to")
        default:
            note(.typesLeftOutWithEmptyEgress)
            spec["egress"] = []
        }
    }

    private mutating func unreadableTypes() -> Tree {
        note(.unreadableTypes)
        return dice.one(of: ["Ingress", ["ingress"], ["Egress", "Both"], ["Both"], [7]])
    }

    // MARK: - Rules

    private mutating func rules(_ peers: String) -> Tree {
        .list((0..<dice.number(1...3)).map { _ in spoils() && dice.chance(1, in: 2) ? unreadableRule(peers) : rule(peers) })
    }

    private mutating func rule(_ field: String) -> Tree {
        var rule: Tree = [:]
        if dice.chance(1, in: 5) {
            note(.noPeers)
        } else {
            let count = dice.number(1...3)
            if count > 1 { note(.peersSeveral) }
            rule[field] = .list((0..<count).map { _ in peer() })
        }
        if dice.chance(1, in: 3) {
            note(.noPorts)
        } else {
            let count = dice.number(1...2)
            if count > 1 { note(.portsSeveral) }
            rule["ports"] = .list((0..<count).map { _ in port(isIngress: field == "from") })
        }
        return rule
    }

    private mutating func unreadableRule(_ field: String) -> Tree {
        switch dice.number(0...2) {
        case 0:
            note(.unreadableRule)
            return dice.one(of: ["all", 7, [[:]]])
        case 1:
            note(.unreadablePeers)
            return [field: dice.one(of: ["all", [:], [7], ["x/a"]])]
        default:
            note(.unreadablePorts)
            return [field: [["podSelector": [:]], ["namespaceSelector": [:]]], "ports": dice.one(of: [80, [:], [80], ["web"]])]
        }
    }

    /// What the one rule leaves out, the other opens.
    private mutating func exceptionOpenedElsewhere(_ field: String) -> Tree {
        let wide = wideBlock()
        let exception = exception(of: wide)
        let opened = exception.isSmallest ? exception : self.exception(of: exception)
        return [
            [field: [["ipBlock": ["cidr": wide.tree, "except": [exception.tree]]]]],
            [field: [["ipBlock": ["cidr": opened.tree]]]],
        ]
    }

    private mutating func wideBlock() -> Block {
        var block = block()
        while block.isSmallest { block = self.block() }
        return block
    }

    // MARK: - Peers

    private mutating func peer() -> Tree {
        if spoils() { return unreadablePeer() }
        switch dice.number(0...5) {
        case 0:
            note(.peerPods)
            return ["podSelector": selectorOrEmpty(of: .pods)]
        case 1:
            note(.peerNamespaces)
            return ["namespaceSelector": selectorOrEmpty(of: .namespaces)]
        case 2, 3:
            note(.peerBoth)
            return ["namespaceSelector": selectorOrEmpty(of: .namespaces), "podSelector": selectorOrEmpty(of: .pods)]
        default: return ["ipBlock": ipBlock()]
        }
    }

    private mutating func selectorOrEmpty(of meant: Meant) -> Tree {
        guard dice.chance(1, in: 5) else { return selector(of: meant) }
        note(meant == .pods ? .peerEmptyPodSelector : .peerEmptyNamespaceSelector)
        return [:]
    }

    private mutating func ipBlock() -> Tree {
        let block = block()
        note(block.address.isIPv4 ? .block4 : .block6)
        // Some of one length, not by chance: the dice that follow stay as they were.
        let isMapped = block.address.isIPv4 && block.length == 27
        if isMapped { note(.blockMapped) }
        let range = isMapped ? block.mapped.tree : block.tree
        guard !block.isSmallest, dice.chance(1, in: 2) else {
            note(.blockWithoutExcept)
            return ["cidr": range]
        }
        note(.blockExcept)
        return ["cidr": range, "except": .list((0..<dice.number(1...2)).map { _ in exception(of: block).tree })]
    }

    private mutating func unreadablePeer() -> Tree {
        switch dice.number(0...7) {
        case 0: return ["podSelector": unreadableSelector(of: .pods)]
        case 1: return ["namespaceSelector": unreadableSelector(of: .namespaces), "podSelector": selectorOrEmpty(of: .pods)]
        case 2:
            note(.peerOfNothing)
            return dice.one(of: [[:], ["domainNames": ["example.org"]]])
        case 3:
            note(.peerOfBlockAndSelector)
            return ["ipBlock": ipBlock(), "podSelector": [:]]
        case 4:
            note(.unreadableCIDR)
            return ["ipBlock": ["cidr": dice.one(of: ["x", "198.51.100.0/33", "198.51.100.0", "", "198.051.100.0/24"])]]
        case 5:
            note(.hostBits)
            return ["ipBlock": ["cidr": wideBlock().withHostBits.tree]]
        case 6:
            note(.exceptHostBits)
            return ["ipBlock": ["cidr": "0.0.0.0/0", "except": ["198.51.100.1/24"]]]
        default:
            note(.exceptOutside)
            let excepts: [Tree] = ["203.0.113.0/24", "198.51.100.0/24", "198.51.0.0/16", "2001:db8::/48"]
            return ["ipBlock": ["cidr": "198.51.100.0/24", "except": [dice.one(of: excepts)]]]
        }
    }

    // MARK: - Ports

    private mutating func port(isIngress: Bool) -> Tree {
        if spoils() { return unreadablePort() }
        var port: Tree = [:]
        switch dice.number(0...4) {
        case 0:
            note(.protocolLeftOut)
        case 1:
            note(.protocolSCTP)
            port["protocol"] = "SCTP"
        case 2:
            note(.protocolUDP)
            port["protocol"] = "UDP"
        default:
            note(.protocolTCP)
            port["protocol"] = "TCP"
        }
        switch dice.number(0...6) {
        case 0: note(.protocolOnly)
        case 1, 2:
            note(isIngress ? .portNameIngress : .portNameEgress)
            port["port"] = .text(dice.one(of: ["web", "lookup", "signal", "nobody"]))
        case 3:
            note(.portRange)
            let (first, last) = dice.one(of: [(80, 80), (80, 81), (81, 90), (1, 79), (81, 65535), (8000, 8100), (1, 65535)])
            (port["port"], port["endPort"]) = (.number(first), .number(last))
        default:
            note(.portNumber)
            port["port"] = .number(dice.one(of: [80, 81, 8090, 7]))
        }
        return port
    }

    private mutating func unreadablePort() -> Tree {
        switch dice.number(0...4) {
        case 0:
            note(.unreadableProtocol)
            return ["port": 80, "protocol": dice.one(of: ["tcp", "ICMP", 6])]
        case 1:
            note(.unreadablePort)
            return ["port": dice.one(of: [0, 70000, -80, true, "80", "", "Web", [:]])]
        case 2:
            note(.endPortBelow)
            return ["port": 81, "endPort": 80]
        case 3:
            note(.endPortOfName)
            return ["port": "web", "endPort": 90]
        default:
            note(.endPortAlone)
            return dice.one(of: [["endPort": 90], ["port": 80, "endPort": 70000], ["port": 80, "endPort": "81"]])
        }
    }
}
