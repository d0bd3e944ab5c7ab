import Glibc
import KubeAPI
import NIOCore
import Testing

@testable import APIServer

/// The official Python client, `kubernetes` of PyPI: the one that `scripts/prepare` fetches, and the old one that Debian packs.
struct PythonClient: CustomTestStringConvertible {
    static let program = "/usr/bin/python3"

    /// Where the package lies; empty: where Debian puts it.
    let path: String

    var testDescription: String { path.isEmpty ? "Debian's" : "PyPI's" }
    var environment: [String: String] { path.isEmpty ? [:] : ["PYTHONPATH": path] }

    static let all: [PythonClient] = {
        // Tests/APIServerTests/<this file> is three below the root.
        let root = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        return ["\(root)/.build/python", ""].map(PythonClient.init).filter { client in
            let place = client.path.isEmpty ? "/usr/lib/python3/dist-packages" : client.path
            return access(program, X_OK) == 0 && access("\(place)/kubernetes/__init__.py", R_OK) == 0
        }
    }()
}

/// Says `hello`, and gives stdin back.
private struct Parrot: PodStreams {
    func log(of pod: PodTarget, _ options: LogOptions) async throws -> PodLog {
        let (chunks, feed) = AsyncThrowingStream<ByteBuffer, any Error>.makeStream()
        feed.yield(ByteBuffer(string: "hello from \(pod.name)\n"))
        feed.finish()
        return PodLog(chunks) { feed.finish() }
    }

    func serve(_ kind: StreamKind, of pod: PodTarget, _ options: StreamOptions, over socket: WebSocket) async throws {
        #expect(WebSocketRoute.channelProtocols.contains(socket.subprotocol))
        var message = ByteBuffer(bytes: [1])
        message.writeString(options.command.joined(separator: " "))
        try await socket.send(.binary(message))
        try await socket.send(.binary(ByteBuffer(string: "\u{3}{\"metadata\":{},\"status\":\"Success\"}")))
    }
}

@Suite(
    "the Python client", .timeLimit(.minutes(5)),
    .enabled(
        if: (!PythonClient.all.isEmpty && Program.path("openssl") != nil) || mustRun,
        "no Python client is installed: scripts/prepare"))
struct PythonClientTests {
    @Test("the one of PyPI is there where nothing may be left out", .enabled(if: mustRun)) func complete() {
        #expect(PythonClient.all.contains { !$0.path.isEmpty }, "scripts/prepare has not fetched it")
    }

    private func run(_ client: PythonClient, _ script: String) async throws -> String {
        let directory = try ScratchDirectory()
        let security = Server.Security(tls: try directory.identity(), tokens: AccessTokens(["secret": "admin"]))
        let clock = Surroundings(seconds: { Int64(time(nil)) }, random: { UInt64.random(in: 0...(.max)) })
        return try await withServer(security: security, pods: Parrot(), surroundings: clock) { port, _ in
            let opening = """
                from kubernetes import client, watch
                from kubernetes.client.rest import ApiException
                c = client.Configuration()
                c.host = "https://127.0.0.1:\(port)"
                c.ssl_ca_cert = "\(directory.path)/cert.pem"
                c.api_key = {"authorization": "Bearer secret"}
                client.Configuration.set_default(c)
                core, apps, net = client.CoreV1Api(), client.AppsV1Api(), client.NetworkingV1Api()

                """
            let path = try directory.file("script.py", opening + script)
            let outcome = try await Program.run(
                PythonClient.program, [path], environment: client.environment.merging(["HOME": directory.path]) { $1 })
            #expect(outcome.status == 0, "\(outcome.error)")
            return outcome.output
        }
    }

