import Addressing
import KubeAPI
import Testing

@testable import Lab

/// One pod and the time, told what happens.
struct WorkerScript {
    var worker: PodWorker
    var now: Moment
    var orders: [PodWorker.Order] = []
    var status: JSONValue = [:]
    var tree: JSONValue

    init(_ spec: String, status: String = "{}", annotations: String = "{}") throws {
        tree = try JSONReader().value(
            #"{"metadata":{"name":"web","namespace":"shop","uid":"u1","annotations":\#(annotations)},"spec":\#(spec),"status":\#(status)}"#
        )
        now = Moment(.seconds(1_000_000))
        let node = try #require(IPAddress("192.0.2.1"))
        worker = PodWorker(PodManifest(tree), settings: .init(node: "n1", nodeAddresses: [node]), at: now)
    }

    /// What comes of an event, `after` so long.
    @discardableResult
    mutating func tell(_ event: PodWorker.Event, after wait: Duration = .zero) -> [PodWorker.Order] {
        now = now + wait
        orders = worker.handle(event, at: now)
        for case .write(let status) in orders { self.status = status }
        return orders
    }

    mutating func run() throws {
        tell(.timer)
        tell(.volumesReady)
        tell(.sandboxReady)
        tell(.attached([try #require(IPAddress("192.0.2.77"))]))
    }

    mutating func started(_ name: String, _ run: Int = 1, after wait: Duration = .zero) {
        tell(.started(container: name, run: run, id: "\(name)-\(run)", image: "i", note: nil), after: wait)
    }

    mutating func exited(_ name: String, _ code: Int32, run: Int = 1, after wait: Duration = .zero) {
        tell(.exited(container: name, run: run, code: code, message: ""), after: wait)
    }

    /// Orders without statuses and events, as words.
    var words: [String] {
        orders.compactMap {
            switch $0 {
            case .prepareVolumes: "volumes"
            case .makeSandbox: "sandbox"
            case .attach: "ADD"
            case .detach: "DEL"
            case .removeSandbox: "remove"
            case .start(let container, let run, _): "start \(container.name) \(run)"
            case .terminate(let name, _): "TERM \(name)"
            case .kill(let name, _): "KILL \(name)"
            case .probe(let name, _, let kind, _, _): "\(kind.rawValue) \(name)"
            case .hook(let name, _, let hook, _, _, _): "\(hook.rawValue) \(name)"
            case .removeObject: "remove object"
            case .forget: "forget"
            case .write, .record: nil
            }
        }
    }

    var reasons: [String] { orders.compactMap { if case .record(let event) = $0 { event.reason } else { nil } } }
    var phase: String? { status["phase"]?.string }
    func condition(_ type: String) -> String? {
        status["conditions"]?.array?.first { $0["type"]?.string == type }?["status"]?.string
    }
    func container(_ index: Int = 0) -> JSONValue? { status["containerStatuses"]?.array?[index] }
    var waiting: String? { container()?["state"]?["waiting"]?["reason"]?.string }
    var restarts: Int64? { container()?["restartCount"]?.number?.integer }

    /// The watch tells of the pod with this status.
    mutating func hear(_ status: JSONValue, after wait: Duration = .zero) {
        tree[field: "status"] = status
        tell(.changed(PodManifest(tree)), after: wait)
    }

    mutating func delete(grace: Int, after wait: Duration = .zero) {
        guard case .object(var object) = tree, case .object(var metadata)? = object["metadata"] else { return }
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        metadata["deletionGracePeriodSeconds"] = .number(JSONNumber(Int64(grace)))
        object["metadata"] = .object(metadata)
        tell(.changed(PodManifest(.object(object))), after: wait)
    }
}

@Suite("a pod's worker")
struct PodWorkerTests {
    // After a restart of a lab a pod stayed unready for ever: the node's controller had said so after the kubelet said it is Ready.
    // They were passed over without a word.
    @Test("a limit of bandwidth that nobody can read is told, and the pod runs without")
    func bandwidth() throws {
        let annotations = #"{"kubernetes.io/ingress-bandwidth":"fast","kubernetes.io/egress-bandwidth":"10M"}"#
        var script = try WorkerScript(#"{"containers":[{"name":"a","image":"i"}]}"#, annotations: annotations)
        try script.run()
        let told = script.orders.compactMap { order in if case .record(let event) = order, event.isWarning { event } else { nil }
        }
        #expect(told.map(\.reason) == ["BandwidthIgnored"])
        #expect(
            told.first?.message
                == "the annotation kubernetes.io/ingress-bandwidth is “fast”, which is no rate, and ingress has no limit; "
                + "make the pod anew with bits a second from 1k to 1P, such as 10M")
        #expect(script.words == ["start a 1"])
    }

    @Test("volumes, the sandbox, ADD and the containers come in this order, and the status tells of each")
    func begins() throws {
        var script = try WorkerScript(#"{"containers":[{"name":"a","image":"echo"},{"name":"b","image":"echo"}]}"#)
        script.tell(.timer)
        #expect(script.words == ["volumes"])
        #expect(script.phase == "Pending" && script.waiting == "ContainerCreating")
        script.tell(.volumesReady)
        #expect(script.words == ["sandbox"])
        script.tell(.sandboxReady)
        #expect(script.words == ["ADD"])
        #expect(script.condition("PodReadyToStartContainers") == "False")
        script.tell(.attached([try #require(IPAddress("192.0.2.77"))]))
        #expect(script.words == ["start a 1", "start b 1"])
        #expect(script.condition("PodReadyToStartContainers") == "True" && script.condition("Initialized") == "True")
        #expect(script.status["podIP"]?.string == "192.0.2.77" && script.status["hostIP"]?.string == "192.0.2.1")
        script.started("a")
        #expect(script.reasons == ["Pulled", "Created", "Started"])
        #expect(script.phase == "Pending" && script.condition("Ready") == "False")
        script.started("b")
        #expect(script.phase == "Running" && script.condition("Ready") == "True")
        #expect(script.condition("ContainersReady") == "True" && script.status["qosClass"]?.string == "BestEffort")
    }

    // CNI forbids an ADD after an ADD, and what came of one that died or was late is not known.
    @Test("a failed ADD is told, taken back, and tried again in a new sandbox, later each time")
    func retries() throws {
        var script = try WorkerScript(#"{"containers":[{"name":"a","image":"echo"}]}"#)
        script.tell(.timer)
        script.tell(.volumesReady)
        script.tell(.sandboxReady)
        for wait in [1, 2, 4] {
            script.tell(.attachFailed("no address left"))
            #expect(script.words == ["DEL"] && script.reasons == ["FailedCreatePodSandBox"] && script.phase == "Pending")
            script.tell(.detached)
            #expect(script.words == ["remove"])
            script.tell(.sandboxRemoved)
            #expect(script.words.isEmpty)
            #expect(script.worker.nextDeadline == script.now + .seconds(wait))
            script.tell(.timer, after: .seconds(wait))
            #expect(script.words == ["sandbox"])
            script.tell(.sandboxReady)
            #expect(script.words == ["ADD"])
        }
        script.tell(.attached([]))
        #expect(script.words == ["start a 1"])
    }

    @Test("a container that crashes is started at once, then after 10 s, doubling, at most 5 minutes")
    func crashes() throws {
        var script = try WorkerScript(#"{"containers":[{"name":"a","image":"x","command":["false"]}]}"#)
        try script.run()
        script.started("a")
        script.exited("a", 1)
        #expect(script.words == ["start a 2"])
        for (index, wait) in [10, 20, 40, 80, 160, 300, 300].enumerated() {
            let run = index + 2
            script.started("a", run)
            #expect(script.restarts == Int64(run - 1))
            script.exited("a", 3, run: run)
            #expect(script.words.isEmpty && script.waiting == "CrashLoopBackOff" && script.reasons == ["BackOff"])
            #expect(script.container()?["lastState"]?["terminated"]?["exitCode"]?.number?.integer == 3)
            #expect(script.worker.nextDeadline == script.now + .seconds(wait))
            script.tell(.timer, after: .seconds(wait) - .milliseconds(1))
            #expect(script.words.isEmpty)
            script.tell(.timer, after: .milliseconds(1))
            #expect(script.words == ["start a \(run + 1)"])
        }
        #expect(script.phase == "Running")
    }

    @Test(
        "whether an ended container comes back, and what becomes of the pod, is the policy's",
        arguments: [
            ("Always", 0, true, "Running"), ("Always", 1, true, "Running"), ("OnFailure", 0, false, "Succeeded"),
            ("OnFailure", 1, true, "Running"), ("Never", 0, false, "Succeeded"), ("Never", 1, false, "Failed"),
        ] as [(String, Int32, Bool, String)])
    func policy(_ policy: String, _ code: Int32, _ returns: Bool, _ phase: String) throws {
        var script = try WorkerScript(#"{"restartPolicy":"\#(policy)","containers":[{"name":"a","image":"x"}]}"#)
        try script.run()
        script.started("a")
        script.exited("a", code)
        #expect(script.words == (returns ? ["start a 2"] : ["DEL"]))
        #expect(script.phase == phase)
        if !returns {
            script.tell(.detached)
            #expect(script.words == ["remove"])
            script.tell(.sandboxRemoved)
            #expect(script.words.isEmpty && script.phase == phase)
            let ending = script.container()?["state"]?["terminated"]
            #expect(ending?["reason"]?.string == (code == 0 ? "Completed" : "Error"))
            script.delete(grace: 30)
            #expect(script.words == ["remove"])
            script.tell(.sandboxRemoved)
            #expect(script.words == ["remove object", "forget"])
        }
    }

    @Test("init containers run one after the other, and one that fails is tried again before the next")
    func initialises() throws {
        var script = try WorkerScript(
            #"{"initContainers":[{"name":"i","image":"x"},{"name":"j","image":"x"}],"containers":[{"name":"a","image":"x"}]}"#)
        try script.run()
        #expect(script.words == ["start i 1"])
        #expect(script.waiting == "PodInitializing" && script.condition("Initialized") == "False")
        script.started("i")
        script.exited("i", 1)
        #expect(script.words == ["start i 2"])
        script.started("i", 2)
        script.exited("i", 0, run: 2)
        #expect(script.words == ["start j 1"])
        script.started("j")
        script.exited("j", 0)
        #expect(script.words == ["start a 1"])
        #expect(script.condition("Initialized") == "True")
    }

    @Test("a sidecar starts before the others, does not hold them up, and ends after them")
    func sidecars() throws {
        var script = try WorkerScript(
            #"{"initContainers":[{"name":"s","image":"x","restartPolicy":"Always"}],"containers":[{"name":"a","image":"x"}]}"#)
        try script.run()
        #expect(script.words == ["start s 1"])
        script.started("s")
        #expect(script.words == ["start a 1"])
        script.started("a")
        script.delete(grace: 30)
        #expect(script.words == ["TERM a"])
        script.exited("a", 143)
        #expect(script.words == ["TERM s"])
        script.exited("s", 143)
        #expect(script.words == ["DEL"])
    }

    @Test("deletion: hook, SIGTERM, SIGKILL when the grace is over, DEL, the sandbox, and only then the object")
    func ends() throws {
        var script = try WorkerScript(
            #"{"containers":[{"name":"a","image":"x","lifecycle":{"preStop":{"exec":{"command":["true"]}}}},{"name":"b","image":"x"}]}"#
        )
        try script.run()
        script.started("a")
        script.started("b")
        script.delete(grace: 30)
        #expect(script.words == ["PreStop a", "TERM b"] && script.reasons == ["Killing", "Killing"])
        script.tell(.hookEnded(container: "a", run: 1, .preStop, failure: nil), after: .seconds(5))
        #expect(script.words == ["TERM a"])
        script.exited("b", 0)
        #expect(script.words.isEmpty && script.condition("Ready") == "False")
        #expect(script.worker.nextDeadline == script.now + .seconds(25))
        script.tell(.timer, after: .seconds(25))
        #expect(script.words == ["KILL a"])
        script.exited("a", 137)
        #expect(script.words == ["DEL"])
        script.tell(.detached)
        script.tell(.sandboxRemoved)
        #expect(script.words == ["remove object", "forget"])
        #expect(script.phase == "Failed" && script.container(0)?["state"]?["terminated"]?["exitCode"]?.number?.integer == 137)
    }

    @Test("a second deletion without grace hurries the first")
    func hurries() throws {
        var script = try WorkerScript(#"{"containers":[{"name":"a","image":"x"}]}"#)
        try script.run()
        script.started("a")
        script.delete(grace: 30)
        #expect(script.words == ["TERM a"])
        script.delete(grace: 0, after: .seconds(1))
        #expect(script.words == ["KILL a"])
    }

    @Test("a container that starts while its pod is being deleted ends too")
    func startsTooLate() throws {
        var script = try WorkerScript(#"{"containers":[{"name":"a","image":"x"}]}"#)
        try script.run()
        script.delete(grace: 30)
        #expect(script.words.isEmpty)
        script.started("a")
        #expect(script.words == ["TERM a"])
    }

    // Pods stayed Terminating for ever when they were deleted while their volumes were prepared.
    @Test(
        "a pod deleted while an order is out waits for its answer, then everything is taken back, and the object goes",
        arguments: ["volumes", "no volumes", "sandbox", "no sandbox", "ADD", "no ADD", "start", "no start", "DEL", "remove"])
    func deletedWhileBusy(_ stage: String) throws {
        var script = try WorkerScript(#"{"restartPolicy":"Never","containers":[{"name":"a","image":"x"}]}"#)
        let address = try #require(IPAddress("192.0.2.77"))
        let way: [(order: String, answer: PodWorker.Event, failure: PodWorker.Event?)] = [
            ("volumes", .volumesReady, .volumesFailed("")), ("sandbox", .sandboxReady, .sandboxFailed("")),
            ("ADD", .attached([address]), .attachFailed("")),
            (
                "start", .started(container: "a", run: 1, id: "", image: "", note: nil),
                .startFailed(container: "a", run: 1, reason: "CreateContainerError", message: "")
            ),
            ("end", .exited(container: "a", run: 1, code: 0, message: ""), nil), ("DEL", .detached, nil),
            ("remove", .sandboxRemoved, nil),
        ]
        script.tell(.timer)
        for step in way {
            guard stage.hasSuffix(step.order) else {
                script.tell(step.answer)
                continue
            }
            script.delete(grace: 30)
            #expect(script.words.isEmpty)
            script.tell(stage.hasPrefix("no ") ? try #require(step.failure) : step.answer)
            break
        }
        // What is asked for from here on is answered at once.
        var words = script.words
        while let word = script.words.first, word != "remove object" {
            switch word {
            case "TERM a": script.exited("a", 0)
            case "DEL": script.tell(.detached)
            case "remove": script.tell(.sandboxRemoved)
            default: Issue.record("\(word) is ordered for a pod that is to go")
            }
            words += script.words
        }
        #expect(words.suffix(2) == ["remove object", "forget"], "\(words)")
        let wasAttached = ["ADD", "no ADD", "start", "no start"].contains(stage)
        #expect(words.contains("DEL") == wasAttached, "\(words)")
    }

    // After every blip of a node its pods stayed NotReady: the kubelet compared with what it had said, not with what was there.
    @Test("a status that somebody else wrote over is written again, once; the echo of our own is not")
    func contradicted() throws {
        var script = try WorkerScript(#"{"containers":[{"name":"a","image":"x"}]}"#)
        try script.run()
        let starting = script.status
        script.started("a")
        let ready = script.status
        // Late echoes of what was said before, and of what is said now.
        for status in [starting, ready, ready] {
            script.hear(status)
            #expect(script.orders.isEmpty)
        }
        var conditions = ConditionList(ready)
        conditions.set("Ready", "False", reason: "NodeLost", message: "", at: script.now + .seconds(60))
        var lost = ready
        lost[field: "conditions"] = .array(conditions.entries)
        script.hear(lost, after: .seconds(90))
        #expect(script.condition("Ready") == "True")
        let since = script.status["conditions"]?.array?.first { $0["type"] == "Ready" }?["lastTransitionTime"]?.string
        #expect(since == script.now.description)
        let again = script.status
        for status in [again, again] {
            script.hear(status)
            #expect(script.orders.isEmpty)
        }
        // Conditions of others are theirs.
        conditions = ConditionList(again)
        conditions.set("example.org/gate", "False", reason: "", message: "", at: script.now)
        var gated = again
        gated[field: "conditions"] = .array(conditions.entries)
        script.hear(gated)
        script.hear(gated)
        #expect(script.orders.isEmpty)
    }

    @Test("readiness follows its probe, by its thresholds")
    func readiness() throws {
        var script = try WorkerScript(
            """
            {"containers":[{"name":"a","image":"x","readinessProbe":{"tcpSocket":{"port":80},"initialDelaySeconds":3,
            "periodSeconds":5,"failureThreshold":2}}]}
            """)
        try script.run()
        script.started("a")
        #expect(script.words.isEmpty && script.condition("Ready") == "False")
        #expect(script.worker.nextDeadline == script.now + .seconds(3))
        script.tell(.timer, after: .seconds(3))
        #expect(script.words == ["Readiness a"])
        script.tell(.probed(container: "a", run: 1, .readiness, failure: nil))
        #expect(script.condition("Ready") == "True")
        script.tell(.timer, after: .seconds(5))
        script.tell(.probed(container: "a", run: 1, .readiness, failure: "refused"))
        #expect(script.condition("Ready") == "True" && script.reasons == ["Unhealthy"])
        script.tell(.timer, after: .seconds(5))
        script.tell(.probed(container: "a", run: 1, .readiness, failure: "refused"))
        #expect(script.condition("Ready") == "False" && script.phase == "Running")
    }

    @Test("a startup probe holds back the others; liveness that fails ends the container, which comes back")
    func liveness() throws {
        var script = try WorkerScript(
            """
            {"containers":[{"name":"a","image":"x","startupProbe":{"exec":{"command":["true"]}},
            "livenessProbe":{"httpGet":{"port":80},"failureThreshold":1}}]}
            """)
        try script.run()
        script.started("a")
        #expect(script.words == ["Startup a"])
        script.tell(.probed(container: "a", run: 1, .startup, failure: nil))
        #expect(script.words == ["Liveness a"] && script.container()?["started"]?.bool == true)
        script.tell(.probed(container: "a", run: 1, .liveness, failure: "statuscode: 500"))
        #expect(script.words == ["TERM a"] && script.reasons == ["Unhealthy", "Killing"])
        script.tell(.timer, after: .seconds(30))
        #expect(script.words == ["KILL a"])
        script.exited("a", 137)
        #expect(script.words == ["start a 2"])
    }

    @Test("news of an earlier run changes nothing")
    func stale() throws {
        var script = try WorkerScript(#"{"containers":[{"name":"a","image":"x"}]}"#)
        try script.run()
        script.started("a")
        script.exited("a", 1)
        script.started("a", 2)
        script.exited("a", 1, run: 1)
        #expect(script.words.isEmpty && script.container()?["state"]?["running"] != nil)
    }

    @Test("a sandbox that dies is made again, with DEL between, and its containers with it")
    func sandboxDies() throws {
        var script = try WorkerScript(#"{"containers":[{"name":"a","image":"x"}]}"#)
        try script.run()
        script.started("a")
        script.tell(.sandboxEnded)
        #expect(script.reasons.contains("SandboxChanged"))
        script.exited("a", 137)
        #expect(script.words == ["DEL"])
        script.tell(.detached)
        script.tell(.sandboxRemoved)
        #expect(script.words == ["sandbox"])
        script.tell(.sandboxReady)
        script.tell(.attached([]))
        #expect(script.words == ["start a 2"])
    }

    @Test("a pod of the host's network has its node's addresses and no ADD")
    func hostNetwork() throws {
        var script = try WorkerScript(#"{"hostNetwork":true,"containers":[{"name":"a","image":"x"}]}"#)
        script.tell(.timer)
        script.tell(.volumesReady)
        script.tell(.sandboxReady)
        #expect(script.words == ["start a 1"] && script.status["podIP"]?.string == "192.0.2.1")
        script.started("a")
        script.delete(grace: 0)
        script.exited("a", 137)
        #expect(script.words == ["remove"])
    }

    @Test("a sidecar that crashes holds up the others only until they have begun")
    func sidecarCrashes() throws {
        var script = try WorkerScript(
            #"{"restartPolicy":"OnFailure","initContainers":[{"name":"s","image":"x","restartPolicy":"Always"}],"containers":[{"name":"a","image":"x"}]}"#
        )
        try script.run()
        script.started("s")
        script.started("a")
        script.exited("s", 1)
        #expect(script.words == ["start s 2"])
        script.started("s", 2)
        script.exited("s", 1, run: 2)
        #expect(script.words.isEmpty)
        // The sidecar waits for its next start; the container does not.
        script.exited("a", 1)
        #expect(script.words == ["start a 2"])
        script.started("a", 2)
        script.exited("a", 0, run: 2)
        #expect(script.words == ["DEL"] && script.phase == "Succeeded")
    }

    @Test("init containers run once more in a new sandbox, which has nothing of what they did in the old one")
    func initialisesAgain() throws {
        var script = try WorkerScript(
            #"{"initContainers":[{"name":"i","image":"x"}],"containers":[{"name":"a","image":"x"}]}"#)
        try script.run()
        script.started("i")
        script.exited("i", 0)
        script.started("a")
        script.tell(.sandboxEnded)
        script.exited("a", 137)
        script.tell(.detached)
        script.tell(.sandboxRemoved)
        script.tell(.sandboxReady)
        script.tell(.attached([]))
        #expect(script.words == ["start i 2"] && script.condition("Initialized") == "False")
        script.started("i", 2)
        script.exited("i", 0, run: 2)
        #expect(script.words == ["start a 2"])
    }

    @Test("a start that came to nothing for want of a ConfigMap is a try and no restart")
    func tries() throws {
        var script = try WorkerScript(#"{"containers":[{"name":"a","image":"x"}]}"#)
        try script.run()
        script.started("a")
        script.exited("a", 1)
        #expect(script.words == ["start a 2"] && script.restarts == 1)
        for run in 2...4 {
            script.tell(.startFailed(container: "a", run: run, reason: "CreateContainerConfigError", message: "no map"))
            #expect(script.waiting == "CreateContainerConfigError")
            script.tell(.timer, after: .seconds(5))
            #expect(script.words == ["start a \(run + 1)"] && script.restarts == 1)
        }
    }

    @Test("a probe by HTTPS is said to do no more than connect")
    func secureProbe() throws {
        var script = try WorkerScript(
            #"{"containers":[{"name":"a","image":"x","livenessProbe":{"httpGet":{"port":443,"scheme":"HTTPS"}}}]}"#)
        try script.run()
        script.started("a")
        #expect(script.reasons.contains("ProbeConnectsOnly"))
    }

    @Test("a pod that is gone without a deletion ends, and nobody is told")
    func gone() throws {
        var script = try WorkerScript(#"{"containers":[{"name":"a","image":"x"}]}"#)
        try script.run()
        script.started("a")
        script.tell(.gone)
        #expect(script.words == ["TERM a"])
        script.exited("a", 143)
        script.tell(.detached)
        script.tell(.sandboxRemoved)
        #expect(script.words == ["forget"])
    }
}
