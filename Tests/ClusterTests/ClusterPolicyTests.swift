import KubeAPI
import PolicyTrials
import Testing

@testable import Cluster

/// A ClusterNetworkPolicy about all pods of x, when nothing else is said.
func cluster(
    _ tier: Tree, _ priority: Tree, name: String = "c", subject: Tree = ["namespaces": ["matchLabels": ["ns": "x"]]],
    ingress: Tree = [], egress: Tree = []
) -> Tree {
    [
        "apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicy", "metadata": ["name": .text(name)],
        "spec": ["tier": tier, "priority": priority, "subject": subject, "ingress": ingress, "egress": egress],
    ]
}

private let all: Tree = [["namespaces": [:]]]
private let fromY: Tree = [["namespaces": ["matchLabels": ["ns": "y"]]]]

private func rule(_ action: Tree, from peers: Tree, _ protocols: Tree? = nil) -> Tree {
    var rule: Tree = ["action": action, "from": peers]
    rule["protocols"] = protocols
    return rule
}

private func isolation(_ rules: Tree = []) -> Tree {
    [
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": ["name": "p", "namespace": "x"],
        "spec": ["podSelector": [:], "ingress": rules],
    ]
}

@Suite("the tiers of cluster network policies") struct ClusterPolicyTests {
    @Test("Admin comes before NetworkPolicy: it accepts what that denies, and denies what that allows") func admin() throws {
        let accepting = try PolicyCourt([isolation(), cluster("Admin", 5, ingress: [rule("Accept", from: fromY)])])
        #expect(try accepting.allows("y/a", "x/a") && !accepting.allows("z/a", "x/a"))
        let denying = try PolicyCourt([isolation([[:]]), cluster("Admin", 5, ingress: [rule("Deny", from: fromY)])])
        #expect(try !denying.allows("y/a", "x/a") && denying.allows("z/a", "x/a"))
    }

    @Test("Baseline comes after NetworkPolicy, for pods that none isolates in that direction") func baseline() throws {
        let deny = cluster("Baseline", 5, ingress: [rule("Deny", from: all)], egress: [["action": "Deny", "to": all]])
        let isolated = try PolicyCourt([isolation([["from": [["namespaceSelector": [:]]]]]), deny])
        #expect(try isolated.allows("y/a", "x/a"), "a NetworkPolicy has the last word of the pods it isolates")
        #expect(try !isolated.allows("x/a", "y/a"), "and none isolates them for egress")
        #expect(try !PolicyCourt([deny]).allows("y/a", "x/a"))
    }

    @Test("a lower priority comes first, whatever the names") func priorities() throws {
        let court = try PolicyCourt([
            cluster("Admin", 20, name: "a", ingress: [rule("Deny", from: all)]),
            cluster("Admin", 10, name: "b", ingress: [rule("Accept", from: fromY)]),
            cluster("Baseline", 1, name: "0", ingress: [rule("Accept", from: all)]),
        ])
        #expect(try court.allows("y/a", "x/a") && !court.allows("z/a", "x/a"))
    }

    @Test("the first rule that matches decides, and the next ones are not asked") func order() throws {
        let court = try PolicyCourt([
            cluster("Admin", 0, ingress: [rule("Accept", from: fromY), rule("Deny", from: all), rule("Accept", from: all)])
        ])
        #expect(try court.allows("y/a", "x/a") && !court.allows("z/a", "x/a"))
    }

    @Test("Pass skips the rest of its tier, also of later policies, and asks the next") func pass() throws {
        let policies = [
            cluster("Admin", 0, ingress: [rule("Pass", from: fromY), rule("Deny", from: all)]),
            cluster("Admin", 1, name: "later", ingress: [rule("Deny", from: all)]),
        ]
        #expect(try PolicyCourt(policies).allows("y/a", "x/a"))
        #expect(try !PolicyCourt(policies).allows("z/a", "x/a"))
        #expect(try !PolicyCourt(policies + [isolation()]).allows("y/a", "x/a"))
        let baseline = cluster("Baseline", 0, name: "b", ingress: [rule("Deny", from: all)])
        #expect(try !PolicyCourt(policies + [baseline]).allows("y/a", "x/a"))
        let passing = cluster("Baseline", 0, name: "b", ingress: [rule("Pass", from: all), rule("Deny", from: all)])
        #expect(try PolicyCourt(policies + [passing]).allows("y/a", "x/a"), "behind Baseline everything is allowed")
    }

