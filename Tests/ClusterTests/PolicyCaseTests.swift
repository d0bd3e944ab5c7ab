import KubeAPI
import PolicyTrials
import Testing

@testable import Cluster

private func policy(_ spec: Tree, name: String = "p", in namespace: String = "x") -> Tree {
    [
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": ["name": .text(name), "namespace": .text(namespace)], "spec": spec,
    ]
}

/// Ingress of all pods of x, open to these rules.
private func ingress(_ rules: Tree) -> Tree { policy(["podSelector": [:], "policyTypes": ["Ingress"], "ingress": rules]) }

@Suite("the cases of network policies that have a twist") struct PolicyCaseTests {
    @Test("an address in both cidr and except of one rule but allowed by a second rule is allowed") func exception() throws {
        let both = try PolicyCourt([
            ingress([
                ["from": [["ipBlock": ["cidr": "203.0.113.0/24", "except": ["203.0.113.0/28"]]]]],
                ["from": [["ipBlock": ["cidr": "203.0.113.9/32"]]]],
            ])
        ])
        #expect(try both.allows("203.0.113.9", "x/a") && both.allows("203.0.113.200", "x/a"))
        #expect(try !both.allows("203.0.113.8", "x/a"))
    }

    @Test("a policy naming SCTP does not allow TCP") func onlySCTP() throws {
        let court = try PolicyCourt([ingress([["ports": [["protocol": "SCTP", "port": 80]]]])])
        #expect(try court.allows("y/a", "x/a", "SCTP") && !court.allows("y/a", "x/a") && !court.allows("y/a", "x/a", "UDP"))
    }

    @Test("a policy naming only UDP does not allow TCP") func onlyUDP() throws {
        let court = try PolicyCourt([ingress([["ports": [["protocol": "UDP", "port": 80]]]])])
        #expect(try court.allows("y/a", "x/a", "UDP") && !court.allows("y/a", "x/a") && !court.allows("y/a", "x/a", "SCTP"))
    }

    @Test("a pod is always reachable from its own node, and from no other") func ownNode() throws {
        let deny = policy(["podSelector": [:], "policyTypes": ["Ingress", "Egress"]])
        let lock = cluster("Admin", 0, ingress: [["action": "Deny", "from": [["namespaces": [:]]]]])
        let court = try PolicyCourt([deny, lock])
        #expect(try court.allows("n1", "x/a") && !court.allows("n2", "x/a") && !court.allows("n3", "x/a"))
        #expect(try court.allows("n2", "x/c") && !court.allows("n1", "x/c"))
    }

    @Test("replies to allowed connections are not asked about: the reverse direction may be denied") func replies() throws {
        let court = try PolicyCourt([policy(["podSelector": [:], "policyTypes": ["Ingress"]])])
        #expect(try court.allows("x/a", "y/a") && !court.allows("y/a", "x/a"))
    }

    @Test("policy applies to the pod's address after service DNAT: the port is the pod's own, whatever the service's was")
    func translated() throws {
        let court = try PolicyCourt([ingress([["ports": [["port": 81]]]])])
        #expect(try court.allows("y/a", "x/a", "TCP", 81) && !court.allows("y/a", "x/a", "TCP", 80))
    }

    @Test("hostNetwork pods are not subject, and no selector means them") func hostNetwork() throws {
        let deny = policy(["podSelector": [:], "policyTypes": ["Ingress", "Egress"]])
        let open = policy(
            ["podSelector": [:], "ingress": [["from": [["podSelector": [:]], ["namespaceSelector": [:]]]]]], name: "open", in: "y"
        )
        let court = try PolicyCourt([deny, open])
        // x/host has the addresses of n2, and the labels of x/a.
        #expect(try court.allows("z/a", "n2"), "x/host is not isolated")
        #expect(try !court.allows("n2", "y/a"), "and not meant")
    }

