import APIServer
import KubeAPI
import Testing

@Suite struct FieldSelectorTests {
    @Test(
        "a field selector chooses as kube-apiserver does",
        arguments: [
            ("", true), ("metadata.name=web", true), ("metadata.name!=web", false), ("metadata.name==web,spec.nodeName=n1", true),
            ("spec.nodeName=", false), ("status.phase!=Running", true), ("spec.hostNetwork=false", true), ("status.podIP=", true),
            ("metadata.namespace=other", false),
        ])
    func pods(text: String, matches: Bool) throws {
        let pod = tree(
            #"{"metadata": {"name": "web", "namespace": "default"}, "spec": {"nodeName": "n1"}, "status": {"phase": "Pending"}}"#)
        #expect(try FieldSelector(parsing: text, kind: served("Pod")).matches(pod) == matches)
    }

    @Test(
        "what no field selector is, or what a kind has no such field for, is refused",
        arguments: [
            ("Pod", "spec.image=x", "field label not supported: spec.image"),
            ("Deployment", "status.phase=x", #"field label "status.phase" not supported for Deployment"#),
            ("Pod", "metadata.name", "invalid selector: 'metadata.name'; can't understand 'metadata.name'"),
            ("Pod", "=x", "invalid selector: '=x'; can't understand '=x'"),
            ("Pod", "metadata.name=a=b", "invalid selector: 'metadata.name=a=b'; can't understand 'metadata.name=a=b'"),
        ])
    func refused(kind: String, text: String, message: String) throws {
        let kind = try served(kind)
        let error = #expect(throws: FieldSelectorError.self) { try FieldSelector(parsing: text, kind: kind) }
        #expect(error?.description == message)
    }

    @Test("an escaped comma belongs to the value")
    func escapes() throws {
        let selector = try FieldSelector(parsing: #"reason=a\,b,type=Normal"#, kind: served("Event"))
        #expect(selector.terms.map(\.value) == ["a,b", "Normal"])
    }
}
