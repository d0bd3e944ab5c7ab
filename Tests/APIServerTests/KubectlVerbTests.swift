import Glibc
import KubeAPI
import NIOCore
import Testing

@testable import APIServer

extension Kubectl {
    /// Every version that lies here; the newest writes typed objects as protobuf, older ones as JSON.
    static let programs: [String] = {
        let places: [String] = (27...40).map { version in "/usr/lib/google-cloud-sdk/bin/kubectl.1.\(version)" }.filter {
            access($0, X_OK) == 0
        }
        return places.isEmpty ? [program].compactMap(\.self) : places
    }()

    func using(_ program: String) -> Kubectl { Kubectl(program: program, directory: directory, port: port) }
}

/// A pod that says what it was asked. `echo` gives stdin back; a number ends with that exit code.
private struct Terminal: PodStreams {
    func log(of pod: PodTarget, _ options: LogOptions) async throws -> PodLog {
        let (chunks, feed) = AsyncThrowingStream<ByteBuffer, any Error>.makeStream()
        if options.isPrevious, options.container == "first" { throw Status.badRequest("previous terminated container not found") }
        var line = "c=\(options.container) f=\(options.follows) p=\(options.isPrevious) t=\(options.showsTimestamps)"
        line += " tail=\(options.tailLines ?? -1) since=\(options.sinceSeconds ?? -1) time=\(options.sinceTime ?? "")"
        feed.yield(ByteBuffer(string: line + "\n"))
        feed.finish()
        return PodLog(chunks) { feed.finish() }
    }

