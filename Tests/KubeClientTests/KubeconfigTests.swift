import KubeClient
import Testing

#if canImport(Glibc)
    import Glibc
#endif

struct KubeconfigTests {
    private static let good = """
        apiVersion: v1
        kind: Config
        clusters:
        - name: lab
          cluster: {server: "https://192.0.2.1:6443/", certificate-authority-data: Q0E=, tls-server-name: kubernetes}
        users:
        - name: admin
          user: {client-certificate-data: Q0VSVA==, client-key-data: S0VZ}
        - name: robot
          user: {tokenFile: robot.token, token: old}
        contexts:
        - {name: lab, context: {cluster: lab, user: admin, namespace: shop}}
        - {name: robot, context: {cluster: lab, user: robot}}
        current-context: lab
        """

    private func read(_ text: String) throws -> Kubeconfig { try Kubeconfig(text: text, origin: "f", directory: "/d") }

    @Test("a context leads to a server, its authority and the user's credential")
    func access() throws {
        let config = try read(Self.good)
        let access = try config.access()
        #expect(access.server == "https://192.0.2.1:6443/")
        #expect(access.trust == .authorities(Array("CA".utf8)))
        #expect(access.serverName == "kubernetes")
        #expect(access.certificate == ServerAccess.ClientCertificate(chain: Array("CERT".utf8), key: Array("KEY".utf8)))
        #expect(access.namespace == "shop")
        let robot = try config.access(to: "robot")
        #expect(robot.token == .file("/d/robot.token", fallback: "old"), "relative to the file, and the file wins")
        #expect(robot.namespace == "default")
    }

    @Test("a written kubeconfig says the same when it is read, and nobody else can read the file")
    func writes() throws {
        let directory = try TemporaryDirectory()
        var config = try read(Self.good)
        config.users["odd \"name\": x"] = Kubeconfig.User(token: "yes")
        config.clusters["open"] = Kubeconfig.Cluster(server: "http://[2001:db8::1]:80", authority: .file("/ca.pem"))
        let path = "\(directory.path)/config"
        try config.write(to: path)
        try config.write(to: path)
        #expect(try Kubeconfig.load([path]) == config)
        var facts = stat()
        #expect(stat(path, &facts) == 0)
        #expect(facts.st_mode & 0o777 == 0o600)
        #expect(Glibc.access(path + ".new", F_OK) != 0)
        let error = #expect(throws: KubeconfigError.self) { try config.write(to: "\(directory.path)/none/config") }
        #expect(error?.code == .unwritable)
    }

    @Test("of several files the first that says something wins, and one that is not there is passed over")
    func merges() throws {
        let directory = try TemporaryDirectory()
        let one = try directory.write(
            """
            contexts: [{name: lab, context: {cluster: mine, user: ""}}]
            clusters: [{name: mine, cluster: {server: "http://127.0.0.1:1"}}]
            """, to: "one")
        let two = try directory.write(Self.good, to: "two")
        let config = try Kubeconfig.load([directory.path + "/none", one, two])
        #expect(try config.access().server == "http://127.0.0.1:1")
        #expect(config.users.keys.sorted() == ["admin", "robot"])
        let error = #expect(throws: KubeconfigError.self) { try Kubeconfig.load([directory.path + "/none"]) }
        #expect(error?.code == .unreadable)
    }

    @Test("the files are found as kubectl finds them")
    func paths() {
        #expect(Kubeconfig.paths(environment: ["KUBECONFIG": "a::b", "HOME": "/h"]) == ["a", "b"])
        #expect(Kubeconfig.paths(environment: ["KUBECONFIG": "", "HOME": "/h"]) == ["/h/.kube/config"])
        #expect(Kubeconfig.paths(environment: [:]) == [])
    }

