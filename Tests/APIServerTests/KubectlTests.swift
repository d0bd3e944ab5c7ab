import Glibc
import KubeAPI
import Testing

@testable import APIServer

extension Tag {
    /// Needs a real `kubectl`.
    @Tag static var kubectl: Self
}

/// The real kubectl against the real server, over TLS and with a token, as a user has it.
struct Kubectl: Sendable {
    let program: String
    let directory: ScratchDirectory
    let port: UInt16

    /// What is called `kubectl` may be a dispatcher that picks a version by the server's: then the newest of them is named.
    static let program: String? = {
        let versions = stride(from: 40, through: 27, by: -1).map { "/usr/lib/google-cloud-sdk/bin/kubectl.1.\($0)" }
        return versions.first { access($0, X_OK) == 0 } ?? Program.path("kubectl")
    }()

    /// Whether there is one that knows what the tests ask of it: from 1.27 on.
    static let isThere: Bool = program.map { (minor(of: $0) ?? 0) >= 27 } == true && Program.path("openssl") != nil

    /// The second number of a program's version.
    static func minor(of program: String) -> Int? {
        guard let child = popen("\(program) version --client -o json 2>/dev/null", "r") else { return nil }
        defer { pclose(child) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let text = String(decoding: bytes[..<fread(&bytes, 1, bytes.count, child)], as: UTF8.self)
        return text.split(separator: "\n").first { $0.contains("\"minor\"") }.flatMap { Int($0.filter(\.isNumber)) }
    }

    func callAsFunction(_ arguments: String..., input: String? = nil, environment: [String: String] = [:]) async throws
        -> Program.Outcome
    {
        try await Program.run(
            program, ["--kubeconfig", "\(directory.path)/kubeconfig"] + arguments,
            environment: ["HOME": directory.path].merging(environment) { $1 }, input: input)
    }

    func callAsFunction(all arguments: [String]) async throws -> Program.Outcome {
        try await Program.run(
            program, ["--kubeconfig", "\(directory.path)/kubeconfig"] + arguments, environment: ["HOME": directory.path])
    }

    /// The output; a failure of kubectl is a failure of the test.
    func output(_ arguments: String..., input: String? = nil, environment: [String: String] = [:]) async throws -> String {
        let outcome = try await Program.run(
            program, ["--kubeconfig", "\(directory.path)/kubeconfig"] + arguments,
            environment: ["HOME": directory.path].merging(environment) { $1 }, input: input)
        #expect(outcome.status == 0, "kubectl \(arguments.joined(separator: " ")): \(outcome.error)\(outcome.output)")
        return outcome.output
    }

    static func with(pods: (any PodStreams)? = nil, _ body: (Kubectl) async throws -> Void) async throws {
        let directory = try ScratchDirectory()
        let security = Server.Security(tls: try directory.identity(), tokens: AccessTokens(["secret": "admin"]))
        let clock = Surroundings(seconds: { Int64(time(nil)) }, random: { UInt64.random(in: 0...(.max)) })
        try await withServer(security: security, pods: pods, surroundings: clock) { port, _ in
            _ = try directory.file(
                "kubeconfig",
                """
                apiVersion: v1
                kind: Config
                clusters: [{name: lab, cluster: {server: "https://127.0.0.1:\(port)", certificate-authority: "\(directory.path)/cert.pem"}}]
                users: [{name: admin, user: {token: secret}}]
                contexts: [{name: lab, context: {cluster: lab, user: admin}}]
                current-context: lab
                """)
            try await body(Kubectl(program: try #require(program), directory: directory, port: port))
        }
    }
}

private let web = """
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: web, labels: {app: web}}
    spec:
      replicas: 2
      selector: {matchLabels: {app: web}}
      template:
        metadata: {labels: {app: web}}
        spec: {containers: [{name: c, image: "example.org/web:1", ports: [{containerPort: 80}]}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: web}
    spec: {selector: {app: web}, ports: [{port: 80}], clusterIP: 192.0.2.10}
    """

@Suite(
    "kubectl", .tags(.kubectl), .serialized, .timeLimit(.minutes(5)),
    .enabled(if: Kubectl.isThere || mustRun, "no kubectl from 1.27 on, or no openssl, is installed"))
struct KubectlTests {
    @Test("apply, apply again, apply a change, and look at it in every form")
    func apply() async throws {
        try await Kubectl.with { kubectl in
            let first = try await kubectl.output("apply", "-f", "-", input: web)
            #expect(first == "deployment.apps/web created\nservice/web created\n")
            let again = try await kubectl.output("apply", "-f", "-", input: web)
            #expect(again == "deployment.apps/web unchanged\nservice/web unchanged\n")
            let changed = web.replacing("replicas: 2", with: "replicas: 5").replacing("web:1", with: "web:2")
            let third = try await kubectl.output("apply", "-f", "-", input: changed)
            #expect(third == "deployment.apps/web configured\nservice/web unchanged\n")
            #expect(try await kubectl.output("get", "deploy", "web", "-o", "jsonpath={.spec.replicas}") == "5")
            #expect(try await kubectl.output("get", "deploy", "web", "-o", "jsonpath={..image}") == "example.org/web:2")
            #expect(try await kubectl.output("get", "deploy,svc", "-o", "name") == "deployment.apps/web\nservice/web\n")
            let table = try await kubectl.output("get", "deploy")
            #expect(table.hasPrefix("NAME") && table.contains("READY") && table.contains("0/5"))
            #expect(try await kubectl.output("get", "deploy", "-o", "wide").contains("example.org/web:2"))
            #expect(try await kubectl.output("get", "deploy", "web", "-o", "yaml").contains("kind: Deployment"))
            #expect(try await kubectl.output("get", "svc", "web", "-o", "json").contains(#""clusterIP": "192.0.2.10""#))
            #expect(try await kubectl.output("describe", "deploy", "web").contains("example.org/web:2"))
            #expect(try await kubectl.output("describe", "svc", "web").contains("192.0.2.10"))
            let gone = try await kubectl.output("delete", "-f", "-", input: web)
            #expect(gone.contains("\"web\" deleted"))
            #expect(try await kubectl("get", "deploy", "web").error.contains(#"deployments.apps "web" not found"#))
        }
    }

    @Test("create, label, annotate, scale, patch in three forms, edit")
    func changes() async throws {
        try await Kubectl.with { kubectl in
            _ = try await kubectl.output("create", "-f", "-", input: web)
            #expect(try await kubectl("create", "-f", "-", input: web).error.contains(#"deployments.apps "web" already exists"#))
            #expect(try await kubectl.output("create", "configmap", "m", "--from-literal=k=v") == "configmap/m created\n")
            #expect(try await kubectl.output("create", "namespace", "lab") == "namespace/lab created\n")
            #expect(try await kubectl.output("label", "cm", "m", "a=b") == "configmap/m labeled\n")
            #expect(try await kubectl.output("get", "cm", "-l", "a in (b)", "-o", "name") == "configmap/m\n")
            #expect(try await kubectl.output("annotate", "cm", "m", "example.org/x=y") == "configmap/m annotated\n")
            #expect(try await kubectl.output("scale", "deploy", "web", "--replicas=7") == "deployment.apps/web scaled\n")
            #expect(try await kubectl.output("get", "deploy", "web", "-o", "jsonpath={.spec.replicas}") == "7")
            let strategic = #"{"spec":{"template":{"spec":{"containers":[{"name":"d","image":"i"}]}}}}"#
            _ = try await kubectl.output("patch", "deploy", "web", "-p", strategic)
            #expect(try await kubectl.output("get", "deploy", "web", "-o", "jsonpath={..containers[*].name}") == "d c")
            _ = try await kubectl.output("patch", "cm", "m", "--type=merge", "-p", #"{"data":{"k":null,"l":"1"}}"#)
            _ = try await kubectl.output(
                "patch", "cm", "m", "--type=json", "-p", #"[{"op":"add","path":"/data/size","value":"2"}]"#)
            #expect(try await kubectl.output("get", "cm", "m", "-o", "jsonpath={.data}") == #"{"l":"1","size":"2"}"#)
            let editor = try kubectl.directory.file(
                "editor", "#!/bin/sh\nsed -i 's/size: \"2\"/size: \"3\"/' \"$1\"\n", mode: 0o700)
            _ = try await kubectl.output("edit", "cm", "m", environment: ["KUBE_EDITOR": editor])
            #expect(try await kubectl.output("get", "cm", "m", "-o", "jsonpath={.data.size}") == "3")
            #expect(try await kubectl.output("delete", "ns", "lab").contains(#"namespace "lab" deleted"#))
            #expect(
                try await kubectl("apply", "--server-side", "-f", "-", input: web).error.contains(
                    "server-side apply is not served yet"))
            let new = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: not-there}\n"
            #expect(
                try await kubectl("apply", "--server-side", "-f", "-", input: new).error.contains(
                    "server-side apply is not served yet"), "also of an object that is not there")
        }
    }

    @Test("wait, rollout status and get -w see what happens")
    func watching() async throws {
        try await Kubectl.with { kubectl in
            _ = try await kubectl.output("apply", "-f", "-", input: web)
            async let waited = kubectl.output("wait", "deploy/web", "--for=condition=Available", "--timeout=60s")
            async let rolled = kubectl.output("rollout", "status", "deploy/web", "--timeout=60s")
            async let watched = kubectl.output("get", "deploy", "-w", "--request-timeout=5s")
            let status = """
                {"status":{"observedGeneration":1,"replicas":2,"updatedReplicas":2,"readyReplicas":2,"availableReplicas":2,
                "conditions":[{"type":"Available","status":"True","reason":"R","message":"m"}]}}
                """
            _ = try await kubectl.output("patch", "deploy", "web", "--subresource=status", "--type=merge", "-p", status)
            #expect(try await waited == "deployment.apps/web condition met\n")
            #expect(try await rolled.contains("successfully rolled out"))
            #expect(try await watched.contains("2/2"))
        }
    }

    @Test("api-resources, explain and get --raw know the kinds, and a new one at once")
    func discovery() async throws {
        try await Kubectl.with { kubectl in
            let resources = try await kubectl.output("api-resources")
            for word in ["deployments", "networkpolicies", "customresourcedefinitions"] { #expect(resources.contains(word)) }
            #expect(try await kubectl.output("explain", "pod.spec.containers").contains("KIND:       Pod"))
            #expect(try await kubectl.output("get", "--raw", "/healthz") == "ok")
            #expect(try await kubectl.output("version").contains("Server Version: v1.33"))
            let definition = """
                apiVersion: apiextensions.k8s.io/v1
                kind: CustomResourceDefinition
                metadata: {name: widgets.example.org}
                spec:
                  group: example.org
                  scope: Namespaced
                  names: {plural: widgets, singular: widget, kind: Widget, listKind: WidgetList, shortNames: [wd]}
                  versions:
                  - name: v1
                    served: true
                    storage: true
                    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: integer}}}}}}
                    additionalPrinterColumns: [{name: Size, type: integer, jsonPath: .spec.size}]
                """
            _ = try await kubectl.output("apply", "-f", "-", input: definition)
            _ = try await kubectl.output("wait", "crd/widgets.example.org", "--for=condition=Established", "--timeout=10s")
            let widget = "{apiVersion: example.org/v1, kind: Widget, metadata: {name: w}, spec: {size: 3}}"
            #expect(try await kubectl.output("apply", "-f", "-", input: widget) == "widget.example.org/w created\n")
            #expect(try await kubectl.output("get", "wd").contains("SIZE"))
            let wrong = widget.replacing("size: 3", with: "size: large")
            #expect(try await kubectl("apply", "-f", "-", input: wrong).status != 0)
            _ = try await kubectl.output("delete", "crd", "widgets.example.org")
        }
    }
}

extension String {
    func replacing(_ old: String, with new: String) -> String {
        var (result, rest) = ("", self[...])
        while let range = rest.firstRange(of: old) {
            result += rest[..<range.lowerBound] + new
            rest = rest[range.upperBound...]
        }
        return result + rest
    }
}
