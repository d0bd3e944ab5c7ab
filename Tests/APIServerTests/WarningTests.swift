import KubeAPI
import NIOHTTP1
import Testing

@testable import APIServer

@Suite("what the server warns of", .timeLimit(.minutes(5))) struct WarningTests {
    private let policies = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies"

    private func policy(_ name: String, _ spec: String) -> String {
        #"{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"\#(name)"}\#(spec)}"#
    }

    /// As kubectl shows them.
    private func warnings(_ answer: Client.Answer) -> [String] {
        answer.headers["Warning"].map { header in
            String(header.dropFirst(7).dropLast()).replacing("\\\"", with: "\"")
        }
    }

    /// A form of patch, a body with a field that nobody knows, and where the field is.
    static let patches: [(type: String, body: String)] = [
        ("application/merge-patch+json", #"{"spec":{"podSelectr":{"matchLabels":{"app":"db"}}}}"#),
        ("application/strategic-merge-patch+json", #"{"spec":{"podSelectr":{"matchLabels":{"app":"db"}}}}"#),
        ("application/json-patch+json", #"[{"op":"add","path":"/spec/podSelectr","value":{"matchLabels":{"app":"db"}}}]"#),
    ]

    @Test(
        "a field that nobody knows is told of in a patch as in a creation, refused, or passed over, as asked", arguments: patches)
    func unknownInPatch(_ patch: (type: String, body: String)) async throws {
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                #expect(try await client.ask(.POST, policies, policy("p", #","spec":{"podSelector":{}}"#)).status == 201)
                let headers = [("Content-Type", patch.type)]
                let uri = "\(policies)/p"
                let refused = try await client.ask(.PATCH, "\(uri)?fieldValidation=Strict", patch.body, headers: headers)
                #expect(refused.status == 400 && refused.body.contains("spec.podSelectr"), "\(refused.body)")
                let tried = try await client.ask(.PATCH, "\(uri)?dryRun=All", patch.body, headers: headers)
                #expect(warnings(tried) == [#"unknown field "spec.podSelectr""#])
                let quiet = try await client.ask(.PATCH, "\(uri)?fieldValidation=Ignore", patch.body, headers: headers)
                #expect(quiet.status == 200 && warnings(quiet) == [])
                // A patch that changes nothing any more.
                let again = try await client.ask(.PATCH, "\(uri)?fieldValidation=Warn", patch.body, headers: headers)
                #expect(again.status == 200 && warnings(again) == [#"unknown field "spec.podSelectr""#])
            }
        }
    }

    // What was kept would be refused when it comes back, as kubectl sends it strictly.
    @Test("a field that nobody knows is not kept, whatever way it comes", arguments: patches)
    func unknownIsDropped(_ patch: (type: String, body: String)) async throws {
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                let made = try await client.ask(.POST, policies, policy("p", #","spec":{"podSelector":{},"podSelectr":{"a":1}}"#))
                #expect(made.status == 201 && warnings(made) == [#"unknown field "spec.podSelectr""#])
                #expect(made["spec"] == #"{"podSelector":{},"policyTypes":["Ingress"]}"#)
                let patched = try await client.ask(.PATCH, "\(policies)/p", patch.body, headers: [("Content-Type", patch.type)])
                #expect(patched["spec"] == #"{"podSelector":{},"policyTypes":["Ingress"]}"#)
                let read = try await client.ask(.GET, "\(policies)/p")
                #expect(try await client.ask(.PUT, "\(policies)/p?fieldValidation=Strict", read.body).status == 200)
            }
        }
    }

    @Test(
        "null is what kube-apiserver makes of it: a field that is not there, an element without a content",
        arguments: [
            (#""ingress":[null]"#, #"{"ingress":[{}],"podSelector":{},"policyTypes":["Ingress"]}"#, nil),
            (#""ingress":[{"from":null,"ports":null}]"#, #"{"ingress":[{}],"podSelector":{},"policyTypes":["Ingress"]}"#, nil),
            (#""ingress":null"#, #"{"podSelector":{},"policyTypes":["Ingress"]}"#, nil),
            (#""podSelector":null"#, #"{"podSelector":{},"policyTypes":["Ingress"]}"#, nil),
            (
                #""podSelector":{"matchLabels":{"a":null}}"#,
                #"{"podSelector":{"matchLabels":{"a":""}},"policyTypes":["Ingress"]}"#, nil
            ),
            (#""ingress":[{"from":[null]}]"#, nil, "spec.ingress[0].from[0]"),
            (#""policyTypes":[null]"#, nil, "spec.policyTypes[0]"),
        ] as [(String, String?, String?)])
    func nulls(_ field: String, _ wanted: String?, _ fault: String?) async throws {
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                let spec = field.contains("podSelector") ? field : #""podSelector":{},\#(field)"#
                let made = try await client.ask(.POST, policies, policy("p", ",\"spec\":{\(spec)}"))
                #expect(made.status == (fault == nil ? 201 : 422), "\(made.body)")
                if let fault { #expect(made.body.contains(fault), "\(made.body)") }
                guard let wanted else { return }
                let stored = try JSONReader().value(made.body)
                let expected = try JSONReader().value(wanted)
                #expect(stored["spec"] == expected, "\(made.body)")
                let read = Registry.standard.read(stored)
                #expect(read.object is NetworkPolicy && read.faults.isEmpty, "\(read)")
            }
        }
    }

    @Test("there are only so many warnings as a client takes of headers")
    func many() async throws {
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                let fields = (0..<1000).map { #""unknown-\#($0)":1"# }.joined(separator: ",")
                let made = try await client.ask(.POST, policies, policy("p", #","spec":{\#(fields)}"#))
                #expect(made.status == 201 && (50...200).contains(warnings(made).count), "\(warnings(made).count)")
            }
        }
    }

    @Test("a key that a patch has twice is told of where that is asked for")
    func duplicateInPatch() async throws {
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                #expect(try await client.ask(.POST, policies, policy("p", #","spec":{"podSelector":{}}"#)).status == 201)
                let body = #"{"metadata":{"labels":{"a":"1"},"labels":{"a":"2"}}}"#
                let headers = [("Content-Type", "application/merge-patch+json")]
                let told = try await client.ask(.PATCH, "\(policies)/p?fieldValidation=Warn", body, headers: headers)
                #expect(told.status == 200 && warnings(told) == [#"duplicate field "metadata.labels""#])
                #expect(try await client.ask(.PATCH, "\(policies)/p", body, headers: headers).status == 400)
            }
        }
    }

    @Test("a policy without a specification is one that selects all pods of its namespace, and isolates them")
    func withoutSpecification() async throws {
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                for (name, spec) in [("bare", ""), ("null", #","spec":null"#), ("empty", #","spec":{}"#)] {
                    let made = try await client.ask(.POST, policies, policy(name, spec))
                    #expect(made.status == 201, "\(made.body)")
                    #expect(made["spec"] == #"{"podSelector":{},"policyTypes":["Ingress"]}"#)
                    let read = Registry.standard.read(try JSONReader().value(made.body))
                    let policy = try #require(read.object as? NetworkPolicy)
                    #expect(policy.podSelector == LabelSelector() && policy.directions == [.ingress] && policy.ingress == [])
                }
            }
        }
    }

    @Test(
        "a range that is written in an unusual way is told of with the usual one, as kube-apiserver does",
        arguments: [
            (
                "::ffff:192.0.2.0/120",
                #"non-standard CIDR value "::ffff:192.0.2.0/120" will be considered invalid in a future Kubernetes release: use "192.0.2.0/24""#
            ),
            (
                "::ffff:c000:200/120",
                #"non-standard CIDR value "::ffff:c000:200/120" will be considered invalid in a future Kubernetes release: use "192.0.2.0/24""#
            ),
            ("2001:DB8::/32", #"IPv6 CIDR value "2001:DB8::/32" should be in RFC 5952 canonical format ("2001:db8::/32")"#),
            ("2001:db8::/32", nil), ("192.0.2.0/24", nil),
        ])
    func ranges(_ range: String, _ warning: String?) async throws {
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                let spec = #","spec":{"podSelector":{},"egress":[{},{"to":[{"ipBlock":{"cidr":"\#(range)"}}]}]}"#
                let wanted = warning.map { ["spec.egress[1].to[0].ipBlock.cidr: \($0)"] } ?? []
                let made = try await client.ask(.POST, policies, policy("p", spec))
                #expect(made.status == 201 && warnings(made) == wanted, "\(made.headers)")
                let changed = try await client.ask(
                    .PATCH, "\(policies)/p", #"{"metadata":{"labels":{"a":"b"}}}"#,
                    headers: [("Content-Type", "application/merge-patch+json")])
                #expect(changed.status == 200 && warnings(changed) == wanted)
                let except =
                    #","spec":{"podSelector":{},"ingress":[{"from":[{"ipBlock":{"cidr":"::/0","except":["\#(range)"]}}]}]}"#
                guard !range.hasPrefix("192"), !range.hasPrefix("::ffff") else { return }
                let second = try await client.ask(.POST, policies, policy("q", except))
                let place = warning.map { ["spec.ingress[0].from[0].ipBlock.except[0]: \($0)"] } ?? []
                #expect(second.status == 201 && warnings(second) == place, "\(second.body)")
            }
        }
    }
}
