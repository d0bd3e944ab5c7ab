import KubeAPI
import Testing

struct ValidationTests {
    struct Case: CustomTestStringConvertible {
        let json: String
        let faults: String
        var testDescription: String { faults }

        init(_ kind: String, _ rest: String, _ faults: String) {
            json = #"{"apiVersion":"v1","kind":"\#(kind)",\#(rest)}"#
            self.faults = faults
        }

        static func pod(_ spec: String, _ faults: String) -> Case {
            Case("Pod", #""metadata":{"name":"p","namespace":"d"},"spec":{\#(spec)}"#, faults)
        }

        static func container(_ fields: String, _ faults: String) -> Case {
            pod(#""containers":[{"name":"c","image":"i",\#(fields)}]"#, faults)
        }

        static func node(_ rest: String, _ faults: String) -> Case { Case("Node", #""metadata":{"name":"n"},\#(rest)"#, faults) }
    }

    static let label =
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an "
        + "alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"

    static let cases: [Case] = [
        // Names
        Case("Namespace", #""metadata":{"name":"A"}"#, #"metadata.name: Invalid value: "A": \#(label)"#),
        Case("Namespace", #""metadata":{"name":"a","namespace":"b"}"#, "metadata.namespace: Forbidden: not allowed on this type"),
        Case(
            "Namespace", #""metadata":{"name":"a"},"status":{"phase":"Gone"}"#,
            #"status.phase: Unsupported value: "Gone": supported values: "Active", "Terminating""#),
        Case(
            "Pod", #""metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i"}]}"#,
            "metadata.namespace: Required value"),
        Case(
            "Node", #""metadata":{"name":"n","labels":{"a":"b c"}}"#,
            #"metadata.labels: Invalid value: "b c": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"#
        ),
        Case(
            "Node", #""metadata":{"name":"n","annotations":{"a/b/c":""}}"#,
            #"metadata.annotations: Invalid value: "a/b/c": a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"#
        ),
        Case(
            "Node", #""metadata":{"name":"n","ownerReferences":[{"apiVersion":"v1","kind":"Pod","name":"p"}]}"#,
            #"metadata.ownerReferences[0].uid: Invalid value: "": must not be empty"#),
        // Nodes
        .node(
            #""spec":{"podCIDR":"10.0.0.0/33"}"#,
            #"spec.podCIDR: Invalid value: "10.0.0.0/33": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"#),
        .node(
            #""spec":{"podCIDRs":["10.0.0.0/24","x"]}"#,
            #"spec.podCIDRs[1]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"#),
        .node(
            #""spec":{"podCIDRs":["10.0.0.0/24","10.0.1.0/24"]}"#,
            #"spec.podCIDRs: Invalid value: ["10.0.0.0/24","10.0.1.0/24"]: may specify no more than one CIDR for each IP family"#),
        .node(
            #""spec":{"taints":[{"key":"a"},{"key":"a","effect":"Push"},{"key":"a","effect":"NoExecute"},{"key":"a","effect":"NoExecute"}]}"#,
            """
            spec.taints[1].effect: Unsupported value: "Push": supported values: "NoExecute", "NoSchedule", "PreferNoSchedule"
            spec.taints[0].effect: Required value
            spec.taints[3]: Duplicate value: "a:NoExecute"
            """),
        .node(
            #""status":{"addresses":[{"type":"InternalIP","address":"n1"}]}"#,
            #"status.addresses[0].address: Invalid value: "n1": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"#),
        // Pods
        .pod("", "spec.containers: Required value"),
        .pod(#""containers":[{}]"#, "spec.containers[0].name: Required value\nspec.containers[0].image: Required value"),
        .pod(
            #""initContainers":[{"name":"a","image":"i"}],"containers":[{"name":"a","image":"i"}]"#,
            #"spec.containers[0].name: Duplicate value: "a""#),
        .pod(
            #""restartPolicy":"Sometimes","containers":[{"name":"a","image":"i"}]"#,
            #"spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure""#),
        .pod(#""hostname":"A","containers":[{"name":"a","image":"i"}]"#, #"spec.hostname: Invalid value: "A": \#(label)"#),
        .pod(
            #""terminationGracePeriodSeconds":-1,"containers":[{"name":"a","image":"i"}]"#,
            "spec.terminationGracePeriodSeconds: Invalid value: -1: must be greater than or equal to 0"),
        .pod(
            #""hostNetwork":"yes","containers":[{"name":"a","image":"i"}]"#,
            #"spec.hostNetwork: Invalid value: "yes": must be a boolean, not a string"#),
        .container(
            #""ports":[{"containerPort":65536}]"#,
            "spec.containers[0].ports[0].containerPort: Invalid value: 65536: must be between 1 and 65535, inclusive"),
        .container(
            #""ports":[{"name":"x"},{"containerPort":80,"name":"80"},{"containerPort":1,"name":"x"}]"#,
            """
            spec.containers[0].ports[0].containerPort: Required value
            spec.containers[0].ports[1].name: Invalid value: "80": must contain at least one letter (a-z)
            spec.containers[0].ports[2].name: Duplicate value: "x"
            """),
        .container(
            #""ports":[{"containerPort":1,"protocol":"ICMP"}]"#,
            #"spec.containers[0].ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP""#),
        .container(
            #""ports":[{"containerPort":1,"hostPort":9},{"containerPort":2,"hostPort":9}]"#,
            #"spec.containers[0].ports[1].hostPort: Duplicate value: "TCP//9""#),
        .container(
            #""env":[{"name":"A=B","value":"1"},{"value":"2"}]"#,
            """
            spec.containers[0].env[0].name: Invalid value: "A=B": a valid environment variable name must consist only of printable ASCII characters other than '='
            spec.containers[0].env[1].name: Required value
            """),
        .pod(
            #""hostNetwork":true,"containers":[{"name":"a","image":"i","ports":[{"containerPort":1,"hostPort":2}]}]"#,
            "spec.containers[0].ports[0].containerPort: Invalid value: 1: must match `hostPort` when `hostNetwork` is true"),
        Case(
            "Pod",
            #""metadata":{"name":"p","namespace":"d"},"spec":{"containers":[{"name":"a","image":"i"}]},"status":{"podIPs":[{"ip":"192.0.2.1"},{"ip":"192.0.2.2"}]}"#,
            #"status.podIPs: Invalid value: [{"ip":"192.0.2.1"},{"ip":"192.0.2.2"}]: may specify no more than one IP for each IP family"#
        ),
        // Several at once
        .pod(
            #""nodeName":"N","nodeSelector":{"a":"-"},"containers":[{"name":"a"}],"hostNetwork":1"#,
            """
            spec.hostNetwork: Invalid value: 1: must be a boolean, not a number
            spec.nodeName: Invalid value: "N": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
            spec.nodeSelector: Invalid value: "-": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')
            spec.containers[0].image: Required value
            """),
    ]

    @Test("every fault is told, in kube-apiserver's words", arguments: cases)
    func faults(_ wrong: Case) throws {
        let reading = Registry.standard.read(try JSONReader().value(wrong.json))
        #expect(reading.faults.map(\.description).joined(separator: "\n") == wrong.faults)
        #expect(reading.object != nil, "what can be built is built")
    }
}
