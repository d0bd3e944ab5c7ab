import APIServer
import KubeAPI
import Testing

@Suite struct ValidationTests {
    /// A kind, a merge patch that spoils its sample, and what is said of it.
    static let faults: [(kind: String, patch: String, faults: [String])] = [
        ("Pod", #"{"metadata": {"name": null}}"#, ["metadata.name: Required value: name or generateName is required"]),
        ("Pod", #"{"metadata": {"namespace": null}}"#, ["metadata.namespace: Required value"]),
        ("Node", #"{"metadata": {"namespace": "x"}}"#, ["metadata.namespace: Forbidden: not allowed on this type"]),
        ("Pod", #"{"spec": {"containers": []}}"#, ["spec.containers: Required value"]),
        ("Pod", #"{"spec": null}"#, ["spec: Required value"]),
        ("Pod", #"{"spec": {"containers": [{"name": "a"}]}}"#, ["spec.containers[0].image: Required value"]),
        (
            "Pod", #"{"spec": {"containers": [{"name": "a", "image": "i"}, {"name": "a", "image": "i"}]}}"#,
            [#"spec.containers[1].name: Duplicate value: "a""#]
        ),
        (
            "Pod", #"{"spec": {"restartPolicy": "Sometimes"}}"#,
            [#"spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure""#]
        ),
        (
            "Pod", #"{"spec": {"containers": [{"name": "a", "image": "i", "ports": [{"containerPort": 70000}]}]}}"#,
            ["spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive"]
        ),
        (
            "Pod",
            #"{"spec": {"containers": [{"name": "a", "image": "i", "volumeMounts": [{"name": "v", "mountPath": "/x"}]}]}}"#,
            [#"spec.containers[0].volumeMounts[0].name: Not found: "v""#]
        ),
        (
            "Pod", #"{"spec": {"containers": [{"name": "a", "image": "i", "livenessProbe": {"successThreshold": 2}}]}}"#,
            [
                "spec.containers[0].livenessProbe: Required value: must specify a handler type",
                "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1",
            ]
        ),
        (
            "Pod", #"{"spec": {"terminationGracePeriodSeconds": -1}}"#,
            ["spec.terminationGracePeriodSeconds: Invalid value: -1: must be greater than or equal to 0"]
        ),
        ("Service", #"{"spec": {"ports": null}}"#, ["spec.ports: Required value"]),
        (
            "Service", #"{"spec": {"ports": [{"port": 80}, {"port": 81}]}}"#,
            ["spec.ports[0].name: Required value", "spec.ports[1].name: Required value"]
        ),
        (
            "Service", #"{"spec": {"type": "Best"}}"#,
            [#"spec.type: Unsupported value: "Best": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort""#]
        ),
        (
            "Service", #"{"spec": {"ports": [{"port": 80, "nodePort": 30080}]}}"#,
            ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"]
        ),
        (
            "Service", #"{"spec": {"clusterIP": "10.0.0.999"}}"#,
            [#"spec.clusterIP: Invalid value: "10.0.0.999": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"#]
        ),
        ("Service", #"{"spec": {"type": "ExternalName"}}"#, ["spec.externalName: Required value"]),
        ("Service", #"{"spec": {"type": "ExternalName", "externalName": "."}}"#, ["spec.externalName: Required value"]),
        // A name with a dot at its end is whole, and none with two.
        (
            "Service", #"{"spec": {"type": "ExternalName", "externalName": "example.org.."}}"#,
            [
                #"spec.externalName: Invalid value: "example.org.": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"#
            ]
        ),
        ("Service", #"{"spec": {"type": "ExternalName", "externalName": "www.example.org."}}"#, []),
        (
            "Deployment", #"{"spec": {"selector": {"matchLabels": {"app": "other"}}}}"#,
            [#"spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`"#]
        ),
        ("Deployment", #"{"spec": {"selector": null}}"#, ["spec.selector: Required value"]),
        (
            "Deployment", #"{"spec": {"replicas": -1}}"#,
            ["spec.replicas: Invalid value: -1: must be greater than or equal to 0"]
        ),
        (
            "Deployment", #"{"spec": {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "0%"}}}}"#,
            [#"spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0"#]
        ),
        (
            "ReplicaSet", #"{"spec": {"template": {"spec": {"restartPolicy": "Never"}}}}"#,
            [#"spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always""#]
        ),
        (
            "NetworkPolicy", #"{"spec": {"ingress": [{"from": [{}]}]}}"#,
            ["spec.ingress[0].from[0]: Required value: must specify a peer"]
        ),
        (
            "NetworkPolicy", #"{"spec": {"ingress": [{"from": [{"podSelector": {}, "ipBlock": {"cidr": "10.0.0.0/8"}}]}]}}"#,
            ["spec.ingress[0].from[0]: Forbidden: may not specify both ipBlock and another peer"]
        ),
        (
            "NetworkPolicy",
            #"{"spec": {"ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/9"]}}]}]}}"#,
            [#"spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "11.0.0.0/9": must be a strict subset of `cidr`"#]
        ),
        (
            "NetworkPolicy", #"{"spec": {"ingress": [{"ports": [{"port": "web", "endPort": 90}]}]}}"#,
            ["spec.ingress[0].ports[0].endPort: Invalid value: 90: may not be specified when `port` is non-numeric"]
        ),
        (
            "Ingress", #"{"spec": {"rules": null}}"#,
            ["spec: Invalid value: {}: either `defaultBackend` or `rules` must be specified"]
        ),
        (
            "Ingress", #"{"spec": {"rules": [{"host": "192.0.2.1"}]}}"#,
            [#"spec.rules[0].host: Invalid value: "192.0.2.1": must be a DNS name, not an IP address"#]
        ),
        (
            "EndpointSlice", #"{"endpoints": [{"addresses": ["2001:db8::1"]}]}"#,
            [#"endpoints[0].addresses[0]: Invalid value: "2001:db8::1": must be an IPv4 address"#]
        ),
        (
            "EndpointSlice", #"{"endpoints": [{"addresses": ["127.0.0.1"]}]}"#,
            [#"endpoints[0].addresses[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)"#]
        ),
        ("Endpoints", #"{"subsets": [{}]}"#, ["subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`"]),
        ("Secret", #"{"type": "kubernetes.io/tls"}"#, ["data[tls.crt]: Required value", "data[tls.key]: Required value"]),
        ("ConfigMap", #"{"data": {"..": "x"}}"#, ["data[..]: Invalid value: \"..\": must not be '..'"]),
        (
            "Lease", #"{"spec": {"leaseDurationSeconds": 0}}"#,
            ["spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"]
        ),
        (
            "CustomResourceDefinition", #"{"metadata": {"name": "ships.example.org"}}"#,
            [#"metadata.name: Invalid value: "ships.example.org": must be spec.names.plural+"."+spec.group"#]
        ),
        (
            "CustomResourceDefinition",
            #"{"spec": {"versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object", "properties": {"a": {"type": "array"}, "b": {}}}}}]}}"#,
            [
                "spec.versions[0].schema.openAPIV3Schema.properties[a].items: Required value: must be specified",
                "spec.versions[0].schema.openAPIV3Schema.properties[b].type: Required value: must not be empty for specified object fields",
            ]
        ),
    ]

    private static func sample(_ kind: ServedKind) throws -> JSONValue {
        let body = try #require(Sample.specs.first { $0.kind == kind.kind }).body
        return Defaults.applied(to: Sample.object(kind, body), kind)
    }

    @Test("a wrong object is told its faults in kube-apiserver's words", arguments: faults)
    func wrong(row: (kind: String, patch: String, faults: [String])) throws {
        let kind = try served(row.kind)
        let object = try Patch.merge(tree(row.patch)).applied(to: Self.sample(kind))
        #expect(Validation.faults(of: object, kind).map(\.description) == row.faults)
    }

    static let changes: [(kind: String, patch: String, faults: [String])] = [
        ("Pod", #"{"spec": {"containers": [{"name": "a", "image": "other"}]}}"#, []),
        ("Pod", #"{"spec": {"nodeName": "n1"}}"#, []),
        ("Pod", #"{"spec": {"tolerations": [{"key": "x", "operator": "Exists"}]}}"#, []),
        ("Pod", #"{"spec": {"activeDeadlineSeconds": 5}}"#, []),
        ("Pod", #"{"spec": {"hostname": "h"}}"#, ["spec: Forbidden"]),
        ("Pod", #"{"metadata": {"labels": {"a": "b"}}}"#, []),
        ("Pod", #"{"metadata": {"name": "other"}}"#, ["metadata.name: Invalid value"]),
        ("Pod", #"{"metadata": {"uid": "7"}}"#, ["metadata.uid: Invalid value"]),
        ("Deployment", #"{"spec": {"replicas": 3}}"#, []),
        (
            "Deployment",
            #"{"spec": {"selector": {"matchLabels": {"app": "web", "b": "c"}}, "template": {"metadata": {"labels": {"b": "c"}}}}}"#,
            ["spec.selector: Invalid value"]
        ),
        ("StatefulSet", #"{"spec": {"replicas": 3}}"#, []),
        ("StatefulSet", #"{"spec": {"serviceName": "other"}}"#, ["spec: Forbidden"]),
        ("Secret", #"{"type": "other"}"#, ["type: Invalid value"]),
        ("EndpointSlice", #"{"addressType": "FQDN", "endpoints": []}"#, ["addressType: Invalid value"]),
        ("IngressClass", #"{"spec": {"controller": "example.org/two"}}"#, ["spec.controller: Invalid value"]),
        ("CustomResourceDefinition", #"{"spec": {"scope": "Cluster"}}"#, ["spec.scope: Invalid value"]),
    ]

    @Test("what may not change is said, and what may is let through", arguments: changes)
    func change(row: (kind: String, patch: String, faults: [String])) throws {
        let kind = try served(row.kind)
        let old = try Self.sample(kind)
        let new = Defaults.applied(to: try Patch.merge(tree(row.patch)).applied(to: old), kind)
        let faults = Validation.faults(of: new, replacing: old, kind).map { "\($0.path): \($0.kind.title)" }
        #expect(faults == row.faults)
    }

    @Test("an immutable map stays as it is")
    func immutable() throws {
        let kind = try served("ConfigMap")
        let old = tree(#"{"metadata": {"name": "a", "namespace": "b"}, "immutable": true, "data": {"x": "1"}}"#)
        let new = tree(#"{"metadata": {"name": "a", "namespace": "b"}, "data": {"x": "2"}}"#)
        #expect(
            Validation.faults(of: new, replacing: old, kind).map(\.description) == [
                "immutable: Forbidden: field is immutable when `immutable` is set",
                "data: Forbidden: field is immutable when `immutable` is set",
            ])
    }

    @Test("a service keeps its address")
    func clusterIP() throws {
        let kind = try served("Service")
        let base = try Self.sample(kind)
        let old = try Patch.merge(["spec": ["clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7"]]]).applied(to: base)
        let new = try Patch.merge(["spec": ["clusterIP": "10.96.0.8", "clusterIPs": ["10.96.0.8"]]]).applied(to: base)
        #expect(
            Validation.faults(of: new, replacing: old, kind).map(\.description)
                == [#"spec.clusterIPs[0]: Invalid value: ["10.96.0.8"]: may not change once set"#])
        #expect(Validation.faults(of: old, replacing: base, kind).isEmpty)
    }

    @Test("fields of the wrong form are refused, unknown ones named")
    func decoding() throws {
        let object = tree(
            #"{"kind": "Pod", "spec": {"containers": [{"name": 3, "ports": {}, "imagee": "x"}], "hostNetwork": "yes", "foo": 1}, "metadata": {"creationTimestamp": "now", "labels": {"a": 1}}}"#
        )
        let review = Decoding.review(object, try served("Pod"))
        #expect(
            review.wrongForms.map(\.description) == [
                "spec.containers[0].name: Invalid value: 3: must be a string, not number",
                #"spec.containers[0].ports: Invalid value: "object": must be an array, not object"#,
                #"spec.hostNetwork: Invalid value: "yes": must be a boolean, not string"#,
                #"metadata.creationTimestamp: Invalid value: "now": must be a time as in RFC 3339"#,
                "metadata.labels[a]: Invalid value: 1: must be a string, not number",
            ])
        #expect(
            review.strictMessage()
                == #"strict decoding error: unknown field "spec.containers[0].imagee", unknown field "spec.foo""#)
    }
}
