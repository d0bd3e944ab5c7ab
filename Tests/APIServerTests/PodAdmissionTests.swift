import KubeAPI
import Testing

@testable import APIServer

@Suite("what admission adds to a pod") struct PodAdmissionTests {
    private let account: JSONValue = ["metadata": ["name": "default", "namespace": "shop"]]

    private func admitted(_ spec: JSONValue, account: JSONValue?, metadata: JSONValue = [:]) throws -> JSONValue {
        let kind = try #require(ServedKinds.kind(group: "", version: "v1", plural: "pods"))
        var pod: JSONValue = ["metadata": metadata, "spec": spec]
        pod.set("a", at: "metadata", "name")
        pod.set("shop", at: "metadata", "namespace")
        return try PodAdmission(account: account, suffix: "x7x7x").admitted(pod, kind)
    }

    @Test("its account, and a token where every container finds it") func token() throws {
        let pod = try admitted(["initContainers": [["name": "i"]], "containers": [["name": "c"]]], account: account)
        #expect(pod.at("spec", "serviceAccountName") == "default" && pod.at("spec", "serviceAccount") == "default")
        let mount: JSONValue = [
            ["name": "kube-api-access-x7x7x", "readOnly": true, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"]
        ]
        for list in ["initContainers", "containers"] { #expect(pod.at("spec", list)?.array?.first?["volumeMounts"] == mount) }
        let volumes = pod.at("spec", "volumes")?.array ?? []
        #expect(volumes.count == 1 && volumes[0]["name"] == "kube-api-access-x7x7x")
        let sources = volumes[0].at("projected", "sources")?.array ?? []
        #expect(sources.map { $0.object?.members.map(\.key) } == [["serviceAccountToken"], ["configMap"], ["downwardAPI"]])
        #expect(
            pod.at("spec", "priority") == .number(JSONNumber(Int64(0)))
                && pod.at("spec", "preemptionPolicy") == "PreemptLowerPriority")
    }

    @Test("no token where the pod or its account does not want one, the pod's word counting") func unwanted() throws {
        var shy = account
        shy.set(false, at: "automountServiceAccountToken")
        let bare: JSONValue = ["containers": [["name": "c"]]]
        #expect(try admitted(bare, account: shy).at("spec", "volumes") == nil)
        var wanting = bare
        wanting.set(true, at: "automountServiceAccountToken")
        #expect(try admitted(wanting, account: shy).at("spec", "volumes")?.array?.count == 1)
        var refusing = bare
        refusing.set(false, at: "automountServiceAccountToken")
        #expect(try admitted(refusing, account: account).at("spec", "volumes") == nil)
    }

    @Test("what a container mounts there itself stays, and no volume comes that nobody mounts") func own() throws {
        let mounts: JSONValue = [["name": "v", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"]]
        let spec: JSONValue = ["containers": [["name": "c", "volumeMounts": mounts]], "volumes": [["name": "v"]]]
        let pod = try admitted(spec, account: account)
        #expect(pod.at("spec", "containers")?.array?.first?["volumeMounts"] == mounts)
        #expect(pod.at("spec", "volumes")?.array?.count == 1)
    }

    @Test(
        "five minutes with a lost node, where the pod does not say how long",
        arguments: [
            ([], 2), ([["operator": "Exists"]], 1), ([["key": "node.kubernetes.io/not-ready", "effect": "NoExecute"]], 2),
            ([["key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"]], 3), ([["key": "gpu", "effect": "NoExecute"]], 3),
        ] as [([JSONValue], Int)])
    func tolerations(own: [JSONValue], count: Int) throws {
        let spec: JSONValue = ["containers": [["name": "c"]], "tolerations": .array(own)]
        let tolerations = try admitted(spec, account: account).at("spec", "tolerations")?.array ?? []
        #expect(tolerations.count == count && tolerations.starts(with: own))
        #expect(
            tolerations.dropFirst(own.count).allSatisfy {
                $0["tolerationSeconds"] == .number(JSONNumber(Int64(300))) && $0["operator"] == "Exists"
            })
    }

    @Test("an account that is not there is refused in kube-apiserver's words; a static pod's picture needs none") func missing()
        throws
    {
        let spec: JSONValue = ["containers": [["name": "c"]], "serviceAccountName": "bob"]
        let status = #expect(throws: Status.self) { try admitted(spec, account: nil) }
        #expect(status?.code == 403)
        #expect(
            status?.message
                == "pods \"a\" is forbidden: error looking up service account shop/bob: serviceaccount \"bob\" not found")
        let mirror: JSONValue = ["annotations": ["kubernetes.io/config.mirror": "x"]]
        #expect(try admitted(spec, account: nil, metadata: mirror).at("spec", "volumes") == nil)
    }
}
