import KubeAPI
import Testing

@testable import Lab

@Suite("what a kubelet computes")
struct KubeletValueTests {
    @Test(
        "moments are written as the API writes them",
        arguments: [
            (0, "1970-01-01T00:00:00Z"), (951_782_400, "2000-02-29T00:00:00Z"), (1_767_225_599, "2025-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] as [(Int64, String)])
    func moments(_ seconds: Int64, _ text: String) {
        #expect(Moment(.seconds(seconds)).description == text)
        #expect(Moment(.seconds(seconds) + .microseconds(42)).precise == text.dropLast() + ".000042Z")
    }

    @Test(
        "variables are expanded as kubelet does",
        arguments: [
            ("$(A)", "1"), ("x$(A)y$(B)", "x1y"), ("$$(A)", "$(A)"), ("$(NONE)", "$(NONE)"), ("$A $", "$A $"), ("$(A", "$(A"),
        ])
    func expands(_ text: String, _ result: String) {
        #expect(ContainerEnvironment.expand(text, ["A": "1", "B": ""]) == result)
    }

    @Test("services are told in variables, headless ones are not") func services() throws {
        let services = try JSONReader().value(
            """
            [{"metadata":{"name":"my-db"},"spec":{"clusterIP":"192.0.2.50","ports":[{"name":"sql","port":5432},{"port":53,"protocol":"UDP"}]}},
             {"metadata":{"name":"headless"},"spec":{"clusterIP":"None","ports":[{"port":1}]}}]
            """)
        let lines = ContainerEnvironment.variables(of: services.array ?? []).map { "\($0.name)=\($0.value)" }
        #expect(
            lines == [
                "MY_DB_SERVICE_HOST=192.0.2.50", "MY_DB_SERVICE_PORT=5432", "MY_DB_SERVICE_PORT_SQL=5432",
                "MY_DB_PORT=tcp://192.0.2.50:5432", "MY_DB_PORT_5432_TCP=tcp://192.0.2.50:5432", "MY_DB_PORT_5432_TCP_PROTO=tcp",
                "MY_DB_PORT_5432_TCP_PORT=5432", "MY_DB_PORT_5432_TCP_ADDR=192.0.2.50",
                "MY_DB_PORT_53_UDP=udp://192.0.2.50:53", "MY_DB_PORT_53_UDP_PROTO=udp", "MY_DB_PORT_53_UDP_PORT=53",
                "MY_DB_PORT_53_UDP_ADDR=192.0.2.50",
            ])
    }

    // `kubectl run tmp --rm -it --image=busybox -- sh -c …` asked sh to run a file named sh.
    @Test(
        "what runs for an image is what its author would expect of the command and the arguments",
        arguments: [
            ("busybox", #"{}"#, "sh"), ("busybox", #"{"args":["sh","-c","date"]}"#, "sh -c date"),
            ("alpine:3", #"{"command":["ls"],"args":["-l"]}"#, "ls -l"),
            ("curlimages/curl", #"{"args":["curl","-s","x"]}"#, "curl -s x"),
            ("nginx", #"{"ports":[{"containerPort":80}]}"#, "echo"), ("nginx", "{}", "idle"), ("pause:3.10", "{}", "idle"),
            ("own/app", #"{"args":["-v"]}"#, "app -v"), ("strange", #"{"ports":[{"containerPort":1}]}"#, "echo"),
            ("x/agnhost:2.53", #"{"command":["/agnhost","netexec","--http-port=8081"]}"#, "echo --tcp 8081 --udp 8081"),
            ("x/agnhost:2.53", #"{"args":["netexec","--http-port","80","--udp-port=90"]}"#, "echo --tcp 80 --udp 90"),
            ("x/agnhost:2.53", #"{"args":["serve-hostname"]}"#, "echo --tcp 9376"), ("x/agnhost:2.53", "{}", "idle"),
            ("x/agnhost:2.53", #"{"command":["sh","-c","date"]}"#, "sh -c date"),
        ])
    func images(_ image: String, _ container: String, _ expected: String) throws {
        guard case .object(let given) = try JSONReader().value(container) else { return }
        var tree = given
        (tree["name"], tree["image"]) = ("c", .string(image))
        let catalogue = ImageCatalogue([.init("own/*", .command(["app"]))])
        let pod = PodManifest(["metadata": ["name": "p"], "spec": ["containers": [.object(tree)]]])
        let manifest = try #require(pod.containers.first)
        let words = catalogue.words(
            for: manifest, command: manifest.command, arguments: manifest.arguments, echo: ["echo"], idle: ["idle"]
        ).words
        #expect(words.joined(separator: " ") == expected)
    }

    @Test(
        "images are matched with their tags and without",
        arguments: [
            ("nginx", "nginx", true), ("nginx:1.27", "nginx", true), ("registry.example.org:5000/a/nginx:1", "*/nginx", true),
            ("registry.example.org:5000/nginx", "registry.example.org:5000/*", true), ("mynginx", "nginx", false),
            ("nginx@sha256:00", "nginx", true), ("nginx:1", "nginx:2", false),
        ])
    func images(_ image: String, _ pattern: String, _ isMatch: Bool) {
        #expect(ImageCatalogue.matches(image, pattern) == isMatch)
    }

    @Test(
        "resources are told in units of their divisor, rounded up",
        arguments: [
            ("limits.cpu", "1", "1"), ("limits.cpu", "1m", "250"), ("requests.memory", "1Mi", "64"), ("limits.memory", "0", "0"),
        ])
    func resources(_ name: String, _ divisor: String, _ value: String) throws {
        let tree = try JSONReader().value(
            #"{"spec":{"containers":[{"name":"a","resources":{"limits":{"cpu":"250m"},"requests":{"memory":"64Mi"}}}]}}"#)
        let container = try #require(PodManifest(tree).containers.first)
        #expect(ContainerEnvironment.resource(name, divisor, of: container) == value)
    }

    @Test("secrets are read from base64", arguments: [("", ""), ("YQ==", "a"), ("YWI=", "ab"), ("YWJj", "abc")])
    func base64(_ text: String, _ bytes: String) { #expect(Base64.bytes(of: text) == Array(bytes.utf8)) }
}
