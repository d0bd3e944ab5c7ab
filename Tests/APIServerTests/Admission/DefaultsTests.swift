import APIServer
import KubeAPI
import Testing

@Suite struct DefaultsTests {
    @Test(
        "the smallest object of each kind is valid with its defaults, which change nothing the second time",
        arguments: Sample.specs)
    func samples(sample: (kind: String, body: String)) throws {
        let kind = try served(sample.kind)
        let once = Defaults.applied(to: Sample.object(kind, sample.body), kind)
        #expect(Defaults.applied(to: once, kind).description == once.description)
        #expect(Validation.faults(of: once, kind) == [])
        #expect(Validation.faults(of: once, replacing: once, kind) == [])
        let review = Decoding.review(once, kind)
        #expect(review.wrongForms == [])
        #expect(review.unknownFields == [])
    }

    @Test(
        "a default is there where nothing was said",
        arguments: [
            ("Pod", ["spec", "restartPolicy"], #""Always""#), ("Pod", ["spec", "terminationGracePeriodSeconds"], "30"),
            ("Pod", ["spec", "securityContext"], "{}"), ("Pod", ["status", "phase"], #""Pending""#),
            ("Service", ["spec", "type"], #""ClusterIP""#), ("Service", ["spec", "internalTrafficPolicy"], #""Cluster""#),
            ("Service", ["spec", "ports"], #"[{"port":80,"protocol":"TCP","targetPort":80}]"#),
            ("Service", ["spec", "externalTrafficPolicy"], "null"),
            ("Deployment", ["spec", "replicas"], "1"), ("Deployment", ["spec", "progressDeadlineSeconds"], "600"),
            ("Deployment", ["spec", "strategy", "rollingUpdate"], #"{"maxUnavailable":"25%","maxSurge":"25%"}"#),
            ("StatefulSet", ["spec", "podManagementPolicy"], #""OrderedReady""#),
            ("DaemonSet", ["spec", "updateStrategy", "rollingUpdate", "maxUnavailable"], "1"),
            ("NetworkPolicy", ["spec", "policyTypes"], #"["Ingress"]"#),
            ("Secret", ["data"], #"{"password":"eA=="}"#), ("Secret", ["stringData"], "null"),
            ("Namespace", ["metadata", "labels"], #"{"kubernetes.io/metadata.name":"web"}"#),
            ("CustomResourceDefinition", ["spec", "names", "listKind"], #""BoatList""#),
        ])
    func defaults(kind: String, path: [String], value: String) throws {
        let kind = try served(kind)
        let body = try #require(Sample.specs.first { $0.kind == kind.kind }).body
        let object = Defaults.applied(to: Sample.object(kind, body), kind)
        let found = path.reduce(Optional(object)) { $0?[$1] } ?? .null
        #expect(found == tree(value))
    }

    @Test(
        "an image is pulled always when it is the latest one",
        arguments: [
            ("web", "Always"), ("web:latest", "Always"), ("web:1.2", "IfNotPresent"), ("host:5000/web", "Always"),
            ("host:5000/web:1", "IfNotPresent"), ("web@sha256:0123", "IfNotPresent"),
        ])
    func pulls(image: String, policy: String) throws {
        let pod = Defaults.applied(to: ["spec": ["containers": [["name": "a", "image": .string(image)]]]], try served("Pod"))
        #expect(pod["spec"]?["containers"]?.array?.first?["imagePullPolicy"]?.string == policy)
    }

    @Test("what was said stays")
    func kept() throws {
        let spec =
            #"{"type": "NodePort", "sessionAffinity": "ClientIP", "ports": [{"port": 80, "protocol": "UDP", "targetPort": "dns"}], "mine": 1}"#
        let service = Defaults.applied(to: ["spec": tree(spec)], try served("Service"))
        #expect(service["spec"]?["ports"] == tree(#"[{"port": 80, "protocol": "UDP", "targetPort": "dns"}]"#))
        #expect(service["spec"]?["mine"] == 1)
        #expect(service["spec"]?["externalTrafficPolicy"] == "Cluster")
        #expect(service["spec"]?["sessionAffinityConfig"] == tree(#"{"clientIP": {"timeoutSeconds": 10800}}"#))
    }

    @Test("a tree of the wrong forms is left as it is, and none of it crashes", arguments: Sample.specs.map(\.kind))
    func wrongForms(kind: String) throws {
        let kind = try served(kind)
        for text in [
            "null", "[]", "7", #"{"spec": 3}"#,
            #"{"spec": {"ports": [1], "template": [], "containers": {}, "versions": [3]}, "metadata": 4}"#,
        ] {
            let object = Defaults.applied(to: tree(text), kind)
            #expect(!Validation.faults(of: object, kind).isEmpty)
        }
    }
}
