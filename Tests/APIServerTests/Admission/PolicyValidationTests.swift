import KubeAPI
import Testing

@testable import APIServer

@Suite("what is refused of network policies") struct PolicyValidationTests {
    private static func policy(_ spec: String) throws -> JSONValue {
        let tree = try JSONReader().value(
            #"{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"p","namespace":"x"},"spec":\#(spec)}"#
        )
        return Defaults.applied(to: tree, try served("NetworkPolicy"))
    }

    private static func peer(_ peer: String) -> String { #"{"ingress":[{"from":[\#(peer)]}]}"# }
    private static func port(_ port: String) -> String { #"{"egress":[{"ports":[\#(port)]}]}"# }

    static let faults: [(spec: String, faults: [String])] = [
        // Selectors.
        (
            #"{"podSelector":{"matchExpressions":[{"key":"a","operator":"Is","values":["b"]}]}}"#,
            [#"spec.podSelector.matchExpressions[0].operator: Invalid value: "Is": not a valid selector operator"#]
        ),
        (
            peer(#"{"podSelector":{"matchExpressions":[{"key":"a","operator":"In"}]}}"#),
            [
                "spec.ingress[0].from[0].podSelector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'"
            ]
        ),
        (
            peer(#"{"namespaceSelector":{"matchExpressions":[{"key":"a","operator":"Exists","values":["b"]}]}}"#),
            [
                "spec.ingress[0].from[0].namespaceSelector.matchExpressions[0].values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            ]
        ),
        // Ranges.
        (
            peer(#"{"ipBlock":{"cidr":"192.0.2.7/24"}}"#),
            [
                #"spec.ingress[0].from[0].ipBlock.cidr: Invalid value: "192.0.2.7/24": must not have bits set beyond the prefix length"#
            ]
        ),
        (
            peer(#"{"ipBlock":{"cidr":"2001:db8::1/64","except":["2001:db8::2:0/120"]}}"#),
            [
                #"spec.ingress[0].from[0].ipBlock.cidr: Invalid value: "2001:db8::1/64": must not have bits set beyond the prefix length"#
            ]
        ),
        (
            peer(#"{"ipBlock":{"cidr":"192.0.2.0/24","except":["192.0.2.9/28"]}}"#),
            [
                #"spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "192.0.2.9/28": must not have bits set beyond the prefix length"#
            ]
        ),
        (
            peer(#"{"ipBlock":{"cidr":"192.0.2.0/33"}}"#),
            [
                #"spec.ingress[0].from[0].ipBlock.cidr: Invalid value: "192.0.2.0/33": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"#
            ]
        ),
        (peer(#"{"ipBlock":{"cidr":""}}"#), ["spec.ingress[0].from[0].ipBlock.cidr: Required value"]),
        (
            peer(#"{"ipBlock":{"cidr":"192.0.2.0/24","except":["198.51.100.0/28","192.0.2.0/24","192.0.0.0/16"]}}"#),
            [
                #"spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "198.51.100.0/28": must be a strict subset of `cidr`"#,
                #"spec.ingress[0].from[0].ipBlock.except[1]: Invalid value: "192.0.2.0/24": must be a strict subset of `cidr`"#,
                #"spec.ingress[0].from[0].ipBlock.except[2]: Invalid value: "192.0.0.0/16": must be a strict subset of `cidr`"#,
            ]
        ),
        (
            peer(#"{"ipBlock":{"cidr":"192.0.2.0/24"},"podSelector":{}}"#),
            ["spec.ingress[0].from[0]: Forbidden: may not specify both ipBlock and another peer"]
        ),
        (peer("{}"), ["spec.ingress[0].from[0]: Required value: must specify a peer"]),
        // Ports.
        (
            port(#"{"port":81,"endPort":80}"#),
            ["spec.egress[0].ports[0].endPort: Invalid value: 80: must be greater than or equal to `port`"]
        ),
        (
            port(#"{"port":"web","endPort":80}"#),
            ["spec.egress[0].ports[0].endPort: Invalid value: 80: may not be specified when `port` is non-numeric"]
        ),
        (
            port(#"{"endPort":80}"#),
            ["spec.egress[0].ports[0].endPort: Invalid value: 80: may not be specified when `port` is not specified"]
        ),
        (
            port(#"{"port":80,"endPort":70000}"#),
            ["spec.egress[0].ports[0].endPort: Invalid value: 70000: must be between 1 and 65535, inclusive"]
        ),
        (port(#"{"port":0}"#), ["spec.egress[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"]),
        (
            port(#"{"port":80,"protocol":"ICMP"}"#),
            [#"spec.egress[0].ports[0].protocol: Unsupported value: "ICMP": supported values: "TCP", "UDP", "SCTP""#]
        ),
        (
            port(#"{"port":80,"protocol":"tcp"}"#),
            [#"spec.egress[0].ports[0].protocol: Unsupported value: "tcp": supported values: "TCP", "UDP", "SCTP""#]
        ),
        // Types.
        (
            #"{"policyTypes":["Ingress","both"]}"#,
            [#"spec.policyTypes[1]: Unsupported value: "both": supported values: "Egress", "Ingress""#]
        ),
        (
            #"{"policyTypes":["Ingress","Egress","Ingress"]}"#,
            [#"spec.policyTypes: Invalid value: ["Ingress","Egress","Ingress"]: may not specify more than two policyTypes"#]
        ),
        // All of it, in kube-apiserver's order: ports before peers, types last.
        (
            #"{"policyTypes":["x"],"ingress":[{"from":[{}],"ports":[{"port":2,"endPort":1}]}]}"#,
            [
                "spec.ingress[0].ports[0].endPort: Invalid value: 1: must be greater than or equal to `port`",
                "spec.ingress[0].from[0]: Required value: must specify a peer",
                #"spec.policyTypes[0]: Unsupported value: "x": supported values: "Egress", "Ingress""#,
            ]
        ),
        // And what is right.
        (
            #"{"podSelector":{},"ingress":[{"from":[{"ipBlock":{"cidr":"192.0.2.0/24","except":["192.0.2.8/29"]}}],"ports":[{"port":80,"endPort":80}]}]}"#,
            []
        ),
    ]

    @Test("a wrong policy is told its faults, each with its path", arguments: faults)
    func wrong(row: (spec: String, faults: [String])) throws {
        #expect(try Validation.faults(of: Self.policy(row.spec), served("NetworkPolicy")).map(\.description) == row.faults)
    }

    @Test("a range that is stored with host bits stays, and no other comes beside it")
    func ratchet() throws {
        let kind = try served("NetworkPolicy")
        let old = try Self.policy(Self.peer(#"{"ipBlock":{"cidr":"192.0.2.7/24"}}"#))
        let same = try Self.policy(#"{"egress":[{}],"ingress":[{"from":[{"ipBlock":{"cidr":"192.0.2.7/24"}}]}]}"#)
        #expect(Validation.faults(of: same, replacing: old, kind).isEmpty)
        let other = try Self.policy(Self.peer(#"{"ipBlock":{"cidr":"192.0.2.9/24"}}"#))
        #expect(Validation.faults(of: other, replacing: old, kind).count == 1)
    }

    // KubeAPI reads what other servers let through: it must not find right what this one refuses, or a rule would open more than meant.
    @Test("whatever is refused is also a fault to whoever reads it", arguments: faults)
    func reading(row: (spec: String, faults: [String])) throws {
        let faults = Registry.standard.read(try Self.policy(row.spec)).faults
        // Three types are two.
        if row.spec.contains(#""Egress","Ingress"]"#) { return }
        #expect(faults.isEmpty == row.faults.isEmpty, "\(faults)")
        #expect(Set(faults.map { "\($0.path)" }) == Set(row.faults.map { String($0.prefix { $0 != ":" }) }))
    }
}
