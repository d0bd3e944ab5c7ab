import KubeAPI
import NIOHTTP1
import Synchronization
import Testing

@testable import APIServer

private let accounts = "/api/v1/namespaces/default/serviceaccounts"
private let pods = "/api/v1/namespaces/default/pods"
private let admin = [("Authorization", "Bearer secret")]

@Suite("tokens of service accounts", .timeLimit(.minutes(5)))
struct TokenTests {
    private final class Clock: Sendable { let now = Mutex<Int64>(1_900_000_000) }

    /// A server with the account `a`, the pod `p` of it, and a clock that the test turns.
    private static func with(_ body: (inout Client, Clock) async throws -> Void) async throws {
        let clock = Clock()
        let surroundings = Surroundings(seconds: { clock.now.withLock { $0 } }, random: { UInt64.random(in: 0...(.max)) })
        let security = Server.Security(tokens: AccessTokens(["secret": "admin"]))
        try await withServer(security: security, surroundings: surroundings) { port, _ in
            try await Client.with(port: port) { client in
                #expect(try await client.ask(.POST, accounts, #"{"metadata":{"name":"a"}}"#, headers: admin).status == 201)
                let pod = #"{"metadata":{"name":"p"},"spec":{"serviceAccountName":"a","containers":[{"name":"c","image":"i"}]}}"#
                #expect(try await client.ask(.POST, pods, pod, headers: admin).status == 201)
                try await body(&client, clock)
            }
        }
    }

    private static func token(_ client: inout Client, _ spec: String = "{}") async throws -> String {
        let answer = try await client.ask(.POST, "\(accounts)/a/token", #"{"spec":\#(spec)}"#, headers: admin)
        #expect(answer.status == 201, "\(answer.body)")
        #expect(answer["kind"] == "TokenRequest")
        return try #require(answer["status", "token"])
    }

    private static func status(_ client: inout Client, _ token: String) async throws -> Int {
        try await client.ask(.GET, accounts, headers: [("Authorization", "Bearer \(token)")]).status
    }

    @Test("a token lets its bearer in until its time is over")
    func expiry() async throws {
        try await Self.with { client, clock in
            let answer = try await client.ask(
                .POST, "\(accounts)/a/token", #"{"spec":{"expirationSeconds":600}}"#, headers: admin)
            #expect(answer["status", "expirationTimestamp"] == "2030-03-17T17:56:40Z")
            #expect(answer["spec", "audiences"] == #"["https://kubernetes.default.svc.cluster.local"]"#)
            let token = try #require(answer["status", "token"])
            #expect(try await Self.status(&client, token) == 200)
            clock.now.withLock { $0 += 599 }
            #expect(try await Self.status(&client, token) == 200)
            clock.now.withLock { $0 += 1 }
            #expect(try await Self.status(&client, token) == 401)
        }
    }

    @Test("a token ends with the pod it is bound to, and with its account, also when the name comes back")
    func bound() async throws {
        try await Self.with { client, _ in
            let bound = try await Self.token(&client, #"{"boundObjectRef":{"kind":"Pod","apiVersion":"v1","name":"p"}}"#)
            let free = try await Self.token(&client)
            #expect(try await Self.status(&client, bound) == 200)
            #expect(try await client.ask(.DELETE, "\(pods)/p", headers: admin).status == 200)
            #expect(try await Self.status(&client, bound) == 401)
            #expect(try await Self.status(&client, free) == 200)
            #expect(try await client.ask(.DELETE, "\(accounts)/a", headers: admin).status == 200)
            #expect(try await client.ask(.POST, accounts, #"{"metadata":{"name":"a"}}"#, headers: admin).status == 201)
            #expect(try await Self.status(&client, free) == 401)
        }
    }

    @Test("a token for another audience, a changed one and one of nobody's let nobody in")
    func forged() async throws {
        try await Self.with { client, _ in
            let other = try await Self.token(&client, #"{"audiences":["vault"]}"#)
            #expect(try await Self.status(&client, other) == 401)
            let good = try await Self.token(&client)
            let parts = good.split(separator: ".").map(String.init)
            let payload = try #require(TokenIssuer.bytes(base64url: parts[1]))
            var claims = try #require(ServiceAccountClaims(try JSONReader().document(payload).value))
            claims.expiry += 1
            let longer = TokenIssuer.base64url(JSONWriter().bytes(of: claims.tree))
            let none = TokenIssuer.base64url(Array(#"{"alg":"none","typ":"JWT"}"#.utf8))
            for wrong in [
                "\(parts[0]).\(longer).\(parts[2])", "\(none).\(parts[1]).", "\(parts[0]).\(parts[1])", "a.b.c", "..",
                "\(good)A", "\(parts[0]).\(parts[1]).AAAA",
            ] {
                #expect(try await Self.status(&client, wrong) == 401, "\(wrong)")
            }
        }
    }

    @Test(
        "requests that cannot be met say why",
        arguments: [
            (#"{"expirationSeconds":599}"#, 422, "may not specify a duration less than 10 minutes"),
            (#"{"expirationSeconds":4294967297}"#, 422, "may not specify a duration larger than 2^32 seconds"),
            (#"{"boundObjectRef":{"kind":"Secret","apiVersion":"v1","name":"s"}}"#, 400, "cannot bind token"),
            (#"{"boundObjectRef":{"kind":"Pod","apiVersion":"v1","name":"none"}}"#, 404, #"pods "none" not found"#),
            (
                #"{"boundObjectRef":{"kind":"Pod","apiVersion":"v1","name":"p","uid":"x"}}"#, 409,
                "does not match the UID in record"
            ),
            (#"{"audiences":3}"#, 400, "audiences"),
        ] as [(String, Int, String)])
    func refused(spec: String, status: Int, message: String) async throws {
        try await Self.with { client, _ in
            let answer = try await client.ask(.POST, "\(accounts)/a/token", #"{"spec":\#(spec)}"#, headers: admin)
            #expect(answer.status == status, "\(answer.body)")
            #expect(answer["message"]?.contains(message) == true, "\(answer.body)")
        }
    }

    @Test("a token outlives the server, and not the store")
    func restart() async throws {
        let directory = try TemporaryDirectory()
        let security = Server.Security(tokens: AccessTokens(["secret": "admin"]))
        var token = ""
        for round in 0..<2 {
            let store = try Store(path: directory.store)
            let socket = try Loopback.bound()
            try await withServer(store, on: [socket.descriptor], security: security) {
                try await Client.with(port: socket.port) { client in
                    if round == 0 {
                        _ = try await client.ask(.POST, accounts, #"{"metadata":{"name":"a"}}"#, headers: admin)
                        token = try await Self.token(&client)
                    }
                    #expect(try await Self.status(&client, token) == 200)
                }
            }
            try store.close()
        }
        try await withServer(security: security) { port, _ in
            try await Client.with(port: port) { client in
                _ = try await client.ask(.POST, accounts, #"{"metadata":{"name":"a"}}"#, headers: admin)
                #expect(try await Self.status(&client, token) == 401)
            }
        }
    }
}
