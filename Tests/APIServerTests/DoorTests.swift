import Glibc
import KubeAPI
import NIOCore
import NIOHTTP1
import Testing

@testable import APIServer

@Suite("the door", .timeLimit(.minutes(5)))
struct DoorTests {
    @Test(
        "without a token there is 401 and nothing else",
        arguments: ["/version", "/healthz", "/api", "/apis", maps, "/echo", "/nowhere", "/openapi/v3"])
    func unauthorized(path: String) async throws {
        try await withServer(security: Server.Security(tokens: AccessTokens(["secret": "admin"]))) { port, _ in
            try await Client.with(port: port) { client in
                for header in ["", "secret", "Bearer ", "Bearer secre", "Bearer secret2", "Basic secret", "Bearer SECRET"] {
                    let answer = try await client.ask(.GET, path, headers: header.isEmpty ? [] : [("Authorization", header)])
                    #expect(answer.status == 401 && answer["reason"] == "Unauthorized")
                }
                let known = try await client.ask(.GET, maps, headers: [("Authorization", "Bearer secret")])
                #expect(known.status == 200)
            }
        }
    }

    @Test("a WebSocket needs a token too")
    func webSocket() async throws {
        try await withServer(security: Server.Security(tokens: AccessTokens(["secret": "admin"]))) { port, _ in
            try await Client.with(port: port) { client in
                let handshake = [
                    ("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
                    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), ("Sec-WebSocket-Protocol", "v5.channel.k8s.io"),
                ]
                let answer = try await client.ask(.GET, "/echo", headers: handshake)
                #expect(answer.status == 401)
            }
        }
    }

    @Test("several tokens have their own users")
    func users() {
        let tokens = AccessTokens(["a": "anna", "b": "berta"])
        #expect(tokens.user(authorization: "Bearer a") == "anna")
        #expect(tokens.user(authorization: "bearer b") == "berta")
        #expect(tokens.user(authorization: "Bearer c") == nil)
        #expect(AccessTokens.open.user(authorization: nil) != nil)
    }

    @Test("paths are read as Kubernetes writes them")
    func targets() {
        #expect(Target(path: "/api/v1/namespaces")?.plural == "namespaces")
        #expect(Target(path: "/api/v1/namespaces/a/status")?.subresource == "status")
        let pod = Target(path: "/api/v1/namespaces/a/pods/b/log")
        #expect(pod?.namespace == "a" && pod?.plural == "pods" && pod?.name == "b" && pod?.subresource == "log")
        #expect(Target(path: "/apis/apps/v1/deployments")?.namespace == nil)
        for path in [
            "/", "/api", "/api/v1", "/apis/apps/v1", "/api/v1/namespaces/a/pods/b/c/d", "/api/v1/..", "/api/v1/%2F",
            "/api/v1/%zz",
        ] {
            #expect(Target(path: path) == nil, "\(path)")
        }
    }
}

/// A pod whose log is two lines and then silence, and whose commands come back as output.
private struct Talker: PodStreams {
    func log(of pod: PodTarget, _ options: LogOptions) async throws -> PodLog {
        guard options.container != "absent" else { throw Status.badRequest("container absent is not valid for pod \(pod.name)") }
        let (chunks, feed) = AsyncThrowingStream<ByteBuffer, any Error>.makeStream()
        feed.yield(ByteBuffer(string: "one on \(pod.node)\n"))
        if options.tailLines != 1 { feed.yield(ByteBuffer(string: "two\n")) }
        if !options.follows { feed.finish() }
        return PodLog(chunks) { feed.finish() }
    }

    func serve(_ kind: StreamKind, of pod: PodTarget, _ options: StreamOptions, over socket: WebSocket) async throws {
        var message = ByteBuffer(bytes: [1])
        message.writeString(options.command.joined(separator: " "))
        try await socket.send(.binary(message))
    }
}

@Suite("logs and streams", .timeLimit(.minutes(5)))
struct PodStreamTests {
    private let path = "/api/v1/namespaces/default/pods"

    private func pod(_ name: String, on node: String) -> String {
        #"{"metadata":{"name":"\#(name)"},"spec":{"nodeName":"\#(node)","containers":[{"name":"c","image":"i"}]}}"#
    }

    @Test("a log comes from whoever runs the pod, with its own refusals")
    func log() async throws {
        try await withServer(pods: Talker()) { port, _ in
            try await Client.with(port: port) { client in
                #expect(try await client.ask(.POST, path, pod("a", on: "n1")).status == 201)
                #expect(try await client.ask(.GET, "\(path)/a/log").body == "one on n1\ntwo\n")
                #expect(try await client.ask(.GET, "\(path)/a/log?tailLines=1").body == "one on n1\n")
                #expect(try await client.ask(.GET, "\(path)/a/log?container=absent").status == 400)
                #expect(try await client.ask(.GET, "\(path)/a/log?tailLines=-1").status == 400)
                #expect(try await client.ask(.GET, "\(path)/none/log").status == 404)
                _ = try await client.begin(.GET, "\(path)/a/log?follow=true")
                #expect(try await client.line() == "one on n1")
            }
        }
    }

    @Test("where nobody runs pods, that is said")
    func nobody() async throws {
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                _ = try await client.ask(.POST, path, pod("a", on: "n1"))
                #expect(try await client.ask(.GET, "\(path)/a/log").status == 503)
                // Not as a WebSocket: older clients ask for SPDY.
                let old = try await client.ask(.POST, "\(path)/a/exec?command=ls")
                #expect(old.status == 400 && old.body.contains("upgrade to a WebSocket"))
            }
        }
    }
}
