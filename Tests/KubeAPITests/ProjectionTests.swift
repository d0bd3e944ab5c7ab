import Addressing
import KubeAPI
import Testing

struct ProjectionTests {
    private func read(_ json: String, namespace: String? = nil) throws -> Registry.Reading {
        Registry.standard.read(try JSONReader().value(json), defaultNamespace: namespace)
    }

    @Test("a pod is read with everything the network needs")
    func pod() throws {
        let reading = try read(
            """
            {"apiVersion": "v1", "kind": "Pod",
             "metadata": {"name": "web-0", "namespace": "shop", "uid": "u-1", "resourceVersion": "42", "generation": 3,
               "labels": {"app": "web"}, "annotations": {"example.org/Note": "x"}, "creationTimestamp": "2026-01-01T00:00:00Z",
               "deletionTimestamp": "2026-01-02T00:00:00Z", "finalizers": ["example.org/hold"], "managedFields": [{"manager": "kubectl"}],
               "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "u-0", "controller": true}]},
             "spec": {"nodeName": "n1", "hostNetwork": true, "hostname": "web-0", "subdomain": "web", "restartPolicy": "Never",
               "terminationGracePeriodSeconds": 5, "nodeSelector": {"zone": "a"}, "volumes": [{"name": "unread"}],
               "initContainers": [{"name": "init", "image": "busybox"}],
               "containers": [{"name": "c", "image": "web:1", "command": ["serve"], "args": ["-v"],
                 "env": [{"name": "A", "value": "1"}, {"name": "B"}, {"name": "C", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
                 "ports": [{"name": "http", "containerPort": 8080}, {"containerPort": 53, "protocol": "UDP", "hostPort": 53, "hostIP": "192.0.2.1"}]}]},
             "status": {"phase": "Running", "podIP": "192.0.2.9", "podIPs": [{"ip": "192.0.2.9"}, {"ip": "2001:db8::9"}],
               "hostIP": "192.0.2.1", "hostIPs": [{"ip": "192.0.2.1"}],
               "conditions": [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "True", "reason": "r", "message": "m"}]}}
            """)
        let pod = try #require(reading.object as? Pod)
        #expect(pod.key.description == "Pod shop/web-0")
        #expect(pod.metadata.labels == ["app": "web"])
        #expect(pod.metadata.controller?.name == "web")
        #expect(pod.metadata.isBeingDeleted)
        #expect(pod.metadata.resourceVersion == "42")
        #expect(pod.metadata.generation == 3)
        #expect(pod.spec.nodeName == "n1")
        #expect(pod.spec.usesHostNetwork)
        #expect(pod.spec.restartPolicy == .never)
        #expect(pod.spec.terminationGracePeriod == .seconds(5))
        #expect(pod.spec.initContainers.map(\.name) == ["init"])
        let container = try #require(pod.spec.containers.first)
        #expect(container.command == ["serve"])
        #expect(container.arguments == ["-v"])
        #expect(container.environment.map(\.value) == ["1", "", nil])
        #expect(container.ports.map(\.number) == [8080, 53])
        #expect(container.ports.map(\.transport) == [.tcp, .udp])
        #expect(container.ports[1].hostIP == IPAddress("192.0.2.1"))
        #expect(pod.status.podIPs.map(\.description) == ["192.0.2.9", "2001:db8::9"])
        #expect(pod.isReady)
        #expect(!pod.isTerminal)
        #expect(reading.faults == [])
    }

    @Test("what is missing has Kubernetes' defaults")
    func defaults() throws {
        let reading = try read(
            #"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{"containers":[{"name":"c","image":"i"}]}}"#,
            namespace: "default")
        let pod = try #require(reading.object as? Pod)
        #expect(reading.faults.isEmpty)
        #expect(pod.metadata.namespace == "default")
        #expect(pod.spec.restartPolicy == .always)
        #expect(pod.spec.terminationGracePeriod == .seconds(30))
        #expect(pod.status.phase == .pending)
        #expect(!pod.isReady)
    }