    @Test("traffic from a pod to itself is allowed") func itself() throws {
        let deny = policy(["podSelector": [:], "policyTypes": ["Ingress", "Egress"]])
        let lock = cluster(
            "Admin", 0, ingress: [["action": "Deny", "from": [["namespaces": [:]]]]],
            egress: [["action": "Deny", "to": [["networks": ["0.0.0.0/0"]]]]])
        let court = try PolicyCourt([deny, lock])
        for pod in ["x/a", "y/b", "z/c"] { #expect(try court.allows(pod, pod)) }
    }

    @Test("the default label kubernetes.io/metadata.name means a namespace that has no label of its own") func defaultLabel()
        throws
    {
        let selector: Tree = ["matchLabels": ["kubernetes.io/metadata.name": "y"]]
        let bare = TrialWorld.namespace("y", [:])
        let court = try PolicyCourt([ingress([["from": [["namespaceSelector": selector]]]])], changed: [bare])
        #expect(try court.allows("y/a", "x/a") && !court.allows("z/a", "x/a"))
    }

    @Test("a name is another port on another pod, also of egress") func names() throws {
        let court = try PolicyCourt([
            policy(["podSelector": [:], "policyTypes": ["Egress"], "egress": [["ports": [["port": "web"]]]]])
        ])
        #expect(try court.allows("x/a", "z/a", "TCP", 80) && !court.allows("x/a", "z/a", "TCP", 81))
        #expect(try court.allows("x/a", "y/a", "TCP", 81) && !court.allows("x/a", "y/a", "TCP", 80))
        // One has no such port, and one calls a port of another protocol so.
        for port in [80, 81] { #expect(try !court.allows("x/a", "z/b", "TCP", port) && !court.allows("x/a", "z/c", "TCP", port)) }
        #expect(try !court.allows("x/a", "203.0.113.9"))
    }

    @Test("a name is a sidecar's port too, and not one of a container that runs before the others") func sidecars() throws {
        let names: Tree = [["port": "web"], ["port": "lookup", "protocol": "UDP"]]
        let court = try PolicyCourt([
            policy(["podSelector": [:], "policyTypes": ["Egress"], "egress": [["ports": names]]])
        ])
        #expect(try court.allows("x/a", "y/a", "UDP", 80) && !court.allows("x/a", "y/a", "UDP", 81))
        #expect(try court.allows("x/a", "y/a", "TCP", 81) && !court.allows("x/a", "y/a", "TCP", 8090))
    }
}

@Suite("what cannot be read of a policy fails closed") struct UnreadablePolicyTests {
    private static let open: Tree = ["namespaceSelector": [:]]

    @Test(
        "an unreadable peer matches nothing, and its neighbours what they matched",
        arguments: [
            ["podSelector": ["matchExpressions": [["key": "pod", "operator": "Is", "values": ["a"]]]]],
            ["podSelector": ["matchExpressions": [["key": "pod", "operator": "In"]]]],
            ["podSelector": ["matchLabels": ["pod": 7]]],
            ["namespaceSelector": ["matchLabels": ["-": "a"]]],
            ["ipBlock": ["cidr": "198.51.100.1/24"]],
            ["ipBlock": ["cidr": "198.51.100.0/24", "except": ["203.0.113.0/24"]]],
            ["ipBlock": ["cidr": "198.51.100.0/24", "except": ["198.51.100.0/24"]]],
            ["ipBlock": ["cidr": "198.51.100.0/24", "except": ["198.51.100.130/25"]]],
            ["ipBlock": ["cidr": "0.0.0.0/0"], "podSelector": [:]],
            [:],
        ] as [Tree])
    func peers(_ peer: Tree) throws {
        let alone = try PolicyCourt([ingress([["from": [peer]]])])
        for from in ["x/b", "y/a", "z/c", "203.0.113.9"] { #expect(try !alone.allows(from, "x/a")) }
        #expect(
            alone.world.problems.map { "\($0.id.rawValue) \($0.subject?.description ?? "") \($0.message)" } == [
                "policy-rule-closed NetworkPolicy x/p spec.ingress[0].from[0] cannot be read, and opens nothing"
            ])
        let beside = try PolicyCourt([ingress([["from": [peer, Self.open]]])])
        #expect(try beside.verdict("y/a", "x/a").description.contains("spec.ingress[0].from[1]"))
        #expect(try !beside.allows("203.0.113.9", "x/a"))
    }

    @Test(
        "an unreadable port matches nothing, and is not every port",
        arguments: [
            ["port": 80, "protocol": "ICMP"], ["port": 80, "protocol": "tcp"], ["port": 81, "endPort": 80],
            ["port": "web", "endPort": 90], ["endPort": 90], ["port": 80, "endPort": 70000], ["port": 0], ["port": ""],
            ["port": [:]], ["port": true], ["port": "80"], 80, "web",
        ] as [Tree])
    func ports(_ port: Tree) throws {
        let alone = try PolicyCourt([ingress([["ports": [port]]])])
        for question in TrialWorld.questions { #expect(try !alone.allows("y/a", "x/a", question.transport, question.port)) }
        #expect(alone.world.problems.map(\.message) == ["spec.ingress[0].ports[0] cannot be read, and opens nothing"])
        let beside = try PolicyCourt([ingress([["ports": [port, ["port": 81]]]])])
        #expect(try beside.allows("y/a", "x/a", "TCP", 81) && !beside.allows("y/a", "x/a", "TCP", 80))
    }

    @Test(
        "an unreadable rule matches nothing, and the next one what it matched",
        arguments: ["all", 7, ["from": "all"], ["from": [:]], ["from": [7]], ["ports": 80], ["ports": [:]]] as [Tree])
    func rules(_ rule: Tree) throws {
        let court = try PolicyCourt([ingress([rule, ["from": [Self.open]]])])
        #expect(try court.verdict("y/a", "x/a").description.contains("spec.ingress[1].from[0]"))
        #expect(try !court.allows("203.0.113.9", "x/a"))
        #expect(court.world.problems.map(\.id) == court.world.problems.map { _ in .policyRuleClosed })
        #expect(!court.world.problems.isEmpty)
    }

    @Test("an unreadable podSelector selects nothing and is an error, and other policies are untouched") func subject() throws {
        let wrong = policy(["podSelector": ["matchExpressions": [["key": "pod", "operator": "Is"]]]], name: "wrong")
        let right = policy(["podSelector": ["matchLabels": ["pod": "b"]]], name: "right")
        let court = try PolicyCourt([wrong, right])
        #expect(try court.allows("y/a", "x/a") && !court.allows("y/a", "x/b"))
        let problem = try #require(court.world.problems.first)
        #expect(problem.id == .policySelectsNobody && problem.id.severity == .error)
        #expect(problem.subject?.description == "NetworkPolicy x/wrong" && court.world.problems.count == 1)
    }

    @Test(
        "of policyTypes what can be read holds, and when nothing can, what the rules say",
        arguments: [
            (["Ingress", "Both"], false, true), (["Egress", "Both"], true, false), (["ingress"], false, false),
            ("Egress", false, false), ([7], false, false),
        ] as [(Tree, Bool, Bool)])
    func types(_ types: Tree, _ isReached: Bool, _ reaches: Bool) throws {
        let court = try PolicyCourt([
            policy(["podSelector": [:], "policyTypes": types, "egress": [["ports": [["port": 7]]]]])
        ])
        #expect(try court.allows("y/a", "x/a") == isReached && court.allows("x/a", "y/a") == reaches)
    }

    @Test("a policy without faults is no problem") func right() throws {
        let court = try PolicyCourt([
            ingress([["from": [Self.open, ["ipBlock": ["cidr": "192.0.2.0/24", "except": ["192.0.2.8/29"]]]]]]),
            cluster("Admin", 0, ingress: [["action": "Pass", "from": [["namespaces": [:]]]]]),
        ])
        #expect(court.world.problems.isEmpty)
    }
}
