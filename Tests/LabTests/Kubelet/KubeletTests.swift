import Addressing
import CNI
import Glibc
import KubeAPI
import Netlink
import Synchronization
import Testing

@testable import Lab

/// The API as a kubelet sees it, and what was said to it.
final class Board: KubeletAPI {
    private let state = Mutex(State())

    private struct State {
        var objects: [String: JSONValue] = [:]
        var services: [JSONValue] = []
        var statuses: [String: JSONValue] = [:]
        var events: [String] = []
        var removed: Set<String> = []
        var removals = 0
        var waiting: [(isMet: @Sendable (Board.News) -> Bool, CheckedContinuation<Void, Never>)] = []
    }

    struct News: Sendable {
        var statuses: [String: JSONValue]
        var events: [String]
        var removed: Set<String>

        func container(_ pod: String, _ index: Int = 0) -> JSONValue? { statuses[pod]?["containerStatuses"]?.array?[index] }
        func isReady(_ pod: String) -> Bool {
            statuses[pod]?["conditions"]?.array?.contains { $0["type"] == "Ready" && $0["status"] == "True" } ?? false
        }
    }

    var news: News { state.withLock { News(statuses: $0.statuses, events: $0.events, removed: $0.removed) } }

    /// How often somebody asked for a pod to be removed.
    var removals: Int { state.withLock { $0.removals } }

    func put(_ kind: String, _ name: String, _ tree: JSONValue) { state.withLock { $0.objects["\(kind)/\(name)"] = tree } }
    func serve(_ services: [JSONValue]) { state.withLock { $0.services = services } }

    /// Returns when what was said has become so.
    func until(_ isMet: @escaping @Sendable (News) -> Bool) async {
        await withCheckedContinuation { continuation in
            let isNow = state.withLock { state in
                if isMet(News(statuses: state.statuses, events: state.events, removed: state.removed)) { return true }
                state.waiting.append((isMet, continuation))
                return false
            }
            if isNow { continuation.resume() }
        }
    }

    private func change(_ body: (inout State) -> Void) {
        let met = state.withLock { state -> [CheckedContinuation<Void, Never>] in
            body(&state)
            let news = News(statuses: state.statuses, events: state.events, removed: state.removed)
            let met = state.waiting.filter { $0.isMet(news) }.map(\.1)
            state.waiting.removeAll { $0.isMet(news) }
            return met
        }
        for continuation in met { continuation.resume() }
    }

    func object(_ kind: String, namespace: String, name: String) async throws -> JSONValue? {
        state.withLock { $0.objects["\(kind)/\(name)"] }
    }
    func services(in namespace: String) async throws -> [JSONValue] {
        state.withLock { state in state.services.filter { $0["metadata"]?["namespace"]?.string == namespace } }
    }
    func write(status: JSONValue, of pod: PodKey) async throws -> Bool {
        change { $0.statuses[pod.name] = status }
        return true
    }
    func remove(_ pod: PodKey) async throws {
        change {
            $0.removals += 1
            _ = $0.removed.insert(pod.name)
        }
    }
    func record(_ event: PodEvent, of pod: PodKey) async { change { $0.events.append("\(pod.name) \(event.reason)") } }
}

/// A node in namespaces, a kubelet on it, and a plugin that writes down how it was called.
final class KubeletBench: Sendable {
    let directory: String
    let board = Board()
    let kubelet: Kubelet
    private let holder: Child