    @Test("peers of egress are pods, nodes by all their addresses, and networks, whoever is in them") func egress() throws {
        func court(_ peers: Tree) throws -> PolicyCourt {
            try PolicyCourt([cluster("Admin", 0, egress: [["action": "Deny", "to": peers]])])
        }
        let nodes = try court([["nodes": ["matchLabels": ["rack": "left"]]]])
        #expect(try !nodes.allows("x/a", "n1") && !nodes.allows("x/a", "n2") && nodes.allows("x/a", "n3"))
        #expect(try nodes.allows("x/a", "y/a") && nodes.allows("n1", "x/a"), "and its node reaches the pod")
        let networks = try court([["networks": ["198.51.100.16/28", "203.0.113.0/25"]]])
        #expect(try !networks.allows("x/a", "y/a") && networks.allows("x/a", "z/a"))
        #expect(try !networks.allows("x/a", "203.0.113.9") && networks.allows("x/a", "203.0.113.200"))
        #expect(try !networks.allows("x/a", "203.0.113.9", nil), "ICMP too")
        let pods = try court([["pods": ["namespaceSelector": [:], "podSelector": ["matchLabels": ["pod": "b"]]]]])
        #expect(try !pods.allows("x/a", "y/b") && pods.allows("x/a", "y/a") && pods.allows("x/a", "203.0.113.9"))
        let anywhere = try court([["pods": ["podSelector": ["matchLabels": ["pod": "b"]]]]])
        #expect(try !anywhere.allows("x/a", "z/b"), "without a selector of namespaces, of all")
    }

    @Test(
        "ports are numbers, ranges, and what the destination calls so",
        arguments: [
            ([["tcp": ["destinationPort": ["number": 80]]]], "TCP/80"),
            ([["udp": ["destinationPort": ["range": ["start": 80, "end": 81]]]]], "UDP/80 UDP/81"),
            ([["sctp": ["destinationPort": ["number": 81]]], ["tcp": ["destinationPort": ["number": 81]]]], "TCP/81 SCTP/81"),
            // x/a calls its UDP port 81 so.
            ([["destinationNamedPort": "lookup"]], "UDP/81"),
            ([["destinationNamedPort": "nobody"]], ""),
        ] as [(Tree, String)])
    func ports(_ protocols: Tree, _ denied: String) throws {
        let court = try PolicyCourt([cluster("Admin", 0, ingress: [rule("Deny", from: all, protocols)])])
        let found = try TrialWorld.questions.filter { try !court.allows("y/a", "x/a", $0.transport, $0.port) }
        #expect(found.map(\.description).joined(separator: " ") == denied)
    }

