import Addressing
import PolicyTrials
import Testing

@testable import Cluster
@testable import KubeAPI
@testable import Plan

@Suite(
    "policies with the kernel: every form", .tags(.kernel), .enabled(if: kernelIsThere), .timeLimit(.minutes(5)))
struct PolicyFormKernelTests {
    /// The stage's pods and nodes, as the generator of policies knows them.
    private func world() throws -> TrialWorld {
        func addresses(_ place: String) throws -> [String] {
            try IPFamily.allCases.map { try ServiceStage.address(place, $0).description }
        }
        let pods = try PolicyStage.pods.sorted { $0.key < $1.key }.map { name, place in
            TrialWorld.Pod(
                namespace: place.0, name: name, node: place.1, addresses: try addresses(name),
                labels: ["pod": name, "tier": name == "a" ? "front" : "back"],
                ports: [.init(name: "web", transport: "TCP", number: name == "a" ? 80 : 8080)])
        }
        return TrialWorld(
            namespaces: ["x": ["ns": "x", "team": "red"], "y": ["ns": "y", "team": "blue"], "z": ["ns": "z"]],
            nodes: [
                TrialWorld.Node(name: "n1", addresses: try addresses("node"), labels: ["rack": "left", "disk": "fast"])
            ],
            pods: pods, outside: [try addresses("client")])
    }

    /// As few sets as have every form between them that policies of the cluster can have.
    private func trials() throws -> [PolicyTrial] {
        let world = try world()
        var missing = Set(PolicyForm.allCases.filter(\.isOfClusterPolicies))
        var chosen: [PolicyTrial] = []
        for seed in UInt64(0)..<2000 where !missing.isEmpty {
            let trial = PolicyTrial(seed: seed, in: world)
            guard !missing.isDisjoint(with: trial.forms) else { continue }
            missing.subtract(trial.forms)
            chosen.append(trial)
        }
        #expect(missing.isEmpty)
        return chosen
    }

    @Test("that policies of the cluster can have is enforced as the evaluator says, also after changes")
    func clusterPolicies() throws {
        let stage = try PolicyStage()
        for port in PolicyStage.ports { try stage.stage.answer("node", port: port) }
        for trial in try trials() {
            var dice = Dice(seed: trial.seed)
            var policies: Set<ObjectKey> = []
            for tree in trial.start { try put(tree, stage, &policies) }
            try compare(stage, &dice, trial)
            for change in trial.changes {
                switch change {
                case .put(let tree): try put(tree, stage, &policies)
                // Pods and namespaces stay: there are packets of theirs.
                case .delete(let name):
                    let key = policies.first { $0.kind == name.kind && $0.namespace == name.namespace && $0.name == name.name }
                    if let key { try stage.remove([key]) }
                }
                try compare(stage, &dice, trial)
            }
            try stage.remove(Array(policies))
        }
    }

    private func put(_ tree: Tree, _ stage: PolicyStage, _ policies: inout Set<ObjectKey>) throws {
        let read = try Registry.standard.read(JSONReader().value(Array(tree.description.utf8))).object
        guard let object = read else { return }
        try stage.set(object)
        if object is NetworkPolicy || object is ClusterNetworkPolicy { policies.insert(object.key) }
    }

    private func compare(_ stage: PolicyStage, _ dice: inout Dice, _ trial: PolicyTrial) throws {
        for (place, pod) in [("a", "b"), ("b", "a"), ("a", "c"), ("client", "a"), ("client", "b"), ("a", "node")] {
            let transport = [TransportProtocol.tcp, .udp, .sctp].randomElement(using: &dice) ?? .tcp
            let family = IPFamily.allCases.randomElement(using: &dice) ?? .v4
            let port = PolicyStage.ports.randomElement(using: &dice) ?? 80
            try PolicyKernelTests.check(stage, place, pod, transport, family, port, "\(trial)")
        }
    }
}
