import Addressing
import KubeAPI
import Testing

@testable import Lab

@Suite("an image's name")
struct ImageNameTests {
    @Test(
        "is one that a runtime takes",
        arguments: [
            "echo", "nginx:1.27", "library/nginx", "registry.example.org:5000/team/my_app__x/a-b--c:v1.2-Rc",
            "localhost/web", "localhost:5000/web", "[2001:db8::1]:5000/web", "registry.k8s.io/e2e-test-images/agnhost:2.47",
            "web@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "Registry.example.org/web:Latest",
        ])
    func valid(name: String) { #expect(ImageName.fault(name) == nil) }

    @Test(
        "is refused in a runtime's words",
        arguments: [
            ("Nginx", "invalid reference format: repository name (Nginx) must be lowercase"),
            ("team/Web:1", "invalid reference format: repository name (team/Web) must be lowercase"),
            ("", "invalid reference format"), ("web:", "invalid reference format"), ("web:a b", "invalid reference format"),
            ("web app", "invalid reference format"), ("-web", "invalid reference format"),
            ("web//app", "invalid reference format"),
            ("web___app", "invalid reference format"), ("web..app", "invalid reference format"),
            ("web@sha256:12", "invalid reference format"), ("web:.x", "invalid reference format"),
            ("host.example:port/web", "invalid reference format"), ("wéb", "invalid reference format"),
            (":1", "invalid reference format"), ("/web", "invalid reference format"),
        ])
    func invalid(name: String, fault: String) { #expect(ImageName.fault(name) == fault) }

    @Test("some images are not there: those that a user says, and those of registries that no one has")
    func missing() throws {
        let entry = try #require(ImageCatalogue.Entry(text: "web/*=missing"))
        #expect(entry.text == "web/*=missing")
        let catalogue = ImageCatalogue([entry])
        for image in ["web/a:1", "registry.invalid/b", "registry.invalid:5000/team/echo:2"] {
            #expect(catalogue.missing(image)?.contains("\"\(image)\": not found") == true)
        }
        for image in ["a", "invalid/a", "registry.example.org/echo"] { #expect(catalogue.missing(image) == nil) }
    }
}

extension PodWorkerTests {
    @Test("a pod waits for an image that is not there, asks ever less often, and says so as a kubelet does")
    func waitsForImage() throws {
        var script = try WorkerScript(#"{"containers":[{"name":"a","image":"registry.invalid/a"}]}"#)
        try script.run()
        func reason() -> String? { script.container()?["state"]?["waiting"]?["reason"]?.string }
        func events() -> [String] {
            script.orders.compactMap { if case .record(let event) = $0 { "\(event.reason): \(event.message)" } else { nil } }
        }
        var waits: [Duration] = []
        for run in 1...3 {
            script.tell(.startFailed(container: "a", run: run, reason: "ErrImagePull", message: "not found"))
            #expect(reason() == "ErrImagePull")
            #expect(
                events() == [
                    "Pulling: Pulling image \"registry.invalid/a\"",
                    "Failed: Failed to pull image \"registry.invalid/a\": not found",
                    "Failed: Error: ErrImagePull",
                ])
            script.tell(.timer)
            #expect(reason() == "ImagePullBackOff")
            #expect(events() == ["BackOff: Back-off pulling image \"registry.invalid/a\"", "Failed: Error: ImagePullBackOff"])
            let next = try #require(script.worker.nextDeadline)
            waits.append(next - script.now)
            script.tell(.timer, after: next - script.now)
            #expect(script.words == ["start a \(run + 1)"])
        }
        #expect(waits == [.seconds(10), .seconds(20), .seconds(40)])
    }

    @Test("a name that no image can have is said, with an event") func invalidImage() throws {
        var script = try WorkerScript(#"{"containers":[{"name":"a","image":"Web"}]}"#)
        try script.run()
        script.tell(.startFailed(container: "a", run: 1, reason: "InvalidImageName", message: "couldn't parse image name"))
        #expect(script.container()?["state"]?["waiting"]?["reason"] == "InvalidImageName")
        let events = script.orders.compactMap { if case .record(let event) = $0 { event.reason } else { nil } }
        #expect(events == ["InspectFailed", "Failed"])
        #expect(script.phase == "Pending")
    }

    @Test("a node's other addresses are told of its pods") func moves() throws {
        var script = try WorkerScript(#"{"hostNetwork":true,"containers":[{"name":"a","image":"x"}]}"#)
        script.tell(.timer)
        script.tell(.volumesReady)
        script.tell(.sandboxReady)
        script.started("a")
        #expect(script.status["hostIP"] == "192.0.2.1" && script.status["podIP"] == "192.0.2.1")
        script.tell(.moved([try #require(IPAddress("192.0.2.9"))]))
        #expect(script.status["hostIP"] == "192.0.2.9" && script.status["podIP"] == "192.0.2.9")
    }
}
