import Addressing
import FoundationEssentials
import Identity
import Testing

#if canImport(Glibc)
    import Glibc
#endif

/// What another implementation says of our certificates. Without the program `openssl` there is nobody to ask.
@Suite(.enabled(if: access(OpenSSL.path, X_OK) == 0 || getenv("REQUIRE_KERNEL") != nil, "openssl is not installed"))
struct OpenSSLTests {
    @Test("openssl verifies a server by address and name, a client by its use, and refuses the other way round")
    func verifies() throws {
        let directory = try Scratch()
        let authority = try authority()
        var random = SeededRandom(state: 5)
        let addresses: [IPAddress] = [.v4(.loopback), .v6(.loopback)]
        let server = try authority.issue(
            .server("kube-apiserver", dnsNames: ["kubernetes"], addresses: addresses), at: start, random: &random)
        let client = try authority.issue(.client("admin", organizations: ["system:masters"]), at: start, random: &random)
        let ca = try directory.write("ca.pem", authority.certificatePEM)
        let serverFile = try directory.write("server.pem", server.certificatePEM)
        let clientFile = try directory.write("client.pem", client.certificatePEM)
        func verify(_ arguments: String...) -> Bool {
            OpenSSL.run(["verify", "-x509_strict", "-attime", "1767225600", "-CAfile", ca] + arguments)
        }
        #expect(verify("-purpose", "sslserver", "-verify_ip", "127.0.0.1", serverFile))
        #expect(verify("-purpose", "sslserver", "-verify_ip", "::1", serverFile))
        #expect(verify("-purpose", "sslserver", "-verify_hostname", "kubernetes", serverFile))
        #expect(!verify("-purpose", "sslserver", "-verify_ip", "127.0.0.2", serverFile))
        #expect(!verify("-purpose", "sslclient", serverFile))
        #expect(verify("-purpose", "sslclient", clientFile))
        #expect(!verify("-purpose", "sslserver", clientFile))
    }

    @Test("an authority that openssl made can be loaded and used")
    func loads() throws {
        let directory = try Scratch()
        let (key, certificate) = ("\(directory.path)/key.pem", "\(directory.path)/ca.pem")
        directory.names += ["key.pem", "ca.pem"]
        // `ecparam` writes the older SEC 1 form, behind a block of parameters.
        #expect(OpenSSL.run(["ecparam", "-name", "prime256v1", "-genkey", "-out", key]))
        #expect(
            OpenSSL.run([
                "req", "-x509", "-new", "-key", key, "-subj", "/O=example/CN=root", "-days", "30", "-out", certificate,
            ]))
        let text = try directory.read("ca.pem") + directory.read("key.pem")
        let authority = try CertificateAuthority(pem: text)
        var random = SeededRandom(state: 5)
        let client = try authority.issue(
            .client("a"), at: authority.validity.start.addingTimeInterval(60), random: &random)
        let file = try directory.write("client.pem", client.certificatePEM)
        let time = String(Int(authority.validity.start.timeIntervalSince1970) + 60)
        #expect(OpenSSL.run(["verify", "-attime", time, "-CAfile", certificate, file]))
    }
}

/// The program, run without a shell.
enum OpenSSL {
    static let path = "/usr/bin/openssl"

    static func run(_ arguments: [String]) -> Bool {
        var words: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) }
        words.append(nil)
        defer { for word in words { free(word) } }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for descriptor in [STDOUT_FILENO, STDERR_FILENO] {
            posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_WRONLY, 0)
        }
        var pid: pid_t = 0
        guard posix_spawn(&pid, path, &actions, nil, words, environ) == 0 else { return false }
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        return status == 0
    }
}

/// A directory of this test alone, gone with it.
final class Scratch {
    let path: String
    var names: [String] = []

    init() throws {
        var template = Array("/tmp/tulle-identity-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Refused(errno: errno) }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        for name in names { unlink("\(path)/\(name)") }
        rmdir(path)
    }

    struct Refused: Error { let errno: Int32 }

    func write(_ name: String, _ text: String) throws -> String {
        names.append(name)
        guard let file = fopen("\(path)/\(name)", "w") else { throw Refused(errno: errno) }
        fputs(text, file)
        fclose(file)
        return "\(path)/\(name)"
    }

    func read(_ name: String) throws -> [UInt8] {
        guard let file = fopen("\(path)/\(name)", "r") else { throw Refused(errno: errno) }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        while case let byte = fgetc(file), byte != EOF { bytes.append(UInt8(truncatingIfNeeded: byte)) }
        return bytes
    }
}
