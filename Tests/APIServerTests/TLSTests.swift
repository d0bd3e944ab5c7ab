import Glibc
import Testing

@testable import APIServer

@Suite("TLS", .timeLimit(.minutes(5)), .enabled(if: Program.path("openssl") != nil || mustRun, "openssl is not installed"))
struct TLSTests {
    @Test("the server speaks TLS with the certificate it was given, and plain HTTP gets nothing")
    func handshake() async throws {
        let directory = try ScratchDirectory()
        let identity = try directory.identity()
        try await withServer(security: Server.Security(tls: identity, tokens: AccessTokens(["t": "admin"]))) { port, _ in
            let answer = try await Program.run(
                "curl",
                [
                    "-sS", "--cacert", "\(directory.path)/cert.pem", "-H", "Authorization: Bearer t",
                    "https://127.0.0.1:\(port)/healthz",
                ])
            #expect(answer.output == "ok", "\(answer.error)")
            let plain = try await Program.run("curl", ["-sS", "http://127.0.0.1:\(port)/healthz"])
            #expect(plain.status != 0)
        }
    }

    @Test("a key that is none is refused")
    func wrong() throws {
        #expect(throws: (any Error).self) { try TLSIdentity(certificates: [1, 2, 3], key: [4]) }
    }
}
