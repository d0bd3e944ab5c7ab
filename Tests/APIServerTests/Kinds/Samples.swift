import APIServer
import KubeAPI
import Testing

/// A tree out of JSON text. A slip in it is a test's, and shows as a tree that is no object.
func tree(_ text: String) -> JSONValue {
    do {
        return try JSONReader().value(text)
    } catch {
        Issue.record("no JSON: \(error)")
        return .null
    }
}

func served(_ kind: String) throws -> ServedKind {
    try #require(ServedKinds.all.first { $0.kind == kind }, "no such kind: \(kind)")
}

/// The smallest object of each kind that is valid once defaults are in.
enum Sample {
    static let template =
        #""template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "a", "image": "i"}]}}"#
    static let selector = #""selector": {"matchLabels": {"app": "web"}}"#

    static let specs: [(kind: String, body: String)] = [
        ("Namespace", ""),
        ("Node", #""spec": {"podCIDR": "10.0.0.0/24", "podCIDRs": ["10.0.0.0/24", "fd00::/64"]}"#),
        ("Pod", #""spec": {"containers": [{"name": "a", "image": "i"}]}"#),
        ("Service", #""spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}"#),
        ("Endpoints", #""subsets": [{"addresses": [{"ip": "192.0.2.1"}], "ports": [{"port": 80}]}]"#),
        ("EndpointSlice", #""addressType": "IPv4", "endpoints": [{"addresses": ["192.0.2.1"]}], "ports": [{"port": 80}]"#),
        ("ServiceAccount", ""),
        ("ConfigMap", #""data": {"a.conf": "x"}"#),
        ("Secret", #""stringData": {"password": "x"}"#),
        ("Event", #""involvedObject": {"kind": "Pod", "name": "web", "namespace": "default"}"#),
        ("Lease", #""spec": {"holderIdentity": "n1", "leaseDurationSeconds": 40}"#),
        ("Deployment", #""spec": {\#(selector), \#(template)}"#),
        ("ReplicaSet", #""spec": {\#(selector), \#(template)}"#),
        ("StatefulSet", #""spec": {"serviceName": "web", \#(selector), \#(template)}"#),
        ("DaemonSet", #""spec": {\#(selector), \#(template)}"#),
        ("ControllerRevision", #""data": {"spec": {}}, "revision": 1"#),
        ("NetworkPolicy", #""spec": {"podSelector": {}, "ingress": [{"ports": [{"port": 80}]}]}"#),
        (
            "Ingress",
            #""spec": {"rules": [{"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 80}}}}]}}]}"#
        ),
        ("IngressClass", #""spec": {"controller": "example.org/one"}"#),
        ("Role", rules), ("ClusterRole", rules), ("RoleBinding", binding), ("ClusterRoleBinding", binding),
        ("CustomResourceDefinition", #""spec": \#(definitionSpec)"#),
    ]

    private static let rules = #""rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]"#
    private static let binding = """
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:a"},
        "subjects": [{"kind": "ServiceAccount", "name": "a", "namespace": "b"}]
        """

    static let definitionSpec = """
        {"group": "example.org", "scope": "Namespaced", "names": {"plural": "boats", "kind": "Boat", "shortNames": ["bt"]},
         "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {},
           "scale": {"specReplicasPath": ".spec.crew", "statusReplicasPath": ".status.crew"}},
           "additionalPrinterColumns": [
             {"name": "Crew", "type": "integer", "jsonPath": ".spec.crew"},
             {"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\\"Ready\\")].status"},
             {"name": "Built", "type": "date", "jsonPath": ".spec.built", "priority": 1}],
           "schema": {"openAPIV3Schema": {"type": "object", "required": ["spec"], "properties": {
             "spec": {"type": "object", "required": ["crew"], "properties": {
               "crew": {"type": "integer", "minimum": 1, "maximum": 12, "default": 2},
               "color": {"type": "string", "enum": ["red", "blue"], "default": "red"},
               "name": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 8, "nullable": true},
               "built": {"type": "string", "format": "date-time"},
               "port": {"x-kubernetes-int-or-string": true},
               "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
               "tags": {"type": "object", "additionalProperties": {"type": "string"}},
               "masts": {"type": "array", "maxItems": 3, "items": {"type": "object", "properties": {
                 "id": {"type": "string"}, "sails": {"type": "integer", "default": 1}}},
                 "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["id"]}},
               "x-kubernetes-validations": [{"rule": "self.crew > 0"}]},
             "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}}}]}
        """

    static func object(_ kind: ServedKind, _ body: String) -> JSONValue {
        let namespace = kind.isNamespaced ? #", "namespace": "default""# : ""
        let name = kind.kind == "CustomResourceDefinition" ? "boats.example.org" : "web"
        let rest = body.isEmpty ? "" : ", \(body)"
        return tree(#"{"metadata": {"name": "\#(name)"\#(namespace)}\#(rest)}"#)
    }
}
