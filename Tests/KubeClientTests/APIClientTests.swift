import Glibc
import KubeAPI
import KubeClient
import Logging
import Testing

@Suite(.timeLimit(.minutes(5)))
struct APIClientTests {
    /// Runs a client against a server that replies by the number of the request, from 1.
    private func run(
        clock: InstantClock = InstantClock(), limits: HTTPTransport.Limits = HTTPTransport.Limits(),
        _ reply: @escaping @Sendable (LocalServer.Request, Int) -> LocalServer.Reply,
        _ body: (APIClient) async throws -> Void
    ) async throws -> [LocalServer.Request] {
        let server = try await LocalServer(reply)
        let transport = HTTPTransport(baseURL: "http://127.0.0.1:\(server.port)", limits: limits)
        let client = APIClient(
            transport: transport, fieldManager: "tulle", clock: clock, random: { 0 }, logger: Logger(label: "test"))
        do { try await body(client) } catch { Issue.record(error) }
        try await transport.shutdown()
        try await server.stop()
        return server.requests
    }

    private static func status(_ code: Int, _ reason: String, _ message: String) -> LocalServer.Reply {
        .answer(
            code,
            #"{"kind":"Status","apiVersion":"v1","status":"Failure","code":\#(code),"reason":"\#(reason)","message":"\#(message)"}"#
        )
    }

