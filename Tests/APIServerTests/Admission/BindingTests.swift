import KubeAPI
import NIOHTTP1
import Testing

@testable import APIServer

@Suite("bindings of roles", .timeLimit(.minutes(5))) struct BindingTests {
    private static let group = "/apis/rbac.authorization.k8s.io/v1"

    private func binding(_ kind: String, _ role: String, _ subjects: String = "[]") -> String {
        #"{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"\#(kind)","metadata":{"name":"b"},"roleRef":\#(role),"subjects":\#(subjects)}"#
    }

    @Test(
        "the role of a binding stays, by whatever way it is to be changed",
        arguments: [("RoleBinding", "namespaces/default/rolebindings"), ("ClusterRoleBinding", "clusterrolebindings")])
    func role(_ kind: String, _ plural: String) async throws {
        let (one, other) = (#"{"kind":"ClusterRole","name":"view"}"#, #"{"kind":"ClusterRole","name":"edit"}"#)
        let whole = #"{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"view"}"#
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                let (list, own) = ("\(Self.group)/\(plural)", "\(Self.group)/\(plural)/b")
                #expect(try await client.ask(.POST, list, binding(kind, one)).status == 201)
                let refused = try await client.ask(.PUT, own, binding(kind, other))
                #expect(refused.status == 422 && refused.body.contains("cannot change roleRef"), "\(refused.body)")
                #expect(refused.body.contains(#""reason":"Invalid""#) && refused.body.contains(#""field":"roleRef""#))
                for type in ["application/merge-patch+json", "application/strategic-merge-patch+json"] {
                    let patched = try await client.ask(
                        .PATCH, own, #"{"roleRef":{"name":"edit"}}"#, headers: [("Content-Type", type)])
                    #expect(patched.status == 422 && patched.body.contains("cannot change roleRef"), "\(patched.body)")
                }
                // With its group or without it is the same role; whom it is given to may change.
                let subjects = #"[{"kind":"User","name":"ann"},{"kind":"ServiceAccount","name":"bob","namespace":"default"}]"#
                for role in [one, whole] {
                    let changed = try await client.ask(.PUT, own, binding(kind, role, subjects))
                    let (answer, wanted) = (try JSONReader().value(changed.body), try JSONReader().value(whole))
                    #expect(changed.status == 200 && answer["roleRef"] == wanted, "\(changed.body)")
                    let group = answer["subjects"]?.array?.map { $0["apiGroup"]?.string }
                    #expect(group == ["rbac.authorization.k8s.io", nil], "\(changed.body)")
                }
            }
        }
    }

    @Test(
        "a binding names a role that there may be",
        arguments: [
            ("RoleBinding", #"{"kind":"Role","name":""}"#, "roleRef.name"), ("RoleBinding", "{}", "roleRef.kind"),
            ("RoleBinding", "null", "roleRef"), ("ClusterRoleBinding", #"{"kind":"Role","name":"a"}"#, "roleRef.kind"),
            ("RoleBinding", #"{"apiGroup":"a.example","kind":"Role","name":"a"}"#, "roleRef.apiGroup"),
        ])
    func named(_ kind: String, _ role: String, _ field: String) async throws {
        let plural = kind == "RoleBinding" ? "namespaces/default/rolebindings" : "clusterrolebindings"
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                let answer = try await client.ask(.POST, "\(Self.group)/\(plural)", binding(kind, role))
                #expect(answer.status == 422 && answer.body.contains("\"field\":\"\(field)\""), "\(answer.body)")
            }
        }
    }
}