    func serve(_ kind: StreamKind, of pod: PodTarget, _ options: StreamOptions, over socket: WebSocket) async throws {
        func send(_ channel: UInt8, _ text: String) async throws {
            var message = ByteBuffer(bytes: [channel])
            message.writeString(text)
            try await socket.send(.binary(message))
        }
        try await send(1, "\(kind.rawValue) \(options.command.joined(separator: " "))\n")
        if options.stderr { try await send(2, "warned\n") }
        if options.stdin {
            struct Over: Error {}
            do {
                try await socket.forEachMessage { message in
                    guard case .binary(var bytes) = message, let channel: UInt8 = bytes.readInteger() else { return }
                    // v5 closes a stream by channel 255 and the stream's number.
                    if channel == 255 { throw Over() }
                    if channel == 0 { try await send(1, String(buffer: bytes)) }
                }
            } catch is Over {}
        }
        guard let code = options.command.last.flatMap({ Int($0) }), code > 0 else {
            return try await send(3, #"{"metadata":{},"status":"Success"}"#)
        }
        try await send(
            3,
            #"{"metadata":{},"status":"Failure","reason":"NonZeroExitCode","message":"command terminated with exit code \#(code)","details":{"causes":[{"reason":"ExitCode","message":"\#(code)"}]}}"#
        )
    }
}

@Suite(
    "kubectl's verbs", .tags(.kubectl), .serialized, .timeLimit(.minutes(5)),
    .enabled(if: Kubectl.isThere || mustRun, "no kubectl from 1.27 on, or no openssl, is installed"))
struct KubectlVerbTests {
    @Test("what kubectl creates by itself is stored, whether it sends JSON or protobuf", arguments: Kubectl.programs)
    func create(program: String) async throws {
        try await Kubectl.with { kubectl in
            let kubectl = kubectl.using(program)
            _ = try await kubectl.output(
                "create", "deployment", "web", "--image=example.org/web:1", "--replicas=0", "--port=80")
            // No replicas are a wish, not an absent field.
            #expect(try await kubectl.output("get", "deploy", "web", "-o", "jsonpath={.spec.replicas}") == "0")
            #expect(try await kubectl.output("get", "deploy", "web", "-o", "jsonpath={..containerPort}") == "80")
            let template = try await kubectl.output("get", "deploy", "web", "-o", "jsonpath={.spec.template.spec}")
            #expect(!template.contains("hostNetwork"), "zeros of absent fields are not stored: \(template)")
            _ = try await kubectl.output("create", "service", "nodeport", "np", "--tcp=80:http", "--node-port=30005")
            #expect(
                try await kubectl.output("get", "svc", "np", "-o", "jsonpath={..targetPort} {..nodePort}") == "http 30005")
            _ = try await kubectl.output("create", "service", "clusterip", "cip", "--tcp=80:8080")
            #expect(try await kubectl.output("get", "svc", "cip", "-o", "jsonpath={..targetPort}") == "8080")
            _ = try await kubectl.output("create", "service", "loadbalancer", "lb", "--tcp=80")
            _ = try await kubectl.output("create", "service", "externalname", "en", "--external-name=example.org")
            #expect(try await kubectl.output("get", "svc", "en", "-o", "jsonpath={.spec.externalName}") == "example.org")
            _ = try await kubectl.output(
                "create", "ingress", "in", "--class=nginx", "--rule=example.org/path*=cip:80,tls=secret")
            #expect(
                try await kubectl.output("get", "ing", "in", "-o", "jsonpath={..path} {..pathType} {..service.name} {..hosts}")
                    == #"/path Prefix cip ["example.org"]"#)
            _ = try await kubectl.output("create", "secret", "generic", "s", "--from-literal=k=v")
            #expect(try await kubectl.output("get", "secret", "s", "-o", "jsonpath={.data.k}") == "dg==")
            _ = try await kubectl.output("create", "serviceaccount", "robot")
            // Kept, and not enforced.
            _ = try await kubectl.output("create", "role", "reader", "--verb=get", "--resource=pods")
            _ = try await kubectl.output("create", "clusterrole", "system:reader", "--verb=get", "--resource=nodes")
            _ = try await kubectl.output("create", "rolebinding", "reads", "--role=reader", "--serviceaccount=default:robot")
            #expect(
                try await kubectl.output("get", "rolebinding", "reads", "-o", "wide", "--no-headers")
                    .split(separator: " ").map(String.init).suffix(1) == ["default/robot\n"])
            #expect(try await kubectl.output("get", "clusterrole", "system:reader", "-o", "name").contains("system:reader"))
            #expect(try await kubectl.output("auth", "can-i", "delete", "nodes").contains("yes"))
            #expect(try await kubectl.output("create", "token", "robot", "--duration=10m").split(separator: ".").count == 3)
            _ = try await kubectl.output(
                "run", "p", "--image=i", "--port=80", "--env=A=B", "--expose", "--", "sleep", "3")
            #expect(
                try await kubectl.output("get", "pod", "p", "-o", "jsonpath={..args} {..env[0].value}")
                    == #"["sleep","3"] B"#)
            _ = try await kubectl.output("expose", "deployment", "web", "--port=80", "--target-port=8080", "--type=NodePort")
            for (arguments, word) in [
                (["job", "x", "--image=i"], "jobs.batch is forbidden: nothing runs jobs here"),
                (["quota", "x", "--hard=pods=1"], "resourcequotas is forbidden: quotas are not enforced"),
            ] {
                let refused = try await kubectl(all: ["create"] + arguments)
                #expect(refused.status == 1 && refused.error.contains(word), "\(refused.error)")
            }
            let scaled = try await kubectl("autoscale", "deployment", "web", "--max=3")
            #expect(scaled.status == 1 && scaled.error.contains("nothing measures pods here"), "\(scaled.error)")
        }
    }

    @Test("a deployment is restarted, its history is shown, and an old template comes back")
    func rollout() async throws {
        try await Kubectl.with { kubectl in
            _ = try await kubectl.output("create", "deployment", "web", "--image=example.org/web:2")
            // Both as the deployment's controller writes them: undo replaces the annotations, so there must be some.
            _ = try await kubectl.output("annotate", "deploy", "web", "deployment.kubernetes.io/revision=2")
            let uid = try await kubectl.output("get", "deploy", "web", "-o", "jsonpath={.metadata.uid}")
            for revision in 1...2 {
                let set = """
                    apiVersion: apps/v1
                    kind: ReplicaSet
                    metadata:
                      name: web-\(revision)
                      labels: {app: web}
                      annotations: {deployment.kubernetes.io/revision: "\(revision)"}
                      ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: web, uid: \(uid), controller: true}]
                    spec:
                      replicas: 0
                      selector: {matchLabels: {app: web}}
                      template:
                        metadata: {labels: {app: web, pod-template-hash: r\(revision)}}
                        spec: {containers: [{name: web, image: "example.org/web:\(revision)"}]}
                    """
                _ = try await kubectl.output("create", "-f", "-", input: set)
            }
            #expect(try await kubectl.output("rollout", "history", "deploy/web").contains("REVISION"))
            let second = try await kubectl.output("rollout", "history", "deploy/web", "--revision=1")
            #expect(second.contains("example.org/web:1"))
            #expect(try await kubectl.output("rollout", "undo", "deploy/web", "--to-revision=1").contains("rolled back"))
            #expect(try await kubectl.output("get", "deploy", "web", "-o", "jsonpath={..image}") == "example.org/web:1")
            #expect(try await kubectl.output("rollout", "restart", "deploy/web") == "deployment.apps/web restarted\n")
            #expect(try await kubectl.output("get", "deploy", "web", "-o", "yaml").contains("kubectl.kubernetes.io/restartedAt"))
            #expect(try await kubectl.output("rollout", "pause", "deploy/web") == "deployment.apps/web paused\n")
            #expect(try await kubectl.output("rollout", "resume", "deploy/web") == "deployment.apps/web resumed\n")
            _ = try await kubectl.output("set", "image", "deploy/web", "web=example.org/web:3")
            _ = try await kubectl.output("set", "env", "deploy/web", "A=B")
            #expect(try await kubectl.output("get", "deploy", "web", "-o", "jsonpath={..image}") == "example.org/web:3")
            #expect(try await kubectl.output("get", "deploy", "web", "--subresource=scale").contains("DESIRED"))
        }
    }

    private static let job = """
        apiVersion: batch/v1
        kind: Job
        metadata: {name: pi}
        spec: {template: {spec: {restartPolicy: Never, containers: [{name: pi, image: perl}]}}}
        """

    // `kubectl apply --prune` ended with "no matches for kind PersistentVolumeClaim", `auth can-i` with NotFound.
    @Test("what has no controller is known, empty and refused in a sentence; pruning passes it by", arguments: Kubectl.programs)
    func refusedKinds(program: String) async throws {
        try await Kubectl.with { kubectl in
            let kubectl = kubectl.using(program)
            let applied = try await kubectl("apply", "-f", "-", input: Self.job)
            #expect(
                applied.status == 1 && applied.error.contains("jobs.batch is forbidden: nothing runs jobs here"),
                "\(applied.error)")
            #expect(try await kubectl("get", "jobs,cj,hpa,pvc,pv,rc,quota,limits,pdb,roles").error.contains("No resources found"))
            let maps = ["a", "b"].map { "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: \($0), labels: {set: x}}" }
            _ = try await kubectl.output("apply", "-f", "-", input: maps.joined(separator: "\n---\n"))
            let pruned = try await kubectl.output("apply", "--prune", "-l", "set=x", "-f", "-", input: maps[0])
            #expect(pruned == "configmap/a unchanged\nconfigmap/b pruned\n")
        }
    }

    @Test("who may do what is answered: everybody everything", arguments: Kubectl.programs)
    func access(program: String) async throws {
        try await Kubectl.with { kubectl in
            let kubectl = kubectl.using(program)
            #expect(try await kubectl.output("auth", "can-i", "create", "pods") == "yes\n")
            #expect(try await kubectl.output("auth", "can-i", "delete", "pods", "--as=bob") == "yes\n")
            #expect(try await kubectl.output("auth", "can-i", "get", "/healthz") == "yes\n")
            #expect(try await kubectl.output("auth", "can-i", "--list").contains("*.*"))
            guard !program.hasSuffix("1.27") else { return }
            let own = try await kubectl.output("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")
            #expect(own == "admin")
            let other = try await kubectl.output("auth", "whoami", "--as=bob", "-o", "jsonpath={.status.userInfo}")
            #expect(other.contains(#""username":"bob""#) && !other.contains("system:masters"))
        }
    }

    @Test("a StatefulSet's history is read from its ControllerRevisions")
    func revisions() async throws {
        try await Kubectl.with { kubectl in
            let template = #"{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"example.org/db:1"}]}}"#
            let set =
                #"{"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"name":"db"},"spec":{"serviceName":"db","selector":{"matchLabels":{"a":"b"}},"template":\#(template)}}"#
            _ = try await kubectl.output("create", "-f", "-", input: set)
            let uid = try await kubectl.output("get", "sts", "db", "-o", "jsonpath={.metadata.uid}")
            let old = template.replacing(":1", with: ":0").replacing(#"{"metadata""#, with: #"{"$patch":"replace","metadata""#)
            let revision =
                #"{"apiVersion":"apps/v1","kind":"ControllerRevision","metadata":{"name":"db-1","labels":{"a":"b"},"ownerReferences":[{"apiVersion":"apps/v1","kind":"StatefulSet","name":"db","uid":"\#(uid)","controller":true}]},"revision":1,"data":{"spec":{"template":\#(old)}}}"#
            _ = try await kubectl.output("create", "-f", "-", input: revision)
            #expect(try await kubectl.output("get", "controllerrevisions").contains("statefulset.apps/db   1"))
            #expect(try await kubectl.output("rollout", "history", "sts/db").contains("1"))
            _ = try await kubectl.output("rollout", "undo", "sts/db", "--to-revision=1")
            #expect(try await kubectl.output("get", "sts", "db", "-o", "jsonpath={..image}") == "example.org/db:0")
            let changed = try await kubectl(
                "patch", "controllerrevision", "db-1", "--type=merge", "-p", #"{"data":{"spec":null}}"#)
            #expect(changed.error.contains("data: Invalid value"), "\(changed.error)")
        }
    }

    @Test("nodes are tainted, cordoned and drained")
    func nodes() async throws {
        try await Kubectl.with { kubectl in
            let objects = """
                apiVersion: v1
                kind: Node
                metadata: {name: n1}
                ---
                apiVersion: v1
                kind: Pod
                metadata: {name: p}
                spec: {nodeName: n1, terminationGracePeriodSeconds: 0, containers: [{name: c, image: i}]}
                """
            _ = try await kubectl.output("create", "-f", "-", input: objects)
            #expect(try await kubectl.output("taint", "node", "n1", "a=b:NoSchedule") == "node/n1 tainted\n")
            #expect(try await kubectl.output("get", "node", "n1", "-o", "jsonpath={.spec.taints[0].effect}") == "NoSchedule")
            #expect(try await kubectl.output("taint", "node", "n1", "a-") == "node/n1 untainted\n")
            #expect(try await kubectl.output("cordon", "n1") == "node/n1 cordoned\n")
            #expect(try await kubectl.output("get", "nodes").contains("SchedulingDisabled"))
            #expect(try await kubectl.output("uncordon", "n1") == "node/n1 uncordoned\n")
            #expect(
                try await kubectl.output("drain", "n1", "--force", "--grace-period=0", "--timeout=20s").contains(
                    "node/n1 drained"))
            #expect(try await kubectl.output("get", "pods", "-o", "name") == "")
        }
    }

    @Test("wait sees a field, a condition and a deletion")
    func wait() async throws {
        try await Kubectl.with { kubectl in
            _ = try await kubectl.output("run", "p", "--image=i")
            _ = try await kubectl.output("wait", "pod/p", "--for=jsonpath={.status.phase}=Pending", "--timeout=20s")
            async let deleted = kubectl.output("wait", "pod/p", "--for=delete", "--timeout=60s")
            _ = try await kubectl.output("delete", "pod", "p", "--wait=false")
            _ = try await deleted
        }
    }

    private static let pod = """
        apiVersion: v1
        kind: Pod
        metadata: {name: p}
        spec: {nodeName: n1, containers: [{name: first, image: i}, {name: second, image: i}]}
        """

    /// The versions that speak exec over WebSockets by themselves.
    private static let streaming = Kubectl.programs.filter { (Kubectl.minor(of: $0) ?? 0) >= 30 }

    @Test("exec brings output, errors, stdin and the exit code", arguments: streaming)
    func exec(program: String) async throws {
        try await Kubectl.with(pods: Terminal()) { kubectl in
            let kubectl = kubectl.using(program)
            _ = try await kubectl.output("create", "-f", "-", input: Self.pod)
            let plain = try await kubectl("exec", "p", "-c", "second", "--", "ls", "-l")
            #expect(plain.status == 0 && plain.output == "exec ls -l\n" && plain.error == "warned\n", "\(plain)")
            let typed = try await kubectl("exec", "-i", "p", "-c", "first", "--", "cat", input: "one\ntwo\n")
            #expect(typed.status == 0 && typed.output == "exec cat\none\ntwo\n", "\(typed)")
            let failed = try await kubectl("exec", "p", "-c", "first", "--", "exit", "3")
            #expect(failed.status == 3 && failed.error.contains("command terminated with exit code 3"), "\(failed)")
            let attached = try await kubectl("attach", "p", "-c", "first")
            #expect(attached.status == 0 && attached.output.hasSuffix("attach \n"), "\(attached)")
        }
    }

    @Test("a kubectl that speaks SPDY, port-forward and debug are refused in one sentence")
    func refusedStreams() async throws {
        try await Kubectl.with(pods: Terminal()) { kubectl in
            _ = try await kubectl.output("create", "-f", "-", input: Self.pod)
            let status = #"{"status":{"phase":"Running"}}"#
            _ = try await kubectl.output("patch", "pod", "p", "--subresource=status", "--type=merge", "-p", status)
            for program in Kubectl.programs {
                let kubectl = kubectl.using(program)
                let old = try await kubectl(
                    "exec", "p", "-c", "first", "--", "ls", environment: ["KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false"])
                #expect(old.status == 1 && old.error.contains("and not over SPDY"), "\(program): \(old.error)")
                let forwarded = try await kubectl("port-forward", "pod/p", ":80")
                #expect(forwarded.status == 1 && forwarded.error.contains("port-forward is not served"), "\(forwarded.error)")
                let debugged = try await kubectl("debug", "p", "--image=i", "--profile=general")
                #expect(debugged.status == 1 && debugged.error.contains("ephemeral containers are"), "\(debugged.error)")
            }
            let top = try await kubectl("top", "pods")
            #expect(top.status == 1 && top.error == "error: Metrics API not available\n")
            let proxied = try await kubectl("get", "--raw", "/api/v1/namespaces/default/pods/p/proxy")
            #expect(proxied.error.contains("the proxy to pods is not served"), "\(proxied.error)")
        }
    }

    @Test("logs take every option, and say which container is meant")
    func logs() async throws {
        try await Kubectl.with(pods: Terminal()) { kubectl in
            _ = try await kubectl.output("create", "-f", "-", input: Self.pod)
            #expect(
                try await kubectl.output("logs", "p", "-c", "second")
                    == "c=second f=false p=false t=false tail=-1 since=-1 time=\n")
            #expect(
                try await kubectl.output(
                    "logs", "p", "-c", "second", "-f", "--previous", "--since=90s", "--tail=3", "--timestamps")
                    == "c=second f=true p=true t=true tail=3 since=90 time=\n")
            #expect(
                try await kubectl.output("logs", "p", "-c", "second", "--since-time=2030-01-01T00:00:00Z").contains(
                    "time=2030-01-01T00:00:00Z"))
            #expect(try await kubectl.output("logs", "p", "--all-containers").split(separator: "\n").count == 2)
            let refused = try await kubectl("logs", "p", "-c", "first", "--previous")
            #expect(refused.error.contains("previous terminated container not found"))
        }
    }
}
