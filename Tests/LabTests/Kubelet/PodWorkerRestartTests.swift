import KubeAPI
import Testing

@testable import Lab

// What a kubelet that starts anew makes of the pods that it finds.
extension PodWorkerTests {
    @Test("a kubelet that starts anew counts on, and lets rest what is over")
    func recalls() throws {
        let ran = #"{"phase":"Running","containerStatuses":[{"name":"a","restartCount":2,"state":{"running":{}}}]}"#
        var script = try WorkerScript(#"{"containers":[{"name":"a","image":"x"}]}"#, status: ran)
        try script.run()
        script.started("a")
        #expect(script.restarts == 3)
        var over = try WorkerScript(#"{"containers":[{"name":"a","image":"x"}]}"#, status: #"{"phase":"Succeeded"}"#)
        #expect(over.tell(.timer).isEmpty)
        // It was shown Pending and then Failed on its way out.
        over.delete(grace: 30)
        #expect(over.words == ["remove"] && over.orders.count == 1)
        over.tell(.sandboxRemoved)
        #expect(over.words == ["remove object", "forget"] && over.orders.count == 2)
    }

    // After a restart of the lab's supervisor a Job's pod did its work a second time.
    @Test(
        "a kubelet that starts anew runs nothing again that the pod's policy lets rest",
        arguments: [
            ("Never", #"{"running":{}}"#, nil, "Failed", 137, "ContainerStatusUnknown"),
            ("Never", #"{"terminated":{"exitCode":0,"reason":"Completed"}}"#, nil, "Succeeded", 0, "Completed"),
            ("Never", #"{"terminated":{"exitCode":3,"reason":"Error"}}"#, nil, "Failed", 3, "Error"),
            ("OnFailure", #"{"terminated":{"exitCode":0,"reason":"Completed"}}"#, nil, "Succeeded", 0, "Completed"),
            ("OnFailure", #"{"terminated":{"exitCode":3,"reason":"Error"}}"#, 3, "Running", 3, "Error"),
            ("OnFailure", #"{"running":{}}"#, 3, "Running", 137, "ContainerStatusUnknown"),
            ("Always", #"{"terminated":{"exitCode":0,"reason":"Completed"}}"#, 3, "Running", 0, "Completed"),
            // It has never run.
            ("Never", #"{"waiting":{"reason":"ContainerCreating"}}"#, 2, "Running", nil, nil),
        ] as [(String, String, Int64?, String, Int64?, String?)])
    func rests(
        policy: String, state: String, restarts: Int64?, phase: String, code: Int64?, reason: String?
    ) throws {
        let status =
            #"{"phase":"Running","podIPs":[{"ip":"192.0.2.77"}],"containerStatuses":[{"name":"a","restartCount":2,"containerID":"tulle://u1-a-2","state":\#(state)}]}"#
        var script = try WorkerScript(#"{"restartPolicy":"\#(policy)","containers":[{"name":"a","image":"x"}]}"#, status: status)
        if let restarts {
            try script.run()
            #expect(script.words == ["start a 1"])
            script.started("a")
            #expect(script.restarts == restarts)
        } else {
            script.tell(.timer)
            #expect(script.words.isEmpty && script.status["podIP"] == "192.0.2.77")
        }
        #expect(script.phase == phase)
        let ending = script.container()?[restarts == nil ? "state" : "lastState"]?["terminated"]
        #expect(ending?["exitCode"]?.number?.integer == code && ending?["reason"]?.string == reason)
        #expect(ending == nil || ending?["containerID"] == "tulle://u1-a-2")
        if restarts == nil {
            script.delete(grace: 30)
            #expect(script.words == ["remove"])
        }
    }

    @Test("a kubelet that starts anew leaves alone the container that is done, and does an init container's work again")
    func restsInPart() throws {
        let status = #"""
            {"phase":"Running","initContainerStatuses":[{"name":"i","state":{"terminated":{"exitCode":0}}}],"containerStatuses":[
            {"name":"a","state":{"terminated":{"exitCode":0,"reason":"Completed"}}},{"name":"b","state":{"running":{}}}]}
            """#
        let spec =
            #""initContainers":[{"name":"i","image":"x"}],"containers":[{"name":"a","image":"x"},{"name":"b","image":"x"}]}"#
        var script = try WorkerScript(#"{"restartPolicy":"OnFailure",\#(spec)"#, status: status)
        try script.run()
        #expect(script.words == ["start i 1"])
        script.started("i")
        script.exited("i", 0)
        #expect(script.words == ["start b 1"])
        var never = try WorkerScript(#"{"restartPolicy":"Never",\#(spec)"#, status: status)
        never.tell(.timer)
        #expect(never.words.isEmpty && never.phase == "Failed")
    }

    // The field was stored, and the pod ran on.
    @Test("a pod that is active for longer than it may be is ended and has failed, also over a kubelet's restart")
    func deadline() throws {
        let spec = #"{"activeDeadlineSeconds":60,"terminationGracePeriodSeconds":5,"containers":[{"name":"a","image":"x"}]}"#
        var script = try WorkerScript(spec)
        try script.run()
        script.started("a", after: .seconds(20))
        let status = script.status
        #expect(script.worker.nextDeadline == script.now + .seconds(40))
        script.tell(.timer, after: .seconds(40))
        #expect(script.words == ["TERM a"] && script.reasons.contains("DeadlineExceeded") && script.phase == "Running")
        script.exited("a", 143)
        #expect(script.words == ["DEL"] && script.phase == "Failed" && script.status["reason"] == "DeadlineExceeded")
        script.tell(.detached)
        script.tell(.sandboxRemoved)
        #expect(script.phase == "Failed" && script.status["reason"] == "DeadlineExceeded" && script.worker.nextDeadline == nil)

        var again = try WorkerScript(spec, status: status.description)
        again.tell(.timer, after: .seconds(59))
        #expect(again.words == ["volumes"])
        again.tell(.timer, after: .seconds(1))
        again.tell(.volumesReady)
        again.tell(.sandboxRemoved)
        #expect(again.phase == "Failed" && again.status["reason"] == "DeadlineExceeded")
    }
}
