import FoundationEssentials
import KubeAPI
import NIOHTTP1
import Testing
import Yams

@testable import APIServer

@Suite("the definition of ClusterNetworkPolicy", .timeLimit(.minutes(5))) struct ClusterPolicyDefinitionTests {
    private let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    private let policies = "/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies"

    /// What a manifest in `deploy/` says.
    private func manifest(_ name: String) throws -> JSONValue {
        let path = "\(#filePath)".split(separator: "/").dropLast(3).map { "/\($0)" }.joined() + "/deploy/\(name)"
        let text = String(decoding: try Data(contentsOf: URL(filePath: path)), as: UTF8.self)
        return json(try #require(try Yams.compose(yaml: text)))
    }

    private func json(_ node: Yams.Node) -> JSONValue {
        switch node {
        case .mapping(let mapping):
            var object = JSONObject()
            for (key, value) in mapping { object[key.string ?? ""] = json(value) }
            return .object(object)
        case .sequence(let sequence): return .array(sequence.map(json))
        case .scalar(let scalar):
            // A quoted word is a text.
            if scalar.style == .plain, let bool = node.bool { return .bool(bool) }
            if scalar.style == .plain, let number = node.int { return .number(JSONNumber(Int64(number))) }
            return .string(scalar.string)
        case .alias: return .null
        }
    }

    private func policy(_ change: (inout JSONValue) -> Void = { _ in }) -> String {
        var policy: JSONValue = [
            "apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicy", "metadata": ["name": "lock"],
            "spec": [
                "tier": "Admin", "priority": 10, "subject": ["namespaces": [:]],
                "ingress": [["action": "Deny", "from": [["namespaces": ["matchLabels": ["team": "red"]]]]]],
                "egress": [
                    [
                        "name": "web", "action": "Accept",
                        "to": [["networks": ["192.0.2.0/24", "2001:db8::/64"]], ["nodes": [:]]],
                        "protocols": [["tcp": ["destinationPort": ["range": ["start": 80, "end": 81]]]]],
                    ]
                ],
            ],
        ]
        change(&policy)
        return policy.description
    }

    @Test("it is served from its manifest, says which rules are not run, and what is kept is what KubeAPI reads")
    func served() async throws {
        let definition = try manifest("clusternetworkpolicies.yaml").description
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                let made = try await client.ask(.POST, definitions, definition)
                #expect(made.status == 201, "\(made.body)")
                let conditions = try JSONReader().value(made.body).at("status", "conditions")?.objects ?? []
                let unrun = try #require(conditions.first { $0.string("type") == "ValidationRulesEvaluated" })
                #expect(unrun.string("status") == "False" && unrun.string("reason") == "NotSupported")
                for place in [
                    "v1alpha2: spec.egress[*]", "v1alpha2: spec.egress[*].to[*].networks[*]",
                    "v1alpha2: spec.ingress[*].protocols[*].sctp.destinationPort.range",
                ] { #expect(unrun.string("message").contains(place), "\(unrun)") }
                let kept = try await client.ask(.POST, policies, policy())
                #expect(kept.status == 201, "\(kept.body)")
                let reading = Registry.standard.read(try JSONReader().value(kept.body))
                #expect(reading.faults.isEmpty)
                let object = try #require(reading.object as? ClusterNetworkPolicy)
                #expect(object.tier == .admin && object.priority == 10 && object.ingress.count == 1)
                #expect(object.egress.map(\.name) == ["web"] && object.egress[0].peers.count == 2)
                let status =
                    #"{"status":{"conditions":[{"type":"Accepted","status":"True","reason":"Fine","message":"","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}"#
                let patched = try await client.ask(
                    .PATCH, "\(policies)/lock/status", status, headers: [("Content-Type", "application/merge-patch+json")])
                #expect(patched.status == 200, "\(patched.body)")
            }
        }
    }

    @Test("kubectl get shows the tier, the priority and whether the policy is tried out")
    func columns() async throws {
        let definition = try manifest("clusternetworkpolicies.yaml").description
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                #expect(try await client.ask(.POST, definitions, definition).status == 201)
                let shadow = policy { $0[at: "metadata", "annotations"] = ["tulle.dev/policy-mode": "shadow"] }
                #expect(try await client.ask(.POST, policies, shadow).status == 201)
                let other = policy { $0[at: "metadata", "name"] = "open" }
                #expect(try await client.ask(.POST, policies, other).status == 201)
                let accept = ("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
                let table = try JSONReader().value(try await client.ask(.GET, policies, headers: [accept]).body)
                #expect(
                    table["columnDefinitions"]?.objects.map { $0.string("name") } == ["Name", "Tier", "Priority", "Mode", "Age"])
                let rows = (table["rows"]?.objects ?? []).map { ($0["cells"]?.array ?? []).prefix(4) }
                #expect(rows == [["lock", "Admin", "10", "shadow"], ["open", "Admin", "10", .null]], "\(rows)")
            }
        }
    }

    @Test("kubectl explain has a sentence for every field, of the specification and of the status")
    func explained() throws {
        let kind = try #require(ServedKind(crd: manifest("clusternetworkpolicies.yaml")))
        var unexplained: [String] = []
        func look(_ schema: JSONValue, _ path: String) {
            if let items = schema["items"] { look(items, path + "[]") }
            for member in schema["properties"]?.object?.members ?? [] {
                let path = "\(path).\(member.key)"
                if member.value["description"]?.string?.isEmpty ?? true { unexplained.append(path) }
                look(member.value, path)
            }
        }
        look(try #require(kind.custom).schemaTree, "")
        #expect(unexplained == [])
    }

    static let refusals: [(path: [String], value: JSONValue, fault: String)] = [
        (["tier"], "Default", "spec.tier: Unsupported value"), (["priority"], 1001, "spec.priority: Invalid value"),
        (["priority"], -1, "spec.priority: Invalid value"), (["subject"], [:], "spec.subject: Invalid value"),
        (["subject"], ["namespaces": [:], "pods": ["podSelector": [:]]], "spec.subject: Too many"),
        (
            ["ingress"], .array(Array(repeating: ["action": "Deny", "from": [["namespaces": [:]]]], count: 26)),
            "spec.ingress: Too many"
        ),
        (["ingress"], [["action": "Allow", "from": [["namespaces": [:]]]]], "spec.ingress[0].action: Unsupported value"),
        (["ingress"], [["action": "Deny", "from": []]], "spec.ingress[0].from: Invalid value"),
        (["ingress"], [["action": "Deny", "from": [[:]]]], "spec.ingress[0].from[0]: Invalid value"),
        // A field that ingress has not is taken away, and nothing is left.
        (["ingress"], [["action": "Deny", "from": [["networks": ["192.0.2.0/24"]]]]], "spec.ingress[0].from[0]: Invalid value"),
        (
            ["ingress"], [["action": "Deny", "from": [["namespaces": [:]]], "protocols": [["tcp": [:]]]]],
            "spec.ingress[0].protocols[0].tcp: Invalid value"
        ),
        (
            ["ingress"],
            [["action": "Deny", "from": [["namespaces": [:]]], "protocols": [["udp": ["destinationPort": ["number": 0]]]]]],
            "spec.ingress[0].protocols[0].udp.destinationPort.number: Invalid value"
        ),
        (["egress"], [["action": "Deny", "to": [["networks": []]]]], "spec.egress[0].to[0].networks: Invalid value"),
        (
            ["egress"], [["action": "Deny", "to": [["domainNames": ["no dots"]]]]],
            "spec.egress[0].to[0].domainNames[0]: Invalid value"
        ),
    ]

    @Test("what its schema forbids is refused with the field's path, and is a fault to whoever reads it", arguments: refusals)
    func refused(row: (path: [String], value: JSONValue, fault: String)) async throws {
        let kind = try #require(ServedKind(crd: manifest("clusternetworkpolicies.yaml")))
        let schema = try #require(kind.custom?.schema)
        let tree = try JSONReader().value(policy { $0[at: "spec", row.path[0]] = row.value })
        let faults = Validation.faults(of: schema.pruned(tree).value, kind).map(\.description)
        #expect(faults.contains { $0.hasPrefix(row.fault) }, "\(faults)")
        // Names are read when they are enforced.
        if row.fault.contains("domainNames") { return }
        #expect(!Registry.standard.read(tree).faults.isEmpty)
    }
}
