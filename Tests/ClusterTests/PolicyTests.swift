import Addressing
import KubeAPI
import Testing

@testable import Cluster

/// Three namespaces with three pods each, as the conformance tests of Kubernetes have them: `x/a` … `z/c`. Each serves 80 and 81 of
/// every protocol; `serve-80` is a name for 80, but in `y` for 81. Nodes n1 (a, b) and n2 (c).
private struct Nine {
    var world = PolicyWorld()
    static let names = ["x", "y", "z"].flatMap { namespace in ["a", "b", "c"].map { "\(namespace)/\($0)" } }

    init(_ policies: [JSONValue] = []) throws {
        for namespace in ["x", "y", "z"] {
            world.set(Namespace(metadata: ObjectMeta(name: namespace, labels: ["ns": namespace])))
            for name in ["a", "b", "c"] { world.set(try Self.pod(namespace, name, labels: ["pod": name])) }
        }
        let nodes = ["n1", "n2"].enumerated().map { position, name in
            Member(name: name, addresses: [.v4(IPv4Address(192, 0, 2, UInt8(position + 1)))], podPrefixes: [])
        }
        world.setNodes(nodes)
        for policy in policies { world.set(try Self.policy(policy)) }
    }

    static func address(_ name: String) throws -> IPAddress {
        let position = try #require(names.firstIndex(of: name))
        return .v4(IPv4Address(198, 51, 100, UInt8(position / 3 * 16 + position % 3 + 1)))
    }

    static func pod(_ namespace: String, _ name: String, labels: [String: String]) throws -> Pod {
        var pod = Pod(metadata: ObjectMeta(name: name, namespace: namespace, labels: labels))
        pod.status.podIPs = [try address("\(namespace)/\(name)")]
        pod.spec.nodeName = name == "c" ? "n2" : "n1"
        let port: JSONValue = ["name": "serve-80", "containerPort": namespace == "y" ? 81 : 80]
        let tree: JSONValue = [
            "apiVersion": "v1", "kind": "Pod", "metadata": ["name": "p"],
            "spec": ["containers": [["name": "main", "image": "echo", "ports": [port]]]],
        ]
        pod.spec.containers = try #require(Registry.standard.read(tree).object as? Pod).spec.containers
        return pod
    }

    static func policy(_ tree: JSONValue) throws -> NetworkPolicy {
        var tree = tree
        tree[at: "apiVersion"] = "networking.k8s.io/v1"
        tree[at: "kind"] = "NetworkPolicy"
        let reading = Registry.standard.read(tree, as: nil, defaultNamespace: "x")
        return try #require(reading.object as? NetworkPolicy)
    }

    func allows(_ from: String, _ to: String, _ transport: TransportProtocol? = .tcp, _ port: UInt16 = 80) throws -> Bool {
        let from = try IPAddress(from) ?? Self.address(from)
        let to = try IPAddress(to) ?? Self.address(to)
        return world.verdict(on: PolicyWorld.Conversation(from: from, to: to, transport, port: port)).isAllowed
    }

    /// Who cannot reach whom, a line for each destination: `x/a ✗ y/a z/a`.
    func denied(_ transport: TransportProtocol? = .tcp, _ port: UInt16 = 80) throws -> String {
        var lines: [String] = []
        for to in Self.names {
            let sources = try Self.names.filter { try !allows($0, to, transport, port) }
            if !sources.isEmpty { lines.append("\(to) ✗ \(sources.joined(separator: " "))") }
        }
        return lines.joined(separator: "\n")
    }
}

private func policy(_ spec: JSONValue) -> JSONValue { policy("p", in: "x", spec) }

private func policy(_ name: String, in namespace: String = "x", _ spec: JSONValue) -> JSONValue {
    ["metadata": ["name": .string(name), "namespace": .string(namespace)], "spec": spec]
}

private let everybodyElse = "x/b x/c y/a y/b y/c z/a z/b z/c"

