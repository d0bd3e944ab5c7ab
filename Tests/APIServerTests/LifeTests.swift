import KubeAPI
import NIOHTTP1
import Testing

@testable import APIServer

private let pods = "/api/v1/namespaces/default/pods"

private func podBody(_ name: String, metadata: String = "", node: String = "", grace: Int = 30) -> String {
    let bound = node.isEmpty ? "" : #","nodeName":"\#(node)""#
    return #"{"metadata":{"name":"\#(name)"\#(metadata)},"spec":{"containers":[{"name":"c","image":"i"}]"#
        + #","terminationGracePeriodSeconds":\#(grace)\#(bound)}}"#
}

private let deployments = "/apis/apps/v1/namespaces/default/deployments"

private func deployment(_ name: String, replicas: Int = 1, extra: String = "") -> String {
    #"{"metadata":{"name":"\#(name)"},"spec":{"replicas":\#(replicas),"selector":{"matchLabels":{"app":"x"}},"#
        + #""template":{"metadata":{"labels":{"app":"x"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}\#(extra)}"#
}

@Suite("an object's life", .timeLimit(.minutes(5)))
struct LifeTests {
    @Test("a name is generated behind its prefix, and two are different")
    func generateName() async throws {
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                let body = #"{"metadata":{"generateName":"web-"}}"#
                let first = try await client.ask(.POST, maps, body)["metadata", "name"]
                let second = try await client.ask(.POST, maps, body)["metadata", "name"]
                #expect(first?.hasPrefix("web-") == true && first?.count == 9 && first != second)
            }
        }
    }

    @Test("what the server writes, a client cannot: uid, creation, managed fields, generation, status")
    func ownFields() async throws {
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                let forged = #","uid":"mine","creationTimestamp":"1999-01-01T00:00:00Z","generation":7,"managedFields":[{}]"#
                let made = try await client.ask(.POST, pods, podBody("a", metadata: forged))
                #expect(made.status == 201, "\(made.body)")
                #expect(made["metadata", "uid"]?.count == 36 && made["metadata", "creationTimestamp"] != "1999-01-01T00:00:00Z")
                #expect(made["metadata", "generation"] == "1" && made["metadata", "managedFields"] == nil)
                let bad = deployment("d", extra: #","status":{"replicas":5}"#)
                #expect(try await client.ask(.POST, deployments, bad)["status", "replicas"] == nil)
            }
        }
    }

    @Test("spec and status are written apart, and the generation counts changes of the spec only")
    func subresources() async throws {
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                _ = try await client.ask(.POST, deployments, deployment("d"))
                let path = "\(deployments)/d"
                let status = deployment("d", replicas: 9, extra: #","status":{"readyReplicas":1}"#)
                var answer = try await client.ask(.PUT, "\(path)/status", status)
                #expect(answer["spec", "replicas"] == "1" && answer["status", "readyReplicas"] == "1", "\(answer.body)")
                #expect(answer["metadata", "generation"] == "1")
                answer = try await client.ask(.PUT, path, deployment("d", replicas: 3))
                #expect(answer["spec", "replicas"] == "3" && answer["status", "readyReplicas"] == "1")
                #expect(answer["metadata", "generation"] == "2")
                let version = answer["metadata", "resourceVersion"]
                answer = try await client.ask(.PUT, path, deployment("d", replicas: 3))
                // The same again is no change.
                #expect(answer["metadata", "resourceVersion"] == version)
                answer = try await client.ask(
                    .PATCH, path, #"{"metadata":{"labels":{"a":"b"}}}"#,
                    headers: [("Content-Type", "application/merge-patch+json")])
                #expect(answer["metadata", "labels", "a"] == "b" && answer["metadata", "generation"] == "2")
            }
        }
    }

    @Test("the scale is a small object that changes the large one")
    func scale() async throws {
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                _ = try await client.ask(.POST, deployments, deployment("d"))
                let path = "\(deployments)/d/scale"
                var scale = try await client.ask(.GET, path)
                #expect(scale["kind"] == "Scale" && scale["spec", "replicas"] == "1" && scale["status", "selector"] == "app=x")
                let version = try #require(scale["metadata", "resourceVersion"])
                let body = #"{"metadata":{"name":"d","resourceVersion":"\#(version)"},"spec":{"replicas":4}}"#
                scale = try await client.ask(.PUT, path, body)
                #expect(scale.status == 200 && scale["spec", "replicas"] == "4")
                #expect(try await client.ask(.GET, "\(deployments)/d")["spec", "replicas"] == "4")
                #expect(try await client.ask(.PUT, path, body).status == 409)
                let patch = [("Content-Type", "application/merge-patch+json")]
                #expect(
                    try await client.ask(.PATCH, path, #"{"spec":{"replicas":2}}"#, headers: patch)["spec", "replicas"] == "2")
                #expect(try await client.ask(.PATCH, path, #"{"spec":{"replicas":-1}}"#, headers: patch).status == 422)
                #expect(try await client.ask(.GET, "\(pods)/d/scale").status == 404)
            }
        }
    }

    @Test("dry runs answer as if and change nothing")
    func dryRun() async throws {
        try await withServer { port, store in
            try await Client.with(port: port) { client in
                _ = try await client.ask(.POST, maps, map("a"))
                let revision = try await store.revision()
                #expect(try await client.ask(.POST, "\(maps)?dryRun=All", map("b")).status == 201)
                #expect(try await client.ask(.POST, "\(maps)?dryRun=All", map("a")).status == 409)
                #expect(try await client.ask(.POST, "/api/v1/namespaces/absent/configmaps?dryRun=All", map("a")).status == 404)
                let put = try await client.ask(.PUT, "\(maps)/a?dryRun=All", map("a", #"{"k":"v"}"#))
                #expect(put.status == 200 && put["data", "k"] == "v")
                #expect(try await client.ask(.DELETE, "\(maps)/a?dryRun=All").status == 200)
                #expect(try await client.ask(.DELETE, "\(maps)/a", #"{"dryRun":["All"]}"#).status == 200)
                #expect(try await store.revision() == revision)
            }
        }
    }

    @Test("an object with a finalizer stays until it has none, and takes no new one")
    func finalizers() async throws {
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                let held = #"{"metadata":{"name":"a","finalizers":["example.org/hold"]}}"#
                _ = try await client.ask(.POST, maps, held)
                let going = try await client.ask(.DELETE, "\(maps)/a")
                #expect(going.status == 200 && going["metadata", "deletionTimestamp"] == "2030-03-17T17:46:40Z")
                let more = #"{"metadata":{"name":"a","finalizers":["example.org/hold","example.org/more"]}}"#
                let refused = try await client.ask(.PUT, "\(maps)/a", more)
                #expect(refused.status == 422 && refused.body.contains("no new finalizers can be added"))
                let freed = try await client.ask(.PUT, "\(maps)/a", map("a"))
                #expect(freed.status == 200)
                #expect(try await client.ask(.GET, "\(maps)/a").status == 404)
            }
        }
    }

    @Test("a pod on a node goes when its node says so; one on no node goes at once")
    func graceful() async throws {
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                _ = try await client.ask(.POST, pods, podBody("free"))
                #expect(try await client.ask(.DELETE, "\(pods)/free").status == 200)
                #expect(try await client.ask(.GET, "\(pods)/free").status == 404)
                _ = try await client.ask(.POST, pods, podBody("bound", node: "n1", grace: 20))
                var pod = try await client.ask(.DELETE, "\(pods)/bound")
                #expect(pod["metadata", "deletionTimestamp"] == "2030-03-17T17:47:00Z")
                #expect(pod["metadata", "deletionGracePeriodSeconds"] == "20")
                // Less grace hurries, more does not slow down.
                pod = try await client.ask(.DELETE, "\(pods)/bound?gracePeriodSeconds=5")
                #expect(pod["metadata", "deletionTimestamp"] == "2030-03-17T17:46:45Z")
                pod = try await client.ask(.DELETE, "\(pods)/bound?gracePeriodSeconds=50")
                #expect(pod["metadata", "deletionGracePeriodSeconds"] == "5")
                _ = try await client.ask(.DELETE, "\(pods)/bound", #"{"gracePeriodSeconds":0}"#)
                #expect(try await client.ask(.GET, "\(pods)/bound").status == 404)
            }
        }
    }

    @Test("a pod is bound once")
    func binding() async throws {
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                _ = try await client.ask(.POST, pods, podBody("a"))
                let binding =
                    #"{"apiVersion":"v1","kind":"Binding","metadata":{"name":"a"},"target":{"kind":"Node","name":"n1"}}"#
                let bound = try await client.ask(.POST, "\(pods)/a/binding", binding)
                #expect(bound.status == 201 && bound["status"] == "Success")
                let pod = try await client.ask(.GET, "\(pods)/a")
                #expect(pod["spec", "nodeName"] == "n1" && pod.body.contains(#""type":"PodScheduled""#))
                #expect(try await client.ask(.POST, "\(pods)/a/binding", binding).status == 409)
            }
        }
    }

    @Test("a collection is deleted by its selector")
    func deleteCollection() async throws {
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                for (name, colour) in [("a", "red"), ("b", "blue"), ("c", "red")] {
                    _ = try await client.ask(.POST, maps, #"{"metadata":{"name":"\#(name)","labels":{"colour":"\#(colour)"}}}"#)
                }
                #expect(try await client.ask(.DELETE, "\(maps)?labelSelector=colour+in+(red)").names == ["a", "c"])
                #expect(try await client.ask(.GET, maps).names == ["b"])
            }
        }
    }

    @Test("a patch that names no version is repeated until it fits: no writer is lost")
    func concurrentPatches() async throws {
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                _ = try await client.ask(.POST, maps, map("a", #"{"start":"1"}"#))
                try await withThrowingTaskGroup(of: Int.self) { group in
                    for writer in 0..<12 {
                        group.addTask {
                            try await Client.with(port: port) { client in
                                try await client.ask(
                                    .PATCH, "\(maps)/a", #"{"data":{"w\#(writer)":"1"}}"#,
                                    headers: [("Content-Type", "application/merge-patch+json")]
                                ).status
                            }
                        }
                    }
                    for try await status in group { #expect(status == 200) }
                }
                let all = try await client.ask(.GET, "\(maps)/a")
                for writer in 0..<12 { #expect(all["data", "w\(writer)"] == "1") }
            }
        }
    }

    @Test("as objects enter and leave a selection, its watch sees them come and go")
    func selectiveWatch() async throws {
        try await withServer { port, _ in
            try await Client.with(port: port) { watching in
                _ = try await watching.begin(
                    .GET, "\(maps)?watch=1&labelSelector=colour%3Dred&timeoutSeconds=30&resourceVersion=0")
                try await Client.with(port: port) { client in
                    func body(_ colour: String) -> String { #"{"metadata":{"name":"a","labels":{"colour":"\#(colour)"}}}"# }
                    _ = try await client.ask(.POST, maps, map("other"))
                    _ = try await client.ask(.POST, maps, body("blue"))
                    _ = try await client.ask(.PUT, "\(maps)/a", body("red"))
                    _ = try await client.ask(.PUT, "\(maps)/a", #"{"metadata":{"name":"a","labels":{"colour":"red","b":"c"}}}"#)
                    let left = try await client.ask(.PUT, "\(maps)/a", body("blue"))
                    _ = try await client.ask(.PUT, "\(maps)/a", body("red"))
                    _ = try await client.ask(.DELETE, "\(maps)/a")
                    #expect(try await watching.event() == "ADDED a")
                    #expect(try await watching.event() == "MODIFIED a")
                    let gone = try #require(try await watching.line())
                    // As it was while it was selected, at the version of the change that took it away.
                    #expect(gone.hasPrefix(#"{"type":"DELETED""#) && gone.contains(#""colour":"red""#))
                    let version = try #require(left["metadata", "resourceVersion"])
                    #expect(gone.contains(#""resourceVersion":"\#(version)""#))
                    #expect(try await watching.event() == "ADDED a")
                    #expect(try await watching.event() == "DELETED a")
                }
            }
        }
    }

    @Test("a watch ends when its time is over")
    func timeout() async throws {
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                _ = try await client.begin(.GET, "\(maps)?watch=1&timeoutSeconds=1&resourceVersion=0")
                #expect(try await client.line() == nil)
            }
        }
    }

    @Test("a nudged watch that has read everything says up to where")
    func bookmark() async throws {
        try await withServer { port, store in
            let watch = try await store.watch(Selection(resource: "configmaps"), after: try await store.revision())
            try await Client.with(port: port) { client in
                _ = try await client.ask(.POST, "/api/v1/namespaces/default/secrets", #"{"metadata":{"name":"s"}}"#)
            }
            watch.nudge()
            let reached = try await store.revision()
            let step = try await watch.step()
            #expect(step == .bookmark(reached))
        }
    }

    @Test("metadata alone is answered where it is asked for, and a form nobody has is 406")
    func forms() async throws {
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                _ = try await client.ask(.POST, maps, map("a", #"{"k":"v"}"#))
                let accept = [("Accept", "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json")]
                let list = try await client.ask(.GET, maps, headers: accept)
                #expect(list["kind"] == "PartialObjectMetadataList" && list.names == ["a"] && !list.body.contains(#""k""#))
                #expect(try await client.ask(.GET, maps, headers: [("Accept", "application/yaml")]).status == 406)
                let either = [("Accept", "application/vnd.kubernetes.protobuf,application/json")]
                #expect(try await client.ask(.GET, maps, headers: either)["kind"] == "ConfigMapList")
            }
        }
    }
}