    @Test("a node is read with its prefixes and addresses")
    func node() throws {
        let reading = try read(
            """
            {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"},
             "spec": {"podCIDR": "10.244.1.0/24", "podCIDRs": ["10.244.1.0/24", "2001:db8:1::/64"], "unschedulable": true,
               "taints": [{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]},
             "status": {"addresses": [{"type": "Hostname", "address": "n1"}, {"type": "InternalIP", "address": "192.0.2.1"},
               {"type": "InternalIP", "address": "2001:db8::1"}, {"type": "ExternalIP", "address": "198.51.100.1"}],
               "conditions": [{"type": "Ready", "status": "True"}]}}
            """)
        let node = try #require(reading.object as? Node)
        #expect(reading.faults.isEmpty)
        #expect(node.spec.podCIDRs.map(\.description) == ["10.244.1.0/24", "2001:db8:1::/64"])
        #expect(node.internalAddresses.map(\.description) == ["192.0.2.1", "2001:db8::1"])
        #expect(node.spec.isUnschedulable)
        #expect(node.spec.taints.map(\.effect) == [.noSchedule])
        #expect(node.isReady)
        #expect(node.key.description == "Node n1")
    }

    @Test("the older single field fills the list, and wins where they differ")
    func singleFields() throws {
        let node = try #require(
            try read(
                #"{"apiVersion":"v1","kind":"Node","metadata":{"name":"n"},"spec":{"podCIDR":"10.1.0.5/16","podCIDRs":["10.2.0.0/16"]}}"#
            )
            .object as? Node)
        #expect(node.spec.podCIDRs.map(\.description) == ["10.1.0.0/16"], "host bits are cut")
        let pod = try #require(
            try read(#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"status":{"podIP":"192.0.2.1"}}"#, namespace: "x")
                .object as? Pod)
        #expect(pod.status.podIPs == [IPAddress("192.0.2.1")].compactMap(\.self))
    }

    @Test("a namespace is read with its phase")
    func namespace() throws {
        let reading = try read(
            #"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"},"status":{"phase":"Terminating"}}"#)
        #expect((reading.object as? Namespace)?.phase == .terminating)
        #expect(reading.faults.isEmpty)
    }

    @Test("an unknown kind is handed on whole, and is no error")
    func unknown() throws {
        let json = #"{"apiVersion":"example.org/v1","kind":"Widget","metadata":{"name":"w","namespace":"x"},"spec":{"size":3}}"#
        let reading = try read(json)
        let object = try #require(reading.object as? UnknownObject)
        #expect(reading.faults.isEmpty)
        #expect(object.key.description == "Widget x/w")
        #expect(object.kind.description == "example.org/v1 Widget")
        #expect(object.tree.description == json)
    }

    @Test(
        "objects that do not say what they are have no typed form",
        arguments: [
            ("[]", #"Invalid value: "array": must be an object, not an array"#),
            ("{}", "kind: Required value: such as Pod\napiVersion: Required value: such as v1"),
            (
                #"{"kind":"Pod","apiVersion":"a/b/c"}"#,
                #"apiVersion: Invalid value: "a/b/c": must be a version, or a group and a version, such as apps/v1"#
            ),
            (#"{"kind":7,"apiVersion":"v1"}"#, "kind: Invalid value: 7: must be a string, not a number"),
            (#"{"kind":"Widget","apiVersion":"v1"}"#, "metadata.name: Required value"),
            (#"{"kind":"Node","apiVersion":"v1"}"#, "metadata.name: Required value: name or generateName is required"),
        ])
    func nameless(_ json: String, _ faults: String) throws {
        let reading = try read(json)
        #expect(reading.object == nil)
        #expect(reading.faults.map(\.description).joined(separator: "\n") == faults)
    }

    @Test("changing the tree loses no field that no projection knows")
    func treeKeeps() throws {
        var tree = try JSONReader().value(#"{"kind":"Pod","future":{"x":[1.5]},"status":{"phase":"Pending"}}"#)
        var object = try #require(tree.object)
        var status = try #require(object["status"]?.object)
        status["phase"] = "Running"
        object["status"] = .object(status)
        tree = .object(object)
        #expect(tree.description == #"{"kind":"Pod","future":{"x":[1.5]},"status":{"phase":"Running"}}"#)
    }

    @Test("resources know their paths")
    func paths() {
        #expect(Pod.resource.path() == "/api/v1/pods")
        #expect(Pod.resource.path(namespace: "shop") == "/api/v1/namespaces/shop/pods")
        #expect(Node.resource.path(namespace: "ignored") == "/api/v1/nodes")
        let deployments = ResourceType(
            GroupVersionKind(group: "apps", version: "v1", kind: "Deployment"), plural: "deployments", isNamespaced: true)
        #expect(deployments.path(namespace: "x") == "/apis/apps/v1/namespaces/x/deployments")
        #expect(Registry.standard.kinds.count == 14)
    }
}
