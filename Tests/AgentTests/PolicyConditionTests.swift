import KubeAPI
import KubeClient
import Testing

@testable import Agent

@Suite("what policies are told in their status") struct PolicyConditionTests {
    private func policy(_ peer: JSONValue, generation: Int64 = 1, isTold: Bool = false) throws -> ClusterNetworkPolicy {
        let tree: JSONValue = [
            "apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicy",
            "metadata": ["name": "lock", "generation": .number(JSONNumber(generation))],
            "spec": [
                "tier": "Admin", "priority": 1, "subject": ["namespaces": [:]],
                "egress": [["action": "Accept", "to": [peer]]],
            ],
            "status": ["conditions": isTold ? [["type": .string(PolicyConditions.type), "status": "False"]] : []],
        ]
        return try #require(Registry.standard.read(tree).object as? ClusterNetworkPolicy)
    }

    private let names: JSONValue = ["domainNames": ["example.org."]]
    private let networks: JSONValue = ["networks": ["192.0.2.0/24"]]

    @Test("that something is not enforced is said once for each generation, and taken back when all of it is")
    func story() throws {
        var conditions = PolicyConditions()
        let first = try #require(conditions.notes(on: [try policy(names)]).first)
        #expect(first.name == "lock" && first.generation == 1 && first.resource == ClusterNetworkPolicy.resource)
        #expect(first.condition.status == .false && first.condition.reason == "PolicyDomainNames")
        #expect(first.condition.message.contains("spec.egress[0] has domainNames"))
        #expect(conditions.notes(on: [try policy(names, isTold: true)]).isEmpty)
        #expect(conditions.notes(on: [try policy(names, generation: 2)]).count == 1)
        let last = try #require(conditions.notes(on: [try policy(networks, generation: 3)]).first)
        #expect(last.condition.status == .true && last.generation == 3)
        #expect(conditions.notes(on: [try policy(networks, generation: 3)]).isEmpty)
        #expect(conditions.notes(on: [try policy(networks, generation: 4)]).isEmpty)
    }

    @Test("of one that was always well nothing is said; what an earlier agent said is taken back")
    func quiet() throws {
        var conditions = PolicyConditions()
        #expect(conditions.notes(on: [try policy(networks)]).isEmpty)
        #expect(conditions.notes(on: [try policy(networks, isTold: true)]).map(\.condition.status) == [.true])
    }

    @Test("one that is tried out is told so, and that it is in force when it is")
    func shadow() throws {
        var conditions = PolicyConditions()
        var policy = try policy(networks)
        policy.metadata.annotations["tulle.dev/policy-mode"] = "shadow"
        #expect(conditions.notes(on: [policy]).map(\.condition.reason) == ["Shadow"])
        // An annotation makes no other generation.
        policy.metadata.annotations = [:]
        #expect(conditions.notes(on: [policy]).map(\.condition.status) == [.true])
    }

    @Test("one that went and comes again is told again")
    func again() throws {
        var conditions = PolicyConditions()
        #expect(conditions.notes(on: [try policy(names)]).count == 1)
        #expect(conditions.notes(on: []).isEmpty)
        #expect(conditions.notes(on: [try policy(names)]).count == 1)
    }
}