    @Test("a verdict names the deciding policy, its tier, the rule with its name, the peer and the port") func reason() throws {
        var lock = rule(
            "Deny", from: [["namespaces": ["matchLabels": ["ns": "z"]]], ["namespaces": ["matchLabels": ["ns": "y"]]]])
        lock["name"] = "no-neighbours"
        lock["protocols"] = [["udp": ["destinationPort": ["number": 80]]], ["tcp": ["destinationPort": ["number": 80]]]]
        let court = try PolicyCourt([cluster("Admin", 0, ingress: [rule("Pass", from: fromY, lock["protocols"]), lock])])
        #expect(
            try court.verdict("z/a", "x/a").description
                == "denied: ingress of Pod x/a is denied by ClusterNetworkPolicy c (Admin), spec.ingress[1].from[0] and "
                + "spec.ingress[1].protocols[1] \"no-neighbours\"")
        let accepting = try PolicyCourt([cluster("Baseline", 7, ingress: [rule("Accept", from: all)])])
        #expect(
            try accepting.verdict("z/a", "x/a").description
                == "allowed: egress of Pod z/a is not isolated by any policy; ingress of Pod x/a is accepted by "
                + "ClusterNetworkPolicy c (Baseline), spec.ingress[0].from[0]")
    }

    @Test("a policy that goes, and one that comes in its place, change the answer") func changes() throws {
        var world = try PolicyCourt([cluster("Admin", 0, ingress: [rule("Deny", from: all)])]).world
        #expect(world.clusterPolicies.count == 1)
        let other = cluster("Admin", 9, ingress: [rule("Accept", from: all)])
        world.set(try #require(try PolicyCourt.object(other) as? ClusterNetworkPolicy))
        #expect(world.clusterPolicies.map(\.priority) == [9])
        world.remove(ObjectKey(ClusterNetworkPolicy.resource.kind, name: "c"))
        #expect(world.clusterPolicies.isEmpty)
    }

    @Test("of a namespace that is not known no label is certain: Accept means nobody of it, Deny and Pass deny it") func unknown()
        throws
    {
        let gone = [Tree.Name("Namespace", "", "y")]
        for (action, isAllowed) in [("Deny", false), ("Pass", false), ("Accept", false)] as [(Tree, Bool)] {
            let policies = [isolation(), cluster("Admin", 0, ingress: [rule(action, from: fromY)])]
            #expect(try PolicyCourt(policies, without: gone).allows("y/a", "x/a") == isAllowed)
        }
        let deny = cluster("Admin", 0, ingress: [rule("Deny", from: fromY)])
        let court = try PolicyCourt([deny], without: gone)
        #expect(try !court.allows("y/a", "x/a") && court.allows("z/a", "x/a"))
        #expect(try court.verdict("y/a", "x/a").description.hasSuffix("as the labels of a namespace are not known"))
    }
}

@Suite("what cannot be read of a cluster network policy fails closed") struct UnreadableClusterPolicyTests {
    /// Each is about x's ingress from y, in the place of `from` and `protocols`.
    static let spoilt: [Tree] = [
        ["from": [[:]]], ["from": []], ["from": "all"], ["from": [["groups": ["a"]]]], ["from": [["nodes": [:]]]],
        ["from": [["namespaces": [:], "pods": ["podSelector": [:]]]]], ["from": [["pods": ["namespaceSelector": [:]]]]],
        ["from": [["namespaces": [:]], ["namespaces": ["matchExpressions": [["key": "ns", "operator": "Is"]]]]]],
        ["from": all, "protocols": []], ["from": all, "protocols": [[:]]], ["from": all, "protocols": [["tcp": [:]]]],
        ["from": all, "protocols": [["icmp": ["destinationPort": ["number": 80]]]]],
        ["from": all, "protocols": [["tcp": ["destinationPort": ["number": 0]]]]],
        ["from": all, "protocols": [["tcp": ["destinationPort": ["range": ["start": 81, "end": 81]]]]]],
        ["from": all, "protocols": [["tcp": ["destinationPort": ["number": 80]]], ["destinationNamedPort": ""]]],
        ["from": all, "name": 7],
    ]

    private static func rule(_ spoilt: Tree, _ action: Tree) -> Tree {
        var rule = spoilt
        rule["action"] = action
        return rule
    }

    @Test("an unreadable Accept matches nothing", arguments: spoilt) func accept(_ spoilt: Tree) throws {
        let accept = cluster("Admin", 0, ingress: [Self.rule(spoilt, "Accept")])
        #expect(try PolicyCourt([accept]).allows("y/a", "x/a"))
        let court = try PolicyCourt([accept, isolation()])
        #expect(try !court.allows("y/a", "x/a"))
        #expect(court.world.problems.map(\.message) == ["spec.ingress[0] cannot be read, and matches nothing"])
    }