@Suite("who may talk to whom") struct PolicyTests {
    @Test("without policies everybody may do everything") func open() throws {
        let nine = try Nine()
        for transport in TransportProtocol.allCases { #expect(try nine.denied(transport) == "") }
        #expect(try nine.denied(nil, 0) == "")
    }

    @Test(
        "ingress of x/a is open to those its rules name",
        arguments: [
            // Nothing said: isolated.
            ("", everybodyElse),
            ("[]", everybodyElse),
            // A rule without anything in it is for everybody.
            ("[{}]", ""),
            (#"[{"from": []}]"#, ""),
            // Pods of its own namespace only.
            (#"[{"from": [{"podSelector": {}}]}]"#, "y/a y/b y/c z/a z/b z/c"),
            (#"[{"from": [{"podSelector": {"matchLabels": {"pod": "b"}}}]}]"#, "x/c y/a y/b y/c z/a z/b z/c"),
            // All pods of the namespaces.
            (#"[{"from": [{"namespaceSelector": {}}]}]"#, ""),
            (#"[{"from": [{"namespaceSelector": {"matchLabels": {"ns": "y"}}}]}]"#, "x/b x/c z/a z/b z/c"),
            (
                #"[{"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "z"}}}]}]"#,
                "x/b x/c y/a y/b y/c"
            ),
            // Both in one peer: and. In two peers: or.
            (
                #"[{"from": [{"namespaceSelector": {"matchLabels": {"ns": "y"}}, "podSelector": {"matchLabels": {"pod": "b"}}}]}]"#,
                "x/b x/c y/a y/c z/a z/b z/c"
            ),
            (
                #"""
                [{"from": [{"namespaceSelector": {"matchLabels": {"ns": "y"}}}, {"podSelector": {"matchLabels": {"pod": "b"}}}]}]
                """#,
                "x/c z/a z/b z/c"
            ),
            // Every operator.
            (
                #"""
                [{"from": [{"namespaceSelector": {"matchExpressions": [{"key": "ns", "operator": "In", "values": ["x", "y"]}]},
                            "podSelector": {"matchExpressions": [{"key": "pod", "operator": "NotIn", "values": ["b"]}]}}]}]
                """#,
                "x/b y/b z/a z/b z/c"
            ),
            (
                #"[{"from": [{"podSelector": {"matchExpressions": [{"key": "pod", "operator": "Exists"}]}}]}]"#,
                "y/a y/b y/c z/a z/b z/c"
            ),
            (
                #"[{"from": [{"podSelector": {"matchExpressions": [{"key": "pod", "operator": "DoesNotExist"}]}}]}]"#,
                everybodyElse
            ),
            // Blocks are about addresses, whoever has them.
            (#"[{"from": [{"ipBlock": {"cidr": "198.51.100.16/28"}}]}]"#, "x/b x/c z/a z/b z/c"),
            (
                #"[{"from": [{"ipBlock": {"cidr": "198.51.100.0/24", "except": ["198.51.100.16/28"]}}]}]"#,
                "y/a y/b y/c"
            ),
            // An exception of one rule is none of another.
            (
                #"""
                [{"from": [{"ipBlock": {"cidr": "198.51.100.0/24", "except": ["198.51.100.16/28"]}}]},
                 {"from": [{"ipBlock": {"cidr": "198.51.100.17/32"}}]}]
                """#,
                "y/b y/c"
            ),
            // A peer that cannot be read opens nothing.
            (#"[{"from": [{"podSelector": {"matchLabels": {"pod": 7}}}]}]"#, everybodyElse),
        ])
    func ingress(rules: String, denied: String) throws {
        var spec: JSONValue = ["podSelector": ["matchLabels": ["pod": "a"]], "policyTypes": ["Ingress"]]
        if !rules.isEmpty { spec[at: "ingress"] = try JSONReader().value(Array(rules.utf8)) }
        let nine = try Nine([policy(spec)])
        #expect(try nine.denied() == (denied.isEmpty ? "" : "x/a ✗ \(denied)"))
    }

    @Test(
        "ports are matched by number, range, name and protocol",
        arguments: [
            (["port": 80], true, false, false), (["port": 80, "endPort": 81], true, true, false),
            (["port": 81, "protocol": "TCP"], false, true, false), (["protocol": "UDP"], false, false, true),
            (["protocol": "SCTP"], false, false, false), (["port": 80, "protocol": "UDP"], false, false, true),
            (["port": "serve-80"], true, false, false), (["port": "nobody"], false, false, false),
            (["port": "serve-80", "protocol": "UDP"], false, false, false),
        ] as [(JSONValue, Bool, Bool, Bool)])
    func ports(port: JSONValue, tcp80: Bool, tcp81: Bool, udp80: Bool) throws {
        let nine = try Nine([policy(["podSelector": [:], "ingress": [["ports": [port]]]])])
        #expect(try nine.allows("y/a", "x/a", .tcp, 80) == tcp80)
        #expect(try nine.allows("y/a", "x/a", .tcp, 81) == tcp81)
        #expect(try nine.allows("y/a", "x/a", .udp, 80) == udp80)
        #expect(try !nine.allows("y/a", "x/a", nil, 0), "what has no ports is in no rule with ports")
    }

    @Test("of egress a port's name is what the destination calls so") func namedEgress() throws {
        let spec: JSONValue = ["podSelector": [:], "policyTypes": ["Egress"], "egress": [["ports": [["port": "serve-80"]]]]]
        let nine = try Nine([policy(spec)])
        #expect(try nine.allows("x/a", "z/a", .tcp, 80) && !nine.allows("x/a", "z/a", .tcp, 81))
        #expect(try nine.allows("x/a", "y/a", .tcp, 81) && !nine.allows("x/a", "y/a", .tcp, 80))
        #expect(try !nine.allows("x/a", "203.0.113.9", .tcp, 80), "what is no pod has no names")
    }

    @Test("directions are apart: who may not be asked may still ask") func directions() throws {
        let both = try Nine([policy(["podSelector": ["matchLabels": ["pod": "a"]], "policyTypes": ["Ingress", "Egress"]])])
        #expect(try !both.allows("x/a", "y/a") && !both.allows("y/a", "x/a"))
        let ingress = try Nine([policy(["podSelector": ["matchLabels": ["pod": "a"]]])])
        #expect(try ingress.allows("x/a", "y/a") && !ingress.allows("y/a", "x/a"), "without policyTypes: ingress")
        let implied = try Nine([policy(["podSelector": ["matchLabels": ["pod": "a"]], "egress": [["ports": [["port": 7]]]]])])
        #expect(try !implied.allows("x/a", "y/a") && !implied.allows("y/a", "x/a"), "egress is meant by having rules for it")
        let empty = try Nine([policy(["podSelector": ["matchLabels": ["pod": "a"]], "egress": []])])
        #expect(try empty.allows("x/a", "y/a") && !empty.allows("y/a", "x/a"), "and not by a list without any")
        let egress = try Nine([policy(["podSelector": [:], "policyTypes": ["Egress"]])])
        #expect(try !egress.allows("x/a", "203.0.113.9") && egress.allows("203.0.113.9", "x/a"))
    }

    @Test("both ends must allow it") func bothEnds() throws {
        let opens: JSONValue = ["podSelector": [:], "ingress": [["from": [["namespaceSelector": [:]]]]]]
        let closes: JSONValue = ["podSelector": ["matchLabels": ["pod": "b"]], "policyTypes": ["Egress"]]
        let nine = try Nine([policy("in", in: "x", opens), policy("out", in: "y", closes)])
        #expect(try nine.denied() == Nine.names.filter { $0 != "y/b" }.map { "\($0) ✗ y/b" }.joined(separator: "\n"))
        #expect(try !nine.allows("203.0.113.9", "x/a"), "a selector never means the outside")
    }

    @Test("policies add up, and say which of them opened") func union() throws {
        let deny = policy("deny", ["podSelector": [:]])
        let rules = #"""
            [{"ports": [{"port": 7}]},
             {"from": [{"ipBlock": {"cidr": "203.0.113.0/24"}}, {"namespaceSelector": {"matchLabels": {"ns": "y"}}}],
              "ports": [{"port": 79}, {"port": 80}]}]
            """#
        let fromY = policy(
            "from-y", ["podSelector": ["matchLabels": ["pod": "a"]], "ingress": try JSONReader().value(Array(rules.utf8))])
        let nine = try Nine([deny, fromY])
        #expect(try nine.allows("y/a", "x/a") && !nine.allows("y/a", "x/b") && !nine.allows("z/a", "x/a"))
        let opened = nine.world.verdict(
            on: PolicyWorld.Conversation(from: try Nine.address("y/a"), to: try Nine.address("x/a"), .tcp, port: 80))
        #expect(
            opened.description == "allowed: egress of Pod y/a is not isolated by any policy; ingress of Pod x/a is opened by "
                + "NetworkPolicy x/from-y, spec.ingress[1].from[1] and spec.ingress[1].ports[1]")
        let closed = nine.world.verdict(
            on: PolicyWorld.Conversation(from: try Nine.address("z/a"), to: try Nine.address("x/a"), .tcp, port: 80))
        #expect(
            closed.description == "denied: ingress of Pod x/a is isolated by NetworkPolicy x/deny, NetworkPolicy x/from-y, "
                + "and nothing opens it")
    }

    @Test("a pod reaches itself, and its own node both ways, whatever is denied") func exempt() throws {
        let deny: JSONValue = ["podSelector": [:], "policyTypes": ["Ingress", "Egress"]]
        let nine = try Nine([policy(deny)])
        #expect(try nine.allows("x/a", "x/a"))
        #expect(try nine.allows("192.0.2.1", "x/a") && nine.allows("x/a", "192.0.2.1"))
        #expect(try !nine.allows("192.0.2.2", "x/a") && !nine.allows("x/a", "192.0.2.2"))
    }

    @Test("a pod on its node's network is not subject, and no selector means it") func hostNetwork() throws {
        var nine = try Nine([policy(["podSelector": [:], "ingress": [["from": [["podSelector": [:]]]]]])])
        var pod = try Nine.pod("x", "c", labels: ["pod": "c"])
        pod.spec.usesHostNetwork = true
        pod.status.podIPs = [.v4(IPv4Address(192, 0, 2, 2))]
        nine.world.set(pod)
        #expect(try nine.allows("z/a", "192.0.2.2"))
        #expect(try !nine.allows("192.0.2.2", "x/a"), "n2 is not the node of x/a, and no pod either")
        #expect(try nine.allows("x/b", "x/a"))
    }

    @Test("an address that was given on is the new pod's, and one of an ended pod is nobody's") func reuse() throws {
        var nine = try Nine([policy(["podSelector": [:], "ingress": [["from": [["podSelector": [:]]]]]])])
        var ended = try Nine.pod("x", "b", labels: [:])
        ended.status.phase = .succeeded
        nine.world.set(ended)
        #expect(try !nine.allows("x/b", "x/a"))
        var heir = try Nine.pod("x", "b", labels: [:])
        heir.metadata.name = "heir"
        nine.world.set(heir)
        #expect(try nine.allows("x/b", "x/a"))
        nine.world.remove(heir.key)
        #expect(try !nine.allows("x/b", "x/a"))
    }

    @Test("nothing is known of the labels of a namespace that is not known") func unknownNamespace() throws {
        let notY: JSONValue = ["key": "ns", "operator": "NotIn", "values": ["y"]]
        let spec: JSONValue = [
            "podSelector": [:],
            "ingress": [["from": [["namespaceSelector": ["matchExpressions": [notY]]]]]],
        ]
        var nine = try Nine([policy(spec)])
        #expect(try nine.allows("z/a", "x/a") && !nine.allows("y/a", "x/a"))
        nine.world.remove(ObjectKey(Namespace.resource.kind, name: "y"))
        #expect(try !nine.allows("y/a", "x/a"))
    }

    @Test("a policy that goes, and labels that change, change the answer") func changes() throws {
        var nine = try Nine([policy(["podSelector": ["matchLabels": ["pod": "a"]]])])
        #expect(try !nine.allows("y/a", "x/a"))
        nine.world.set(try Nine.pod("x", "a", labels: ["pod": "other"]))
        #expect(try nine.allows("y/a", "x/a"))
        nine.world.set(try Nine.pod("x", "a", labels: ["pod": "a"]))
        #expect(try !nine.allows("y/a", "x/a"))
        nine.world.remove(ObjectKey(NetworkPolicy.resource.kind, namespace: "x", name: "p"))
        #expect(try nine.allows("y/a", "x/a"))
    }

    @Test("a policy whose selector cannot be read selects nobody") func unreadable() throws {
        let nine = try Nine([policy(["podSelector": ["matchLabels": ["pod": 7]]])])
        #expect(try nine.denied() == "")
    }
}