    init() async throws {
        var template = Array("/tmp/tulle-kubelet-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw LabError(.processFailed, "make a directory for a test") }
        directory = String(decoding: template.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        let launcher = try Self.program("tulle-pod")
        holder = try Child(
            [launcher, "pause", "--new", "net,uts,pid", "--hostname", "n1", "--ready-fd", "3"], reports: true)
        let process = try #require(Int32(await holder.reported().filter(\.isNumber)))
        let plugin = directory + "/plugin"
        try Files.write(
            """
            #!/bin/sh
            { echo "$CNI_COMMAND $CNI_IFNAME $CNI_ARGS"; cat; echo; } >> \(directory)/calls
            [ "$CNI_COMMAND" = ADD ] && echo '{"cniVersion":"1.1.0","ips":[{"address":"192.0.2.77/32"}]}'
            exit 0
            """.utf8, to: plugin, mode: 0o755)
        var host = NodeHost(
            name: "n1", holder: process, addresses: [try #require(IPAddress("127.0.0.1"))], directory: directory + "/state",
            launcher: launcher, plugin: plugin, network: ["cniVersion": "1.1.0", "name": "tulle", "type": "plugin"])
        host.clusterDNS = [try #require(IPAddress("192.0.2.53"))]
        kubelet = Kubelet(host: host, factor: 0.001, refreshes: .milliseconds(20), api: board) {
            var time = timespec()
            clock_gettime(CLOCK_REALTIME, &time)
            return Moment(.seconds(time.tv_sec) + .nanoseconds(time.tv_nsec))
        }
    }

    /// Runs the kubelet while the test does its part.
    static func run(_ body: @escaping @Sendable (KubeletBench) async throws -> Void) async throws {
        let bench = try await KubeletBench()
        defer { Files.remove(bench.directory) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await bench.kubelet.run() }
            let result: Result<Void, any Error>
            do { result = .success(try await body(bench)) } catch { result = .failure(error) }
            bench.kubelet.end()
            try await group.waitForAll()
            bench.holder.signal(SIGTERM)
            _ = await bench.holder.ended()
            try result.get()
        }
        // Neither a mount nor a process is left of it.
        #expect(try !#require(Files.text(of: "/proc/self/mountinfo")).contains(bench.directory))
        #expect(Self.processes(naming: bench.directory).isEmpty)
    }

    func tell(_ name: String, _ spec: String, deletedWithin grace: Int? = nil) throws {
        let deletion = grace.map { #","deletionTimestamp":"2026-01-01T00:00:00Z","deletionGracePeriodSeconds":\#($0)"# } ?? ""
        kubelet.tell(
            .present(
                try JSONReader().value(
                    #"{"metadata":{"name":"\#(name)","namespace":"shop","uid":"uid-\#(name)","labels":{"app":"x"}\#(deletion)},"spec":\#(spec)}"#
                )))
    }

    /// What a command in a container says, and its exit code.
    func execute(_ command: [String], _ pod: String, _ container: String) async throws -> (status: Int32, text: String) {
        let path = directory + "/exec"
        let output = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        let null = open("/dev/null", O_RDWR | O_CLOEXEC)
        defer {
            close(output)
            close(null)
        }
        let status = try await kubelet.execute(
            command, namespace: "shop", pod: pod, container: container, input: null, output: output, error: output)
        return (status, Files.text(of: path) ?? "")
    }

    /// The log as it is kept, of the run that the kubelet says is the container's now, or was before it.
    func log(_ pod: String, _ container: String, isPrevious: Bool = false) async throws -> [String] {
        let entries = try await kubelet.log(namespace: "shop", pod: pod, container: container, isPrevious: isPrevious)
        return entries.map {
            "\($0.isError ? "stderr" : "stdout") \($0.isWhole ? "F" : "P") \(String(decoding: $0.text, as: UTF8.self))"
        }
    }

    static func program(_ name: String) throws -> String {
        let bundle = try #require(CommandLine.arguments.first { $0.hasSuffix(".xctest") })
        return bundle[..<(bundle.lastIndex(of: "/") ?? bundle.endIndex)] + "/" + name
    }

    static func processes(naming text: String) -> [String] {
        Files.names(in: "/proc").filter { name in
            Int32(name) != nil && Int32(name) != getpid() && (Files.text(of: "/proc/\(name)/cmdline") ?? "").contains(text)
        }
    }
}

@Suite(
    "the kubelet", .tags(.kernel), .serialized, .timeLimit(.minutes(5)),
    .enabled(if: geteuid() == 0 || getenv("REQUIRE_KERNEL") != nil))
struct KubeletTests {
    @Test("the containers of a pod share localhost and its name, and have processes of their own")
    func shares() async throws {
        try await KubeletBench.run { bench in
            try bench.tell(
                "web",
                #"{"containers":[{"name":"a","image":"echo","ports":[{"containerPort":80}],"readinessProbe":{"exec":{"command":["bash","-c","</dev/tcp/127.0.0.1/80"]}}},{"name":"b","image":"busybox","command":["sleep","1000"]}]}"#
            )
            await bench.board.until { $0.isReady("web") }
            let ask = "exec 3<>/dev/tcp/127.0.0.1/80 && echo hello >&3 && head -n 1 <&3"
            let answer = try await bench.execute(["bash", "-c", ask], "web", "b")
            #expect(answer.status == 0 && answer.text.contains("pod=web node=n1"), "\(answer)")
            #expect(try await bench.execute(["hostname"], "web", "b").text == "web\n")
            #expect(try await bench.execute(["cat", "/proc/1/comm"], "web", "b").text == "sleep\n")
            #expect(try await bench.execute(["sh", "-c", "exit 42"], "web", "b").status == 42)
            let calls = try #require(Files.text(of: bench.directory + "/calls"))
            #expect(calls.contains("ADD eth0 IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web;"))
            #expect(calls.contains(#""type":"plugin""#))
        }
    }

    @Test("variables, volumes and names arrive in the container, and the host is not changed")
    func arrives() async throws {
        try await KubeletBench.run { bench in
            bench.board.put("ConfigMap", "settings", ["data": ["colour": "blue"]])
            bench.board.put("Secret", "keys", ["data": ["key": "c2VjcmV0"]])
            bench.board.serve([
                [
                    "metadata": ["name": "db", "namespace": "shop"],
                    "spec": ["clusterIP": "192.0.2.9", "ports": [["port": 5432]]],
                ]
            ])
            try bench.tell(
                "web",
                """
                {"volumes":[{"name":"c","configMap":{"name":"settings"}},{"name":"s","secret":{"secretName":"keys"}},
                {"name":"e","emptyDir":{}}],"containers":[{"name":"a","image":"busybox","command":["sleep","1000"],
                "workingDir":"/tulle-test-work","env":[{"name":"POD","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}},
                {"name":"IP","valueFrom":{"fieldRef":{"fieldPath":"status.podIP"}}},{"name":"BOTH","value":"$(POD)-$(COLOUR)$(K)"},
                {"name":"COLOUR","valueFrom":{"configMapKeyRef":{"name":"settings","key":"colour"}}}],
                "envFrom":[{"prefix":"S_","secretRef":{"name":"keys"}}],
                "volumeMounts":[{"name":"c","mountPath":"/tulle-test-c"},{"name":"s","mountPath":"/tulle-test-s/key","subPath":"key"},
                {"name":"e","mountPath":"/tulle-test-e"}]}]}
                """)
            await bench.board.until { $0.isReady("web") }
            func ask(_ script: String) async throws -> String { try await bench.execute(["sh", "-c", script], "web", "a").text }
            #expect(try await ask("echo $POD $IP $BOTH $COLOUR $S_key") == "web 192.0.2.77 web-$(COLOUR)$(K) blue secret\n")
            #expect(try await ask("echo $DB_SERVICE_HOST $DB_PORT_5432_TCP_PORT") == "192.0.2.9 5432\n")
            #expect(try await ask("cat /tulle-test-c/colour /tulle-test-s/key; pwd") == "bluesecret/tulle-test-work\n")
            #expect(
                try await ask("echo 1 > /tulle-test-e/f && cat /tulle-test-e/f; echo 2 > /tulle-test-file; cat /tulle-test-file")
                    == "1\n2\n")
            #expect(try await ask("grep web /etc/hosts; cat /etc/hostname") == "192.0.2.77\tweb\nweb\n")
            #expect(
                try await ask("cat /etc/resolv.conf")
                    == "search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver 192.0.2.53\noptions ndots:5\n")
            #expect(try await ask("echo x > /tulle-test-c/colour").contains("Read-only"))
            #expect(Files.names(in: "/").allSatisfy { !$0.hasPrefix("tulle-test") })
        }
    }

    // Every file was root's and readable by all, and a `resourceFieldRef` in a volume was left out without a word.
    @Test("files of volumes have the permissions and the group that are asked for, and their readers are in it")
    func permissions() async throws {
        try await KubeletBench.run { bench in
            bench.board.put("ConfigMap", "settings", ["data": ["colour": "blue", "size": "1"]])
            bench.board.put("Secret", "keys", ["data": ["key": "c2VjcmV0"]])
            try bench.tell(
                "web",
                """
                {"securityContext":{"runAsUser":1234,"runAsGroup":99,"fsGroup":4321},
                "volumes":[{"name":"c","configMap":{"name":"settings","items":[{"key":"colour","path":"a/b","mode":493},
                {"key":"size","path":"size"}]}},{"name":"s","secret":{"secretName":"keys","defaultMode":256}},{"name":"e","emptyDir":{}},
                {"name":"d","downwardAPI":{"items":[{"path":"cpu","resourceFieldRef":{"containerName":"a","resource":"limits.cpu"}}]}}],
                "containers":[{"name":"a","image":"busybox","command":["sleep","1000"],"resources":{"limits":{"cpu":"2"}},
                "volumeMounts":[{"name":"c","mountPath":"/tulle-test-c"},{"name":"s","mountPath":"/tulle-test-s"},
                {"name":"e","mountPath":"/tulle-test-e"},{"name":"d","mountPath":"/tulle-test-d"}]}]}
                """)
            await bench.board.until { $0.isReady("web") }
            func ask(_ script: String) async throws -> String { try await bench.execute(["sh", "-c", script], "web", "a").text }
            #expect(try await ask("id -u; id -g; id -G") == "1234\n99\n99 4321\n")
            #expect(try await ask("id=$(grep ^Groups: /proc/1/status); echo $id") == "Groups: 4321\n")
            let shown = try await ask("cd /; stat -L -c '%a %g' tulle-test-c/a/b tulle-test-c/size tulle-test-s/key tulle-test-e")
            #expect(shown == "755 4321\n644 4321\n440 4321\n2777 4321\n")
            #expect(try await ask("cat /tulle-test-s/key /tulle-test-d/cpu") == "secret2")
            #expect(try await ask("touch /tulle-test-e/f; stat -c %g /tulle-test-e/f") == "4321\n")
        }
    }

    @Test("files of volumes become what their objects have become, all at once; one mounted by itself stays")
    func follows() async throws {
        try await KubeletBench.run { bench in
            bench.board.put("ConfigMap", "settings", ["data": ["colour": "blue", "old": "1"]])
            try bench.tell(
                "web",
                """
                {"volumes":[{"name":"c","configMap":{"name":"settings"}},
                {"name":"p","projected":{"sources":[{"configMap":{"name":"settings"}},
                {"downwardAPI":{"items":[{"path":"name","fieldRef":{"fieldPath":"metadata.name"}}]}}]}}],
                "containers":[{"name":"a","image":"busybox","command":["sleep","1000"],"volumeMounts":[
                {"name":"c","mountPath":"/tulle-test-c"},{"name":"p","mountPath":"/tulle-test-p"},
                {"name":"c","mountPath":"/tulle-test-one","subPath":"colour"}]}]}
                """)
            await bench.board.until { $0.isReady("web") }
            func ask(_ script: String) async throws -> String { try await bench.execute(["sh", "-c", script], "web", "a").text }
            #expect(try await ask("cat /tulle-test-c/colour /tulle-test-p/colour /tulle-test-p/name") == "blueblueweb")
            bench.board.put("ConfigMap", "settings", ["data": ["colour": "green", "new": "1"]])
            while try await ask("cat /tulle-test-c/colour") != "green" { await Task.yield() }
            while try await ask("cat /tulle-test-p/colour") != "green" { await Task.yield() }
            #expect(try await ask("ls /tulle-test-c; cat /tulle-test-one") == "colour\nnew\nblue")
        }
    }

    @Test(
        "a container that must not be root is not started as root",
        arguments: [
            (#"{"runAsNonRoot":true}"#, "{}", "container has runAsNonRoot and image will run as root"),
            (#"{"runAsNonRoot":true,"runAsUser":0}"#, "{}", "container's runAsUser breaks non-root policy"),
            ("{}", #"{"runAsNonRoot":true}"#, "container has runAsNonRoot and image will run as root"),
            (#"{"runAsNonRoot":true}"#, #"{"runAsNonRoot":false}"#, nil),
            (#"{"runAsNonRoot":true,"runAsUser":1000}"#, "{}", nil),
        ] as [(String, String, String?)])
    func notRoot(pod: String, container: String, refusal: String?) async throws {
        try await KubeletBench.run { bench in
            try bench.tell(
                "web",
                #"{"securityContext":\#(pod),"containers":[{"name":"a","image":"busybox","command":["sleep","1000"],"securityContext":\#(container)}]}"#
            )
            guard let refusal else { return await bench.board.until { $0.isReady("web") } }
            await bench.board.until {
                let waiting = $0.container("web")?["state"]?["waiting"]
                return waiting?["reason"] == "CreateContainerConfigError"
                    && waiting?["message"]?.string?.hasPrefix(refusal) == true
            }
        }
    }

    @Test("a container that fails without a message leaves the end of its log, where that is asked for")
    func lastWords() async throws {
        try await KubeletBench.run { bench in
            func tell(_ name: String, _ code: Int, _ policy: String) throws {
                try bench.tell(
                    name,
                    #"{"restartPolicy":"Never","containers":[{"name":"a","image":"busybox","terminationMessagePolicy":"\#(policy)","command":["sh","-c","i=0; while [ $i -lt 90 ]; do i=$((i+1)); echo $i; done; exit \#(code)"]}]}"#
                )
            }
            try tell("fails", 1, "FallbackToLogsOnError")
            try tell("succeeds", 0, "FallbackToLogsOnError")
            try tell("file", 1, "File")
            for name in ["fails", "succeeds", "file"] {
                await bench.board.until { $0.container(name)?["state"]?["terminated"] != nil }
                let message = bench.board.news.container(name)?["state"]?["terminated"]?["message"]?.string
                let lines = (11...90).map { "\($0)\n" }.joined()
                #expect(message == (name == "fails" ? lines : nil))
            }
        }
    }

    // A probe that said much was kept in memory, all of it.
    @Test("of what a probe says the beginning is kept, and one that says much is no failure")
    func talkativeProbe() async throws {
        try await KubeletBench.run { bench in
            try bench.tell(
                "web",
                """
                {"containers":[{"name":"a","image":"busybox","command":["sleep","1000"],"readinessProbe":{"periodSeconds":1,
                "timeoutSeconds":60,"exec":{"command":["sh","-c","head -c 3000000 /dev/zero; exit 0"]}}}]}
                """)
            await bench.board.until { $0.isReady("web") }
        }
        let said = try Excerpt()
        let child: Child
        do {
            defer { said.closeWriting() }
            child = try Child(["/bin/sh", "-c", "head -c 3000000 /dev/zero; exit 7"], streams: said.streams)
        }
        #expect(await child.ended() == 7)
        #expect(said.text().utf8.count == Excerpt.limit)
    }

    // Each try left the process that holds the pod's namespaces.
    @Test("a sandbox that cannot be made ready leaves no process, however often it is tried")
    func failingSandbox() async throws {
        try await KubeletBench.run { bench in
            let name = "web\(Int.random(in: 1_000_000...9_999_999))"
            let place = "\(bench.directory)/state/pods/uid-\(name)"
            try Files.makeDirectories(place)
            try Files.write([], to: place + "/etc")
            try bench.tell(name, #"{"containers":[{"name":"a","image":"busybox","command":["sleep","1000"]}]}"#)
            await bench.board.until { $0.events.count { $0.hasSuffix("FailedCreatePodSandBox") } >= 3 }
            #expect(KubeletBench.processes(naming: name).isEmpty)
            unlink(place + "/etc")
            await bench.board.until { $0.isReady(name) }
        }
    }

    @Test("a container that ends is started again, its log and the one before are kept")
    func restarts() async throws {
        try await KubeletBench.run { bench in
            try bench.tell(
                "web",
                #"{"containers":[{"name":"a","image":"busybox","command":["sh","-c","echo out; echo err >&2; printf rest; exit 3"]}]}"#
            )
            await bench.board.until { ($0.container("web")?["restartCount"]?.number?.integer ?? 0) >= 2 }
            let ending = bench.board.news.container("web")?["lastState"]?["terminated"]
            #expect(ending?["exitCode"]?.number?.integer == 3 && ending?["reason"]?.string == "Error")
            let lines = try await bench.log("web", "a", isPrevious: true)
            #expect(lines.sorted() == ["stderr F err", "stdout F out", "stdout F rest"])
        }
    }

    @Test("probes by exec, TCP and HTTP decide whether a pod is ready")
    func probes() async throws {
        try await KubeletBench.run { bench in
            try bench.tell(
                "web",
                """
                {"hostNetwork":true,"containers":[{"name":"a","image":"echo","ports":[{"containerPort":8080}],
                "readinessProbe":{"httpGet":{"path":"/","port":8080},"periodSeconds":1}},
                {"name":"b","image":"echo","ports":[{"containerPort":8081,"name":"tcp"}],
                "readinessProbe":{"tcpSocket":{"port":"tcp"},"periodSeconds":1}},
                {"name":"c","image":"busybox","command":["sleep","1000"],
                "readinessProbe":{"exec":{"command":["test","-e","/ready"]},"periodSeconds":1,"failureThreshold":1}}]}
                """)
            await bench.board.until { $0.container("web", 0)?["ready"] == true && $0.container("web", 1)?["ready"] == true }
            await bench.board.until { $0.events.contains("web Unhealthy") }
            #expect(!bench.board.news.isReady("web"))
            _ = try await bench.execute(["touch", "/ready"], "web", "c")
            await bench.board.until { $0.isReady("web") }
            _ = try await bench.execute(["rm", "/ready"], "web", "c")
            await bench.board.until { !$0.isReady("web") }
        }
    }

    @Test("deletion lets the container end in its own way, takes its address back, and then removes the object")
    func deletes() async throws {
        try await KubeletBench.run { bench in
            let spec =
                #"{"containers":[{"name":"a","image":"busybox","command":["sh","-c","trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.01; done"]}]}"#
            try bench.tell("web", spec)
            await bench.board.until { $0.isReady("web") }
            // Until its trap is set, SIGTERM means nothing to process 1.
            while try await bench.log("web", "a").isEmpty { await Task.yield() }
            try bench.tell("web", spec, deletedWithin: 20)
            await bench.board.until { $0.removed.contains("web") }
            let ending = bench.board.news.container("web")?["state"]?["terminated"]
            #expect(ending?["exitCode"]?.number?.integer == 7)
            #expect(Files.text(of: bench.directory + "/calls")?.contains("DEL eth0") == true)
            #expect(bench.board.news.events.contains("web Killing"))
        }
    }

    @Test("a container that does not end when asked is killed when its grace is over")
    func kills() async throws {
        try await KubeletBench.run { bench in
            let spec = #"{"containers":[{"name":"a","image":"busybox","command":["sleep","1000"]}]}"#
            try bench.tell("web", spec)
            await bench.board.until { $0.isReady("web") }
            let begin = ContinuousClock.now
            try bench.tell("web", spec, deletedWithin: 1)
            await bench.board.until { $0.removed.contains("web") }
            #expect(ContinuousClock.now - begin >= .seconds(1))
            #expect(bench.board.news.container("web")?["state"]?["terminated"]?["exitCode"]?.number?.integer == 137)
        }
    }

    // A pod with a finalizer was begun again by each of its own last words, without an end.
    @Test("a pod that has ended and stays for a finalizer is left alone")
    func lingers() async throws {
        try await KubeletBench.run { bench in
            let spec = #"{"containers":[{"name":"a","image":"busybox","command":["sleep","1000"]}]}"#
            try bench.tell("web", spec)
            await bench.board.until { $0.isReady("web") }
            try bench.tell("web", spec, deletedWithin: 0)
            await bench.board.until { $0.removed.contains("web") }
            for number in 1...3 {
                try bench.tell("web", spec, deletedWithin: 0)
                // What is told is taken in order: when this one runs, the other was looked at long ago.
                try bench.tell("fence\(number)", spec)
                await bench.board.until { $0.isReady("fence\(number)") }
            }
            #expect(bench.board.removals == 1)
        }
    }

    @Test("a command is run as its container's user, and in no container that has ended")
    func users() async throws {
        try await KubeletBench.run { bench in
            try bench.tell(
                "web",
                #"{"securityContext":{"runAsUser":1234,"runAsGroup":99},"containers":[{"name":"a","image":"busybox","command":["sleep","1000"]}]}"#
            )
            await bench.board.until { $0.isReady("web") }
            #expect(try await bench.execute(["sh", "-c", "id -u; id -g"], "web", "a").text == "1234\n99\n")
            try bench.tell(
                "job", #"{"restartPolicy":"Never","containers":[{"name":"a","image":"busybox","command":["true"]}]}"#)
            await bench.board.until { $0.statuses["job"]?["phase"] == "Succeeded" }
            await #expect(throws: LabError.self) { try await bench.execute(["id"], "job", "a") }
        }
    }

    @Test("a command that is not there, and a volume that is not, are told with the container's name")
    func refuses() async throws {
        try await KubeletBench.run { bench in
            try bench.tell("web", #"{"restartPolicy":"Never","containers":[{"name":"a","image":"x","command":["/no/such"]}]}"#)
            await bench.board.until { $0.statuses["web"]?["phase"] == "Failed" }
            let ending = bench.board.news.container("web")?["state"]?["terminated"]
            #expect(ending?["reason"]?.string == "StartError" && ending?["message"]?.string?.contains("/no/such") == true)
            try bench.tell(
                "vol", #"{"volumes":[{"name":"c","configMap":{"name":"none"}}],"containers":[{"name":"a","image":"echo"}]}"#)
            await bench.board.until { $0.events.contains("vol FailedMount") }
            bench.board.put("ConfigMap", "none", ["data": [:]])
            await bench.board.until { $0.isReady("vol") }
        }
    }

    @Test("kill -9 of the process that a pod's processes descend from leaves none of them, and no mount of a container")
    func killed() async throws {
        var template = Array("/tmp/tulle-kubelet-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        let directory = String(decoding: template.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        defer { Files.remove(directory) }
        try Files.makeDirectories(directory + "/root")
        // The shell is the kubelet here: it starts a sandbox and a container in it, and becomes the sleeper that is killed. Every
        // process of them has descriptor 3 or 1 of ours: the pipe ends when the last of them has.
        let launcher = try KubeletBench.program("tulle-pod")
        let script = """
            mkfifo \(directory)/fifo
            \(launcher) pause --new net,uts,ipc,pid > \(directory)/fifo &
            read holder < \(directory)/fifo
            \(launcher) container --join $holder --root \(directory)/root -- sh -c 'echo up; sleep 1000 & exec sleep 1000' > \(directory)/fifo &
            read line < \(directory)/fifo
            echo $line > \(directory)/line
            exec 3>&-
            exec sleep 1000
            """
        let null = open("/dev/null", O_RDWR | O_CLOEXEC)
        let lasting = try Child(
            ["/bin/sh", "-c", script], environment: [("PATH", "/usr/bin:/bin")],
            streams: Child.Streams(input: null, output: null, error: null), reports: true)
        close(null)
        while Files.text(of: directory + "/line") != "up\n" { await Task.yield() }
        #expect(!KubeletBench.processes(naming: directory).isEmpty)
        lasting.signal(SIGKILL)
        #expect(await lasting.ended() == 137)
        // Descriptor 3 was inherited by all that the shell started before it closed its own.
        _ = await lasting.reported()
        #expect(KubeletBench.processes(naming: directory).isEmpty)
        #expect(try !#require(Files.text(of: "/proc/self/mountinfo")).contains(directory))
    }
}
