extension SlowJudge {
    /// A rule that means a pod and another end, or may.
    struct TierRule {
        var title: String
        var action: Action
        /// `nil` for all traffic.
        var protocols: [Tree]?

        enum Action { case accept, deny, pass }
    }

    private enum Certainty { case no, maybe, yes }

    /// What the rules of a tier say in their order; `nil` when they leave it to the next tier.
    func decision(_ rules: [TierRule], _ question: TrialWorld.Question, _ target: End) -> Side? {
        for rule in rules {
            guard rule.protocols?.contains(where: { names(protocol: $0, question, target) }) ?? true else { continue }
            switch rule.action {
            case .accept: return .decided(isAllowed: true, by: rule.title)
            case .deny: return .decided(isAllowed: false, by: rule.title)
            case .pass: return nil
            }
        }
        return nil
    }

    /// The rules of a tier that concern a pair, in the order in which they are asked.
    func tier(_ name: String, _ direction: String, of end: End, with other: End) -> [TierRule] {
        clusterPolicies.filter { $0.tier == name }.flatMap { placed -> [TierRule] in
            let subject = isSubject(placed.policy.at("spec", "subject"), end)
            guard subject != .no else { return [] }
            return (placed.policy.at("spec", direction)?.list ?? []).enumerated().compactMap { position, rule in
                let title = "\(placed.policy.name) spec.\(direction)[\(position)]"
                return self.rule(rule, title, direction, other, subject, isPlaced: placed.isKnown)
            }
        }
    }

    /// A policy with its place in the order. What stands nowhere in it stands before all others, and then opens nothing.
    struct Placed: Sendable {
        var policy: Tree
        var tier = "Admin"
        var priority = -1
        var isKnown = false

        init(_ policy: Tree) {
            self.policy = policy
            guard let tier = policy.at("spec", "tier")?.text, ["Admin", "Baseline"].contains(tier),
                let priority = policy.at("spec", "priority")?.number, (0...1000).contains(priority)
            else { return }
            (self.tier, self.priority, isKnown) = (tier, priority, true)
        }
    }

    private func rule(
        _ rule: Tree, _ title: String, _ direction: String, _ other: End, _ subject: Certainty, isPlaced: Bool
    ) -> TierRule? {
        let isReadable = isPlaced && Self.isReadable(rule, direction)
        let denial = TierRule(title: title, action: .deny, protocols: isReadable ? rule["protocols"]?.list : nil)
        if !isReadable { return rule["action"] == "Accept" ? nil : denial }
        let peers = (rule[direction == "ingress" ? "from" : "to"]?.list ?? []).map { isMeant($0, other) }
        let peer = peers.contains(.yes) ? Certainty.yes : peers.contains(.maybe) ? .maybe : .no
        guard peer != .no else { return nil }
        let isSure = peer == .yes && subject == .yes
        switch rule["action"]?.text {
        case "Accept": return isSure ? TierRule(title: title, action: .accept, protocols: rule["protocols"]?.list) : nil
        case "Pass": return isSure ? TierRule(title: title, action: .pass, protocols: rule["protocols"]?.list) : denial
        default: return denial
        }
    }

    // MARK: - Who is meant

    private func isSubject(_ subject: Tree?, _ end: End) -> Certainty {
        guard let map = subject?.map, map.count == 1 else { return .no }
        return isMeant(map: map, end)
    }

    private func isMeant(_ peer: Tree, _ other: End) -> Certainty {
        if let nodes = peer["nodes"] {
            return labels(ofNodesAt: other.address).contains { Selector(nodes)?.means($0) == true } ? .yes : .no
        }
        if let networks = peer["networks"]?.list {
            return networks.compactMap { $0.text.flatMap(Block.init) }.contains { $0.contains(other.address) } ? .yes : .no
        }
        return isMeant(map: peer.map ?? [:], other)
    }

    private func isMeant(map: [String: Tree], _ end: End) -> Certainty {
        guard end.pod != nil else { return .no }
        // "if empty, it selects all Namespaces."
        let namespaceSelector = map["namespaces"] ?? map["pods"]?["namespaceSelector"] ?? [:]
        let podSelector = map["namespaces"] != nil ? [:] : map["pods"]?["podSelector"]
        guard let namespaces = Selector(namespaceSelector), let pods = podSelector.flatMap(Selector.init) else {
            return .no
        }
        guard pods.means(end.podLabels) else { return .no }
        guard let labels = labels(ofNamespace: end.namespace) else { return .maybe }
        return namespaces.means(labels) ? .yes : .no
    }

    private func names(protocol tree: Tree, _ question: TrialWorld.Question, _ target: End) -> Bool {
        guard let transport = question.transport else { return false }
        if let name = tree["destinationNamedPort"]?.text { return calls(target, name, transport, question.port) }
        guard let port = tree[transport.lowercased()]?["destinationPort"] else { return false }
        if let number = port["number"]?.number { return number == question.port }
        guard let first = port.at("range", "start")?.number, let last = port.at("range", "end")?.number else { return false }
        return (first...last).contains(question.port)
    }

    // MARK: - What can be read

    private static func isReadable(_ rule: Tree, _ direction: String) -> Bool {
        if let name = rule["name"], name.text == nil { return false }
        guard let action = rule["action"]?.text, ["Accept", "Deny", "Pass"].contains(action) else { return false }
        guard let peers = rule[direction == "ingress" ? "from" : "to"]?.list, !peers.isEmpty else { return false }
        guard peers.allSatisfy({ isReadable(peer: $0, direction) }) else { return false }
        guard let field = rule["protocols"] else { return true }
        guard let protocols = field.list, !protocols.isEmpty, protocols.allSatisfy(isReadable(protocol:)) else { return false }
        // "You can't use this in a rule that targets resources without named ports."
        let areAllPods = peers.allSatisfy { $0["networks"] == nil && $0["nodes"] == nil }
        return areAllPods || protocols.allSatisfy { $0["destinationNamedPort"] == nil }
    }

    private static func isReadable(peer: Tree, _ direction: String) -> Bool {
        guard let map = peer.map, map.count == 1, let (field, value) = map.first else { return false }
        switch field {
        case "namespaces": return Selector(value) != nil
        case "pods":
            guard let pods = value["podSelector"] else { return false }
            return Selector(value["namespaceSelector"] ?? [:]) != nil && Selector(pods) != nil
        case "nodes" where direction == "egress": return Selector(value) != nil
        case "networks" where direction == "egress":
            guard let list = value.list, !list.isEmpty else { return false }
            return list.allSatisfy { $0.text.flatMap(Block.init) != nil }
        default: return false
        }
    }

    private static func isReadable(protocol tree: Tree) -> Bool {
        guard let map = tree.map, map.count == 1, let (field, value) = map.first else { return false }
        if field == "destinationNamedPort" { return value.text?.isEmpty == false }
        guard ["tcp", "udp", "sctp"].contains(field), let port = value["destinationPort"]?.map, port.count == 1 else {
            return false
        }
        if let number = port["number"]?.number { return (1...65535).contains(number) }
        guard let first = port["range"]?["start"]?.number, let last = port["range"]?["end"]?.number else { return false }
        return first < last && (1...65535).contains(first) && (1...65535).contains(last)
    }
}
