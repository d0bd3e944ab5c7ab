import Addressing
import KubeAPI
import Testing

@Suite("cluster network policies as they are read") struct ClusterNetworkPolicyTests {
    private func read(_ spec: String) throws -> (policy: ClusterNetworkPolicy, faults: [String]) {
        let reading = Registry.standard.read(
            try JSONReader().value(
                #"{"apiVersion":"policy.networking.k8s.io/v1alpha2","kind":"ClusterNetworkPolicy","metadata":{"name":"lock"},"spec":\#(spec)}"#
            ))
        return (try #require(reading.object as? ClusterNetworkPolicy), reading.faults.map(\.description))
    }

    @Test("a policy is read: its place, its subject, and its rules with peers and ports") func whole() throws {
        let (policy, faults) = try read(
            """
            {"tier": "Baseline", "priority": 7, "subject": {"pods": {"podSelector": {"matchLabels": {"app": "db"}}}},
             "ingress": [{"name": "friends", "action": "Accept", "from": [{"namespaces": {}},
                {"pods": {"namespaceSelector": {"matchLabels": {"ns": "x"}}, "podSelector": {}}}]}],
             "egress": [{"action": "Pass", "to": [{"nodes": {}}, {"networks": ["192.0.2.0/24", "2001:db8::7/64"]}],
                "protocols": [{"tcp": {"destinationPort": {"number": 53}}}, {"sctp": {"destinationPort": {"range": {"start": 7, "end": 9}}}}]},
              {"action": "Deny", "to": [{"namespaces": {}}], "protocols": [{"destinationNamedPort": "web"}]}]}
            """)
        #expect(faults == [])
        #expect(policy.tier == .baseline && policy.priority == 7)
        #expect(policy.subject == .init(namespaces: LabelSelector(), pods: LabelSelector(matching: ["app": "db"])))
        let friends = ClusterNetworkPolicy.PodGroup(namespaces: LabelSelector(matching: ["ns": "x"]))
        #expect(
            policy.ingress == [.init(.accept, [.pods(.init(namespaces: LabelSelector())), .pods(friends)], name: "friends")])
        let networks = try ["192.0.2.0/24", "2001:db8::/64"].map { try #require(IPPrefix($0)) }
        #expect(policy.egress[0].peers == [.nodes(LabelSelector()), .networks(networks)])
        #expect(policy.egress[0].ports == [.numbers(.tcp, 53...53), .numbers(.sctp, 7...9)])
        #expect(policy.egress[1].action == .deny && policy.egress[1].ports == [.name("web")])
    }

    // CEL keeps them out where it is run, but for `::ffff:c000:200/120`. A rule that denied it would have denied nothing.
    @Test("an IPv4-mapped network is the IPv4 one it stands for") func mapped() throws {
        let (policy, faults) = try read(
            #"{"tier":"Admin","priority":1,"subject":{"namespaces":{}},"egress":[{"action":"Deny","to":[{"networks":["::ffff:c000:200/120"]}]}]}"#
        )
        #expect(faults == [])
        #expect(policy.egress.map(\.peers) == [[.networks([try #require(IPPrefix("192.0.2.0/24"))])]])
    }

    static let faults: [(String, [String])] = [
        (
            "{}",
            ["spec.tier: Required value", "spec.priority: Required value", "spec.subject: Required value"]
        ),
        (
            #"{"tier":"","priority":1001,"subject":{}}"#,
            [
                #"spec.tier: Unsupported value: "": supported values: "Admin", "Baseline""#,
                "spec.priority: Invalid value: 1001: must be between 0 and 1000, inclusive",
                #"spec.subject: Invalid value: "": must have exactly one of namespaces, pods"#,
            ]
        ),
        (
            #"{"tier":"Admin","priority":1,"subject":{"namespaces":{}},"ingress":[{"from":[{"nodes":{}}],"protocols":[]}]}"#,
            [
                "spec.ingress[0].action: Required value",
                #"spec.ingress[0].from[0]: Invalid value: "": must have exactly one of namespaces, pods"#,
                "spec.ingress[0].protocols: Required value: must have at least 1 item",
            ]
        ),
        (
            #"{"tier":"Admin","priority":1,"subject":{"pods":{}},"egress":[{"action":"Deny","to":[]}]}"#,
            [
                "spec.subject.pods.podSelector: Required value",
                "spec.egress[0].to: Required value: must have at least 1 item",
            ]
        ),
        (
            #"{"tier":"Admin","priority":1,"subject":{"namespaces":{}},"egress":[{"action":"Pass","to":[{"networks":["x"]}],"protocols":[{"destinationNamedPort":"Web"},{"tcp":{}},{"udp":{"destinationPort":{"range":{"start":9,"end":9}}}}]}]}"#,
            [
                #"spec.egress[0].to[0].networks[0]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"#,
                #"spec.egress[0].protocols[0].destinationNamedPort: Invalid value: "Web": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"#,
                "spec.egress[0].protocols[1].tcp.destinationPort: Required value",
                "spec.egress[0].protocols[2].udp.destinationPort.range: Invalid value: 9: Start port must be less than End port",
                "spec.egress[0].protocols: Forbidden: destinationNamedPort means pods, and not nodes, networks or domainNames",
            ]
        ),
    ]

    @Test("what breaks a rule of the API is told with its field", arguments: faults)
    func wrong(row: (spec: String, faults: [String])) throws {
        #expect(try read(row.spec).faults == row.faults)
    }

    @Test("a rule that cannot be carried out is one that opens nothing") func closed() throws {
        let (policy, _) = try read(
            #"""
            {"tier":"Admin","priority":1,"subject":{"namespaces":{}},"egress":[
             {"action":"Accept","to":[{}]}, {"action":"Pass","to":[{}],"name":"on"}, {"action":"Accept","to":[{"domainNames":["a.b"]}]}, 7]}
            """#)
        #expect(
            policy.egress == [
                .init(.accept, [.nobody], obstacle: .unreadable), .init(.deny, [.everybody], name: "on", obstacle: .unreadable),
                .init(.accept, [.nobody], obstacle: .domainNames), .init(.deny, [.everybody], obstacle: .unreadable),
            ])
    }

    @Test("more rules than a direction may have are a fault, and hold all the same") func tooMany() throws {
        let rules = Array(repeating: #"{"action":"Deny","from":[{"namespaces":{}}]}"#, count: 26).joined(separator: ",")
        let (policy, faults) = try read(
            #"{"tier":"Admin","priority":1,"subject":{"namespaces":{}},"ingress":[\#(rules)]}"#)
        #expect(policy.ingress.count == 26 && policy.ingress.allSatisfy { $0.obstacle == nil })
        #expect(faults == ["spec.ingress: Too many: 26: must have at most 25 items"])
    }
}