    static let wrong: [(String, String)] = [
        ("a: [", "f, line 2: did not find expected node content"),
        ("a: 1\n---\nb: 2", "f, line 3: a kubeconfig is one document"),
        ("[]", #"f: Invalid value: "array": must be an object, not an array"#),
        ("kind: Pod", #"f: kind: Unsupported value: "Pod": supported values: "Config""#),
        ("clusters: [{cluster: {server: 'http://a'}}]", "f: clusters[0].name: Required value"),
        ("clusters: [{name: a}]", "f: clusters[0].cluster.server: Required value: such as https://192.0.2.1:6443"),
        (
            "clusters: [{name: a, cluster: {server: 'a:1'}}]",
            #"f: clusters[0].cluster.server: Invalid value: "a:1": must be http:// or https://, a host, and perhaps a port and a path"#
        ),
        (
            "clusters: [{name: a, cluster: {server: 'https://a:0'}}]",
            #"f: clusters[0].cluster.server: Invalid value: "https://a:0": must be http:// or https://, a host, and perhaps a port and a path"#
        ),
        ("users: [{name: a, user: {token: 7}}]", "f: users[0].user.token: Invalid value: 7: must be a string, not a number"),
        // Half a key is not repeated.
        (
            "users: [{name: a, user: {client-key-data: 'S0V'}}]",
            #"f: users[0].user.client-key-data: Invalid value: "…": must be base64"#
        ),
        (
            "clusters: [{name: a, cluster: {server: 'https://a', insecure-skip-tls-verify: true, certificate-authority: x}}]",
            "f: clusters[0].cluster.insecure-skip-tls-verify: Invalid value: true: must not be true beside a certificate authority, which would not be looked at"
        ),
    ]

    @Test("what is wrong is told with file and field", arguments: wrong)
    func wrongTexts(_ text: String, _ message: String) {
        let error = #expect(throws: KubeconfigError.self) { try read(text) }
        #expect(error?.description == message)
    }

    static let refused: [(String, String)] = [
        ("{}", "there is no user \"u\"; there are: none"),
        (
            "users: [{name: u, user: {exec: {command: x}}}]",
            "users \"u\": exec: login plugins are not run here; use a token, a tokenFile or a client certificate"
        ),
        (
            "users: [{name: u, user: {auth-provider: {name: gcp}}}]",
            "users \"u\": auth-provider: login plugins are not run here; use a token, a tokenFile or a client certificate"
        ),
        (
            "users: [{name: u, user: {username: a}}]",
            "users \"u\": username: API servers have no passwords since Kubernetes 1.19; use a token or a client certificate"
        ),
        (
            "users: [{name: u, user: {as: a}}]",
            "users \"u\": as: acting as somebody else is not supported; use that user's own credential"
        ),
        ("users: [{name: u, user: {client-key-data: S0VZ}}]", "users \"u\": client-key needs a client-certificate beside it"),
        (
            "users: [{name: u, user: {client-certificate-data: S0VZ}}]",
            "users \"u\": client-certificate needs a client-key beside it"
        ),
        (
            "users: [{name: u, user: {client-certificate: none, client-key: none}}]",
            "users \"u\": client-certificate: reading /d/none: no such file or directory"
        ),
    ]

    @Test("what leads nowhere or is not done here is refused in one sentence, with the context", arguments: refused)
    func refusals(_ users: String, _ message: String) throws {
        var config = try read(users)
        config.merge(
            try read(
                "clusters: [{name: c, cluster: {server: 'http://a'}}]\ncontexts: [{name: x, context: {cluster: c, user: u}}]"))
        let error = #expect(throws: KubeconfigError.self) { try config.access(to: "x") }
        #expect(error?.description == "kubeconfig, context \"x\": \(message)")
    }

    @Test("contexts and clusters that are not there are told with those that are")
    func missing() throws {
        var config = try read(Self.good)
        #expect(throws: KubeconfigError.self) { try Kubeconfig().access() }
        let error = #expect(throws: KubeconfigError.self) { try config.access(to: "none") }
        #expect(error?.message == "there is no such context; there are: lab, robot")
        config.clusters["lab"]?.server = "https://a"
        config.clusters["other"] = config.clusters.removeValue(forKey: "lab")
        #expect(throws: KubeconfigError.self) { try config.access() }
    }

    @Test("no description shows a secret")
    func secrecy() throws {
        var text = ""
        let config = try read(Self.good)
        dump(config.users, to: &text)
        dump(try config.access(to: "robot"), to: &text)
        dump(try config.access(), to: &text)
        text += "\(config.users) \(try config.access(to: "robot"))"
        #expect(!text.contains("old") && !text.contains("75"), "the token, or the key's first byte")
    }
}