    @Test("an unreadable Deny or Pass becomes deny all", arguments: spoilt) func deny(_ spoilt: Tree) throws {
        for action in ["Deny", "Pass"] as [Tree] {
            let court = try PolicyCourt([cluster("Admin", 0, ingress: [Self.rule(spoilt, action)]), isolation([[:]])])
            for question in TrialWorld.questions { #expect(try !court.allows("y/a", "x/a", question.transport, question.port)) }
            #expect(try !court.allows("203.0.113.9", "x/a") && court.allows("y/a", "z/a") && court.allows("n1", "x/a"))
            #expect(court.world.problems.map(\.message) == ["spec.ingress[0] cannot be read, and denies everything"])
        }
    }

    @Test(
        "a rule whose action cannot be read denies all, and so does what is no rule",
        arguments: [
            ["action": "Allow", "from": all], ["action": "", "from": all], ["from": all], "all",
        ] as [Tree])
    func action(_ rule: Tree) throws {
        let court = try PolicyCourt([cluster("Admin", 0, ingress: [rule])])
        #expect(try !court.allows("y/a", "x/a") && court.allows("x/a", "y/a"))
        #expect(try court.verdict("y/a", "x/a").description.hasSuffix("spec.ingress[0], which cannot be read"))
    }

    @Test(
        "an unreadable subject is about nobody, and is an error",
        arguments: [
            [:], "all", ["namespaces": [:], "pods": ["podSelector": [:]]], ["namespaces": ["matchLabels": ["ns": 7]]],
            ["nodes": [:]],
        ] as [Tree])
    func subject(_ subject: Tree) throws {
        let court = try PolicyCourt([
            cluster("Admin", 0, subject: subject, ingress: [Self.rule(["from": all], "Deny")])
        ])
        #expect(try court.allows("y/a", "x/a"))
        #expect(court.world.problems.map(\.id) == [.policySelectsNobody])
    }

    @Test(
        "a policy without a place in the order comes first, and opens nothing",
        arguments: [
            ("admin", 1), ("", 1), (7, 1), ("Admin", 1001), ("Baseline", -1), ("Baseline", "first"), ("Admin", nil),
        ] as [(Tree, Tree)])
    func place(_ tier: Tree, _ priority: Tree) throws {
        let before = cluster("Admin", 0, name: "a", ingress: [Self.rule(["from": all], "Accept")])
        let rules: Tree = [Self.rule(["from": fromY], "Accept"), Self.rule(["from": fromY], "Deny")]
        let court = try PolicyCourt([before, cluster(tier, priority, ingress: rules)])
        #expect(try !court.allows("y/a", "x/a") && !court.allows("z/a", "x/a"))
        #expect(try court.verdict("z/a", "x/a").description.contains("ClusterNetworkPolicy c (Admin), spec.ingress[1]"))
    }

    @Test("domainNames are not enforced yet: Accept matches nothing, Deny denies all, and a problem says so") func domainNames()
        throws
    {
        func court(_ action: Tree) throws -> PolicyCourt {
            try PolicyCourt([
                cluster(
                    "Admin", 0,
                    egress: [["action": action, "to": [["domainNames": ["example.org"]], ["networks": ["0.0.0.0/0"]]]]])
            ])
        }
        #expect(try court("Accept").verdict("x/a", "203.0.113.9").description.contains("not isolated"))
        #expect(try !court("Deny").allows("x/a", "203.0.113.9"))
        let problems = try court("Accept").world.problems
        #expect(problems.map(\.id) == [.policyDomainNames])
        #expect(problems.map(\.message) == ["spec.egress[0] has domainNames, and matches nothing"])
    }

    @Test("a named port beside nodes or networks has no meaning, and the rule fails closed") func namedBesideNetworks() throws {
        for peer in [["networks": ["0.0.0.0/0"]], ["nodes": [:]]] as [Tree] {
            let rule: Tree = ["action": "Deny", "to": [peer], "protocols": [["destinationNamedPort": "web"]]]
            let court = try PolicyCourt([cluster("Admin", 0, egress: [rule])])
            #expect(try !court.allows("x/a", "z/a", "UDP", 8090))
            #expect(court.world.problems.map(\.id) == [.policyRuleClosed])
        }
    }
}