    @Test("creates, reads, lists in pages, patches, replaces, deletes", arguments: PythonClient.all)
    func verbs(client: PythonClient) async throws {
        let output = try await run(
            client,
            """
            ns = "default"
            for i in range(5):
                meta = client.V1ObjectMeta(name="m%d" % i, labels={"n": str(i % 2)})
                core.create_namespaced_config_map(ns, client.V1ConfigMap(metadata=meta, data={"k": str(i)}))
            page = core.list_namespaced_config_map(ns, limit=2)
            names = [m.metadata.name for m in page.items]
            while page.metadata._continue:
                page = core.list_namespaced_config_map(ns, limit=2, _continue=page.metadata._continue)
                names += [m.metadata.name for m in page.items]
            print(names)
            print([m.metadata.name for m in core.list_namespaced_config_map(ns, label_selector="n=1").items])
            print(core.patch_namespaced_config_map("m0", ns, {"data": {"k": None, "l": "x"}}).data)
            m = core.read_namespaced_config_map("m1", ns)
            stale = core.read_namespaced_config_map("m1", ns)
            m.data = {"k": "new"}
            print(core.replace_namespaced_config_map("m1", ns, m).data)
            try:
                stale.data = {"k": "old"}
                core.replace_namespaced_config_map("m1", ns, stale)
            except ApiException as e:
                print(e.status, e.reason)
            gone = core.delete_namespaced_config_map("m2", ns)
            # The newest client gives what it cannot know the type of as it came.
            print(gone["status"] if isinstance(gone, dict) else gone.status)
            try:
                core.read_namespaced_config_map("m2", ns)
            except ApiException as e:
                print(e.status)
            """)
        #expect(
            output == """
                ['m0', 'm1', 'm2', 'm3', 'm4']
                ['m1', 'm3']
                {'l': 'x'}
                {'k': 'new'}
                409 Conflict
                Success
                404

                """)
    }

    @Test(
        "knows deployments, their scale, services, policies, leases, events, definitions and their objects",
        arguments: PythonClient.all)
    func kinds(client: PythonClient) async throws {
        let output = try await run(
            client,
            """
            ns = "default"
            pod = client.V1PodTemplateSpec(
                metadata=client.V1ObjectMeta(labels={"a": "b"}),
                spec=client.V1PodSpec(containers=[client.V1Container(name="c", image="i")]))
            apps.create_namespaced_deployment(ns, client.V1Deployment(
                metadata=client.V1ObjectMeta(name="web"),
                spec=client.V1DeploymentSpec(selector=client.V1LabelSelector(match_labels={"a": "b"}), template=pod)))
            print(apps.patch_namespaced_deployment_scale("web", ns, {"spec": {"replicas": 4}}).spec.replicas)
            print(apps.read_namespaced_deployment("web", ns).spec.replicas)
            s = core.create_namespaced_service(ns, client.V1Service(
                metadata=client.V1ObjectMeta(name="web"),
                spec=client.V1ServiceSpec(type="NodePort", selector={"a": "b"}, ports=[client.V1ServicePort(port=80)])))
            print(s.spec.cluster_ip.startswith("192.0.2."), s.spec.ports[0].node_port >= 30086)
            net.create_namespaced_network_policy(ns, client.V1NetworkPolicy(
                metadata=client.V1ObjectMeta(name="deny"),
                spec=client.V1NetworkPolicySpec(pod_selector=client.V1LabelSelector())))
            print(net.read_namespaced_network_policy("deny", ns).spec.policy_types)
            import datetime
            now = datetime.datetime(2030, 1, 1, 0, 0, 0, 250000, tzinfo=datetime.timezone.utc)
            l = client.CoordinationV1Api().create_namespaced_lease("kube-node-lease", client.V1Lease(
                metadata=client.V1ObjectMeta(name="n1"),
                spec=client.V1LeaseSpec(holder_identity="n1", lease_duration_seconds=40, renew_time=now)))
            print(l.spec.renew_time.microsecond)
            core.create_namespaced_event(ns, client.CoreV1Event(
                metadata=client.V1ObjectMeta(name="e"), reason="R", message="m", type="Normal",
                involved_object=client.V1ObjectReference(kind="Pod", name="p", namespace=ns)))
            print([e.reason for e in core.list_namespaced_event(ns, field_selector="involvedObject.name=p").items])
            props = client.V1JSONSchemaProps(type="object", x_kubernetes_preserve_unknown_fields=True)
            client.ApiextensionsV1Api().create_custom_resource_definition(client.V1CustomResourceDefinition(
                metadata=client.V1ObjectMeta(name="boats.example.org"),
                spec=client.V1CustomResourceDefinitionSpec(
                    group="example.org", scope="Namespaced",
                    names=client.V1CustomResourceDefinitionNames(kind="Boat", plural="boats"),
                    versions=[client.V1CustomResourceDefinitionVersion(
                        name="v1", served=True, storage=True,
                        schema=client.V1CustomResourceValidation(open_apiv3_schema=props))])))
            custom = client.CustomObjectsApi()
            custom.create_namespaced_custom_object("example.org", "v1", ns, "boats", {
                "apiVersion": "example.org/v1", "kind": "Boat", "metadata": {"name": "b"}, "spec": {"crew": 3}})
            print(custom.list_namespaced_custom_object("example.org", "v1", ns, "boats")["items"][0]["spec"])
            core.create_namespaced_service_account(ns, client.V1ServiceAccount(metadata=client.V1ObjectMeta(name="robot")))
            """)
        #expect(
            output == """
                4
                4
                True True
                ['Ingress']
                250000
                ['R']
                {'crew': 3}

                """)
    }

    @Test("watches what happens, and sees it in order", arguments: PythonClient.all)
    func watching(client: PythonClient) async throws {
        let output = try await run(
            client,
            """
            import threading
            ns = "default"
            start = core.list_namespaced_config_map(ns).metadata.resource_version
            def write():
                writer = client.CoreV1Api(client.ApiClient())
                writer.create_namespaced_config_map(ns, client.V1ConfigMap(metadata=client.V1ObjectMeta(name="m")))
                writer.patch_namespaced_config_map("m", ns, {"data": {"a": "b"}})
                writer.delete_namespaced_config_map("m", ns)
            thread = threading.Thread(target=write)
            thread.start()
            w = watch.Watch()
            for event in w.stream(core.list_namespaced_config_map, ns, resource_version=start, timeout_seconds=60):
                print(event["type"], event["object"].metadata.name, event["object"].data)
                if event["type"] == "DELETED":
                    w.stop()
            thread.join()
            """)
        #expect(output == "ADDED m None\nMODIFIED m {'a': 'b'}\nDELETED m {'a': 'b'}\n")
    }

    @Test("reads a log, and runs a command over a WebSocket", arguments: PythonClient.all)
    func streams(client: PythonClient) async throws {
        let output = try await run(
            client,
            """
            from kubernetes.stream import stream
            ns = "default"
            core.create_namespaced_pod(ns, client.V1Pod(
                metadata=client.V1ObjectMeta(name="p"),
                spec=client.V1PodSpec(node_name="n", containers=[client.V1Container(name="c", image="i")])))
            print(core.read_namespaced_pod_log("p", ns), end="")
            print(stream(core.connect_get_namespaced_pod_exec, "p", ns, command=["ls", "-l"], stdout=True, stderr=True))
            """)
        #expect(output == "hello from p\nls -l\n")
    }
}
