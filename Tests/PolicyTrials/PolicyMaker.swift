/// Makes policies by chance, and writes down what forms they have.
struct PolicyMaker {
    var dice: Dice
    var forms: Set<PolicyForm> = []
    let world: TrialWorld
    /// Whether a part may be one that cannot be read.
    private(set) var mayBeUnreadable = false
    /// Its own, so that what else a seed makes is what it made before there were shadows.
    private var shade: Dice

    init(seed: UInt64, _ world: TrialWorld) {
        dice = Dice(seed: seed)
        shade = Dice(seed: ~seed)
        self.world = world
    }

    mutating func note(_ form: PolicyForm) { forms.insert(form) }

    /// Once in a while, in some sets.
    mutating func spoils() -> Bool { mayBeUnreadable && dice.chance(1, in: 7) }

    // MARK: - Histories

    mutating func history(
        hasClusterPolicies: Bool, isReadable: Bool
    ) -> (start: [Tree], changes: [PolicyTrial.Change]) {
        mayBeUnreadable = dice.chance(1, in: 3) && !isReadable
        let namespaces = world.namespaces.keys.sorted()
        // Most stand in one namespace, so that they meet on its pods.
        let home = dice.one(of: namespaces)
        var policies: [Tree] = (0..<dice.number(0...4)).map { number in
            networkPolicy("p\(number)", in: dice.chance(3, in: 4) ? home : dice.one(of: namespaces))
        }
        if policies.count > 1 { noteSeveral(policies) }
        if hasClusterPolicies, policies.isEmpty || dice.chance(1, in: 2) { policies += clusterPolicies(policies) }
        policies = policies.map { shaded($0) }
        let areShadows = policies.map { SlowJudge.isShadow($0) }
        if areShadows.contains(true), areShadows.contains(false) { note(.shadowBesideEnforced) }
        var start = world.objects + policies
        var changes: [PolicyTrial.Change] = []
        for number in 0..<dice.number(0...3) { change(number, home, policies, &start, &changes) }
        return (start, changes)
    }

    private mutating func noteSeveral(_ policies: [Tree]) {
        let whole = policies.filter { $0.at("spec", "podSelector") == [:] }
        let namespaces = whole.compactMap { $0.at("metadata", "namespace")?.text }
        if Set(namespaces).count < namespaces.count { note(.severalOnOnePod) }
    }

    private mutating func change(
        _ number: Int, _ home: String, _ policies: [Tree], _ start: inout [Tree], _ changes: inout [PolicyTrial.Change]
    ) {
        let pods = world.pods.filter { !$0.usesHostNetwork }
        var pod = dice.one(of: pods)
        switch dice.number(0...8) {
        case 0:
            note(.policyCreated)
            changes.append(.put(shaded(networkPolicy("new\(number)", in: home))))
        case 1:
            guard !policies.isEmpty else { return }
            changes.append(.put(shaded(changed(dice.one(of: policies)))))
        case 2:
            guard !policies.isEmpty else { return }
            let name = dice.one(of: policies).name
            note(name.kind == "NetworkPolicy" ? .policyDeleted : .clusterPolicyDeleted)
            changes.append(.delete(name))
        case 3:
            note(.podCreated)
            start.removeAll { $0.name == pod.tree.name }
            changes.append(.put(pod.tree))
        case 4:
            note(.podRelabelled)
            pod.labels["pod"] = dice.one(of: ["a", "b", "c"])
            pod.labels["tier"] = dice.chance(1, in: 2) ? nil : dice.one(of: ["front", "back"])
            changes.append(.put(pod.tree))
        case 5:
            note(.podDeleted)
            changes.append(.delete(pod.tree.name))
        case 6:
            note(.namespaceRelabelled)
            changes.append(
                .put(TrialWorld.namespace(pod.namespace, ["ns": pod.namespace, "team": dice.one(of: ["red", "blue"])])))
        case 7:
            note(.namespaceCreated)
            let object = TrialWorld.namespace(pod.namespace, world.namespaces[pod.namespace] ?? [:])
            start.removeAll { $0.name == object.name }
            changes.append(.put(object))
        default:
            note(.namespaceDeleted)
            changes.append(.delete(Tree.Name("Namespace", "", pod.namespace)))
        }
    }
}

extension PolicyMaker {
    /// Another policy of the same name; one of the cluster keeps its place in the order.
    private mutating func changed(_ policy: Tree) -> Tree {
        guard policy["kind"] != "NetworkPolicy" else {
            note(.policyChanged)
            return networkPolicy(policy.name.name, in: policy.name.namespace)
        }
        note(.clusterPolicyChanged)
        var new = clusterPolicy(policy.name.name, "Admin", 0)
        for field in ["tier", "priority"] {
            var spec = new["spec"] ?? [:]
            spec[field] = policy.at("spec", field)
            new["spec"] = spec
        }
        return new
    }
}

// MARK: - Shadows