    @Test("each verb is said as an API server expects it")
    func verbs() async throws {
        let pod: JSONValue = ["metadata": ["name": "web", "namespace": "shop"], "future": ["kept": true]]
        let requests = try await run({ _, _ in .answer(200, #"{"metadata":{"name":"web"}}"#) }) { client in
            _ = try await client.get(Pod.resource, "web", in: "shop")
            try await client.create(pod, of: Pod.resource)
            try await client.update(pod, of: Pod.resource, subresource: .status)
            try await client.patch(Node.resource, "n1", .merge(["a": 1]))
            try await client.patch(Pod.resource, "web", in: "shop", .strategic(["a": 1]))
            try await client.patch(
                Pod.resource, "web", in: "shop",
                .json([.test(Patch.Operation.pointer("a/b~", "c"), 1), .remove("/x"), .move(from: "/a", to: "/b")]))
            try await client.delete(
                Pod.resource, "web", in: "shop", options: DeletionOptions(grace: .zero, propagation: .foreground, uid: "u"))
            try await client.create(["target": [:]], of: Pod.resource, in: "shop", named: "web", subresource: .binding)
        }
        #expect(
            requests.map { "\($0.line) \($0.headers["content-type"] ?? "-") \($0.body)" } == [
                "GET /api/v1/namespaces/shop/pods/web - ",
                #"POST /api/v1/namespaces/shop/pods?fieldManager=tulle application/json \#(pod)"#,
                #"PUT /api/v1/namespaces/shop/pods/web/status?fieldManager=tulle application/json \#(pod)"#,
                #"PATCH /api/v1/nodes/n1?fieldManager=tulle application/merge-patch+json {"a":1}"#,
                #"PATCH /api/v1/namespaces/shop/pods/web?fieldManager=tulle application/strategic-merge-patch+json {"a":1}"#,
                #"PATCH /api/v1/namespaces/shop/pods/web?fieldManager=tulle application/json-patch+json [{"op":"test","path":"/a~1b~0/c","value":1},{"op":"remove","path":"/x"},{"op":"move","from":"/a","path":"/b"}]"#,
                #"DELETE /api/v1/namespaces/shop/pods/web application/json {"apiVersion":"v1","kind":"DeleteOptions","gracePeriodSeconds":0,"propagationPolicy":"Foreground","preconditions":{"uid":"u"}}"#,
                #"POST /api/v1/namespaces/shop/pods/web/binding?fieldManager=tulle application/json {"target":{}}"#,
            ])
    }

    @Test("a list is read page by page, and whole when its pages expire; its items say what they are")
    func lists() async throws {
        let requests = try await run({ _, number in
            switch number {
            case 1: .answer(200, #"{"metadata":{"resourceVersion":"5","continue":"t 1"},"items":[{"metadata":{"name":"a"}}]}"#)
            case 2: Self.status(410, "Expired", "too old")
            default:
                .answer(
                    200, #"{"metadata":{"resourceVersion":"7"},"items":[{"metadata":{"name":"a"}},{"metadata":{"name":"b"}}]}"#)
            }
        }) { client in
            let list = try await client.list(
                Pod.resource, labels: LabelSelector(matching: ["x": "y"]), fields: "spec.nodeName=n1")
            #expect(list.resourceVersion == "7")
            #expect(list.items.map { $0[at: "metadata", "name"] } == ["a", "b"])
            #expect(list.items.allSatisfy { $0["kind"] == "Pod" && $0["apiVersion"] == "v1" })
        }
        let query = "GET /api/v1/pods?labelSelector=x%3Dy&fieldSelector=spec.nodeName%3Dn1"
        #expect(requests.map(\.line) == ["\(query)&limit=500", "\(query)&limit=500&continue=t%201", query])
    }

    @Test("a change is repeated on what is there until nobody was quicker, and keeps fields that nobody here knows")
    func modifies() async throws {
        let requests = try await run({ request, number in
            if request.line.hasPrefix("GET") {
                return .answer(200, #"{"metadata":{"name":"n1","resourceVersion":"\#(number)"},"spec":{"future":[1.5]}}"#)
            }
            return number < 4 ? Self.status(409, "Conflict", "changed") : .answer(200, request.body)
        }) { client in
            let node = try await client.modify(Node.resource, "n1") { $0[at: "spec", "unschedulable"] = true }
            #expect(node[at: "spec"]?.description == #"{"future":[1.5],"unschedulable":true}"#)
            #expect(node[at: "metadata", "resourceVersion"] == "3")
        }
        #expect(requests.map { $0.line.prefix(3) } == ["GET", "PUT", "GET", "PUT"])
    }

    @Test("a change that changes nothing writes nothing, and one that never wins ends as a conflict")
    func modifiesNot() async throws {
        let requests = try await run({ request, _ in
            request.line.hasPrefix("GET") ? .answer(200, #"{"metadata":{"name":"n1"}}"#) : Self.status(409, "Conflict", "changed")
        }) { client in
            try await client.modify(Node.resource, "n1") { _ in }
            await #expect {
                try await client.modify(Node.resource, "n1", tries: 3) { $0[at: "a"] = 1 }
            } throws: { APIFailure.conflict ~= $0 }
        }
        #expect(requests.map { $0.line.prefix(3) } == ["GET"] + Array(repeating: ["GET", "PUT"], count: 3).flatMap(\.self))
    }

    @Test("a refusal tells what was asked, what the server said and where, and what to do")
    func refusals() async throws {
        let invalid =
            #"{"kind":"Status","code":422,"reason":"Invalid","message":"Pod \"web\" is invalid","details":{"causes":[{"reason":"FieldValueInvalid","field":"spec.x","message":"no"}]}}"#
        let replies: [LocalServer.Reply] = [
            .answer(422, invalid), Self.status(409, "AlreadyExists", "there"), .answer(502, "<html>bad gateway"),
            Self.status(403, "Forbidden", "no"), .answer(200, "{"), .answer(415, ""),
        ]
        var told: [String] = []
        _ = try await run({ _, number in replies[number - 1] }) { client in
            for code in [
                APIFailure.invalid, APIFailure.alreadyExists, APIFailure.server, APIFailure.forbidden, APIFailure.unreadable,
                APIFailure.unsupportedMediaType,
            ] {
                do {
                    try await client.create([:], of: Pod.resource, in: "d")
                    Issue.record("it was created")
                } catch {
                    #expect(code ~= error, "\(error)")
                    told.append("\(error)")
                }
            }
        }
        let post = "POST /api/v1/namespaces/d/pods"
        #expect(
            told == [
                #"\#(post): status 422 Invalid: Pod "web" is invalid (spec.x: no)"#, "\(post): status 409 AlreadyExists: there",
                "\(post): status 502: <html>bad gateway",
                "\(post): status 403 Forbidden: no; check the user's roles, for instance with kubectl auth can-i",
                "\(post): status 200: the answer is no JSON: line 1, column 2 (byte 1): expected a key in quotes, found the end",
                "\(post): status 415: the server says no more",
            ])
    }

    @Test("reads are repeated after breaks and faults of the server, and as late as it asks")
    func readsAgain() async throws {
        let clock = InstantClock()
        let requests = try await run(
            clock: clock,
            { _, number in
                switch number {
                case 1: .cut
                case 2: .answer(500, "")
                case 3: .answer(429, "", headers: [("Retry-After", "3")])
                default: .answer(200, "{}")
                }
            }
        ) { _ = try await $0.get(Node.resource, "n1") }
        #expect(requests.count == 4)
        #expect(clock.sleeps == [.milliseconds(50), .milliseconds(100), .seconds(3)])
    }

    @Test("a write that may have been done is not done twice")
    func writesOnce() async throws {
        let requests = try await run({ _, number in number == 1 ? .cut : .answer(500, "") }) { client in
            await #expect { try await client.create([:], of: Node.resource) } throws: { APIFailure.unreachable ~= $0 }
            await #expect { try await client.create([:], of: Node.resource) } throws: { APIFailure.server ~= $0 }
        }
        #expect(requests.count == 2)
    }

    @Test("where nobody listens, even a write is tried again, and the failure says what to check")
    func nobody() async throws {
        // Bound and never listened on: the port is nobody else's meanwhile.
        let (socket, port) = try deafPort()
        defer { close(socket) }
        let clock = InstantClock()
        let transport = HTTPTransport(baseURL: "http://127.0.0.1:\(port)")
        let client = APIClient(transport: transport, clock: clock, random: { 0 }, logger: Logger(label: "test"))
        let error = await #expect(throws: APIFailure.self) { try await client.create([:], of: Node.resource) }
        #expect(error?.code == APIFailure.unreachable)
        #expect(
            error?.description.hasSuffix(
                ": no answer: no connection to http://127.0.0.1:\(port): Connection refused; "
                    + "check that the server runs and that its address is right") == true, "\(error.map { "\($0)" } ?? "")")
        #expect(clock.sleeps.count == 4, "\(error.map(String.init(reflecting:)) ?? "")")
        try await transport.shutdown()
    }

    @Test("a watch whose other end is gone ends by itself")
    func halfOpen() async throws {
        var limits = HTTPTransport.Limits()
        limits.watchSilence = .seconds(1)
        let server = try await LocalServer { _, _ in .hang("{}") }
        let transport = HTTPTransport(baseURL: "http://127.0.0.1:\(server.port)", limits: limits)
        var heard = 0
        do {
            let response = try await transport.send(APIRequest(.get, "/x?watch=true", isWatch: true))
            for try await _ in response.body { heard += 1 }
            Issue.record("it ended in order")
        } catch {
            #expect("\(error)".contains("readTimeout"))
        }
        #expect(heard == 1)
        try await transport.shutdown()
        try await server.stop()
    }

    @Test("scale has its own path")
    func scales() async throws {
        let deployments = ResourceType(
            GroupVersionKind(group: "apps", version: "v1", kind: "Deployment"), plural: "deployments", isNamespaced: true)
        let requests = try await run({ _, _ in .answer(200, #"{"spec":{"replicas":3},"status":{"replicas":2}}"#) }) { client in
            try await client.scale(deployments, "web", in: "d", to: 3)
            let replicas = try await client.replicas(deployments, "web", in: "d")
            #expect(replicas == (3, 2))
        }
        #expect(requests[0].line == "PATCH /apis/apps/v1/namespaces/d/deployments/web/scale?fieldManager=tulle")
        #expect(requests[0].body == #"{"spec":{"replicas":3}}"#)
    }
}

/// A bound TCP socket of loopback that does not listen, and its port.
private func deafPort() throws -> (socket: CInt, port: Int) {
    let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
    try #require(descriptor >= 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
        }
    }
    try #require(isBound)
    return (descriptor, Int(UInt16(bigEndian: address.sin_port)))
}