extension PolicyMaker {
    /// Some policies are tried out, and some have an annotation that looks so.
    private mutating func shaded(_ policy: Tree) -> Tree {
        let isShadow = shade.chance(1, in: 5)
        guard isShadow || shade.chance(1, in: 8) else { return policy }
        note(!isShadow ? .annotationOfNoShadow : policy["kind"] == "NetworkPolicy" ? .shadow : .clusterShadow)
        var shaded = policy
        var metadata = policy["metadata"] ?? [:]
        metadata["annotations"] = [
            "tulle.dev/policy-mode": isShadow ? "shadow" : shade.one(of: ["Shadow", "enforce", "", "shadows"])
        ]
        shaded["metadata"] = metadata
        return shaded
    }
}

// MARK: - Selectors

extension PolicyMaker {
    enum Meant { case pods, namespaces, nodes }

    /// A selector that means some; the empty one is the callers'.
    mutating func selector(of meant: Meant) -> Tree {
        var selector: Tree = [:]
        if dice.chance(1, in: 2) {
            let (key, values) = label(of: meant)
            note(.selectorLabels)
            selector["matchLabels"] = [key: .text(dice.one(of: values))]
        }
        if selector == [:] || dice.chance(1, in: 4) {
            selector["matchExpressions"] = .list((0..<dice.number(1...2)).map { _ in requirement(of: meant) })
        }
        return selector
    }

    private mutating func requirement(of meant: Meant) -> Tree {
        let (key, values) = label(of: meant)
        switch dice.number(0...3) {
        case 0:
            note(.selectorIn)
            return ["key": .text(key), "operator": "In", "values": some(of: values)]
        case 1:
            note(.selectorNotIn)
            return ["key": .text(key), "operator": "NotIn", "values": some(of: values)]
        case 2:
            note(.selectorExists)
            return ["key": .text(key), "operator": "Exists"]
        default:
            note(.selectorDoesNotExist)
            return ["key": .text(key), "operator": "DoesNotExist"]
        }
    }

    private mutating func some(of values: [String]) -> Tree {
        let some = values.filter { _ in dice.chance(1, in: 2) }
        return .list((some.isEmpty ? [dice.one(of: values)] : some).map(Tree.text))
    }

    private mutating func label(of meant: Meant) -> (key: String, values: [String]) {
        let labels: [(String, [String])] =
            switch meant {
            case .pods:
                [("pod", ["a", "b", "c"]), ("tier", ["front", "back"]), ("example.org/key", ["", "1"]), ("absent", ["a"])]
            case .namespaces:
                [("ns", ["x", "y", "z"]), ("team", ["red", "blue"]), ("kubernetes.io/metadata.name", ["x", "y", "z"])]
            case .nodes: [("rack", ["left", "right"]), ("disk", ["fast", "slow"])]
            }
        let label = dice.one(of: labels)
        if label.0 == "kubernetes.io/metadata.name" { note(.selectorOfName) }
        return label
    }

    /// A selector that breaks a rule of selectors.
    mutating func unreadableSelector(of meant: Meant) -> Tree {
        let key = Tree.text(label(of: meant).key)
        switch dice.number(0...4) {
        case 0:
            note(.unreadableOperator)
            return [
                "matchExpressions": [["key": key, "operator": .text(dice.one(of: ["in", "Gt", "Equals", ""])), "values": ["a"]]]
            ]
        case 1:
            note(.unreadableValues)
            return ["matchExpressions": [["key": key, "operator": .text(dice.one(of: ["In", "NotIn"])), "values": []]]]
        case 2:
            note(.unreadableValues)
            return [
                "matchExpressions": [["key": key, "operator": .text(dice.one(of: ["Exists", "DoesNotExist"])), "values": ["a"]]]
            ]
        case 3:
            note(.unreadableLabel)
            return ["matchLabels": .map([key.text ?? "": dice.one(of: ["-", "a b", 7])])]
        default:
            note(.unreadableLabel)
            return ["matchLabels": .map([dice.one(of: ["-a", "a/b/c", ""]): "a"])]
        }
    }
}

// MARK: - Ranges of addresses

extension PolicyMaker {
    /// A range around somebody of the world.
    mutating func block(of family: Int? = nil) -> Block {
        let families = (0...1).filter { !world.ends(family: $0).isEmpty }
        let family = family ?? dice.one(of: families)
        let all = world.ends(family: family).compactMap { Octets($0.address) }
        let address = dice.one(of: all)
        let length = dice.one(of: address.isIPv4 ? [0, 8, 24, 27, 28, 30, 31, 32] : [0, 32, 48, 64, 112, 120, 127, 128])
        return Block(address.masked(to: length), length)
    }

    /// A smaller range within one that is not the smallest.
    mutating func exception(of block: Block) -> Block {
        let inside = (0...1).flatMap { world.ends(family: $0) }.compactMap { Octets($0.address) }.filter(block.contains)
        let address = dice.one(of: inside)
        let length = dice.number(block.length + 1...address.bytes.count * 8)
        return Block(address.masked(to: length), length)
    }
}

extension Block {
    var tree: Tree { .text("\(address)/\(length)") }
    var isSmallest: Bool { length == address.bytes.count * 8 }

    /// The same with a bit set beyond the length.
    var withHostBits: Block {
        var address = address
        address.bytes[address.bytes.count - 1] |= 1
        return Block(address, min(length, address.bytes.count * 8 - 1))
    }
}
