import CLinux
import CNI
import Glibc
import Synchronization
import Testing

/// The program as a runtime starts it.
@Suite("tulle-cni")
struct TulleCNITests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private var configuration: String {
        """
        {"cniVersion":"0.4.0","name":"pods","type":"tulle-cni","agentSocket":"\(directory.path)/cni.sock",\
        "queueDirectory":"\(directory.path)/queue"}
        """
    }

    private func call(_ verb: String, namespace: String = "/proc/self/ns/net") throws -> Program.Outcome {
        try Program.run(
            [try Program.product("tulle-cni")],
            environment: [
                "CNI_COMMAND": verb, "CNI_CONTAINERID": "c1", "CNI_IFNAME": "eth0", "CNI_NETNS": namespace, "CNI_PATH": "/x",
            ], input: configuration)
    }

    @Test("VERSION needs no agent and no input, and repeats a version it speaks")
    func version() throws {
        let program = try Program.product("tulle-cni")
        let spoken = #","supportedVersions":["0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"]}"#
        for (input, version) in [("", "1.1.0"), (#"{"cniVersion":"0.4.0"}"#, "0.4.0"), (#"{"cniVersion":"9.0.0"}"#, "1.1.0")] {
            let outcome = try Program.run([program], environment: ["CNI_COMMAND": "VERSION"], input: input)
            #expect(outcome == .init(status: 0, output: #"{"cniVersion":"\#(version)""# + spoken + "\n"))
        }
        // A caller that never closes its end: an open pipe without a byte.
        let patient = try Program([program], environment: ["CNI_COMMAND": "VERSION"])
        #expect(patient.line() == #"{"cniVersion":"1.1.0""# + spoken)
        #expect(try patient.finish().status == 0)
    }

    @Test("ADD prints the agent's answer, and the agent holds the namespace the path named")
    func add() throws {
        let own = try NamespaceDescriptor(path: "/proc/self/ns/net").identity
        let seen = Mutex<[NamespaceDescriptor.Identity?]>([])
        let endpoint = try CourierEndpoint(path: "\(directory.path)/cni.sock") { request in
            seen.withLock { $0.append(try? request.namespace?.identity) }
            return .success(AttachmentResultTests.result, .v0_4_0)
        }
        defer { endpoint.stop() }
        let outcome = try call("ADD")
        #expect(outcome.status == 0)
        #expect(outcome.output == AttachmentResultTests.result.json(.v0_4_0).description + "\n")
        #expect(seen.withLock { $0 } == [own])
    }

    @Test("the agent's failure is the program's failure")
    func failure() throws {
        let endpoint = try CourierEndpoint(path: "\(directory.path)/cni.sock") { _ in
            .failure(Failure(.refused, "the pod has no room"), .v0_4_0)
        }
        defer { endpoint.stop() }
        let outcome = try call("ADD")
        #expect(outcome == .init(status: 1, output: #"{"cniVersion":"0.4.0","code":100,"msg":"the pod has no room"}"# + "\n"))
    }

    @Test("a namespace path that leads to none is bad for ADD, and no matter for DEL")
    func namespaceGone() throws {
        let endpoint = try CourierEndpoint(path: "\(directory.path)/cni.sock") { request in
            CourierResponse(status: request.namespace == nil ? 0 : 9, output: [])
        }
        defer { endpoint.stop() }
        for path in ["/nowhere", "/dev/null", "/proc/self/ns/mnt"] {
            let failure = try #require(try call("ADD", namespace: path).failure)
            #expect(failure.code == .badEnvironment)
            #expect(failure.message == "CNI_NETNS “\(path)” cannot be used")
            #expect(try call("DEL", namespace: path) == .init(status: 0, output: ""))
        }
    }

    @Test("without an agent ADD is to be tried again, in the version of the call, and DEL waits in the queue")
    func away() throws {
        let outcome = try call("ADD")
        #expect(outcome.status == 1)
        #expect(outcome.failure?.code == .tryAgainLater)
        #expect(outcome.document?["cniVersion"] == "0.4.0")
        #expect(try call("DEL") == .init(status: 0, output: ""))
        #expect(directory.names(in: "queue") == ["c1:eth0"])
    }

    @Test("an agent that dies in the middle leaves ADD to be tried again and DEL to wait")
    func died() throws {
        let listener = clinux_unix_socket()
        try #require(clinux_unix_bind(listener, "\(directory.path)/cni.sock") == 0 && listen(listener, 4) == 0)
        defer { close(listener) }
        let dying = try Background {
            for _ in 0..<2 {
                let peer = clinux_unix_accept(listener)
                var buffer = [UInt8](repeating: 0, count: 4096)
                _ = recv(peer, &buffer, buffer.count, 0)
                close(peer)
            }
        }
        let failure = try #require(try call("ADD").failure)
        #expect(failure.code == .tryAgainLater)
        #expect(failure.message.hasSuffix("went away before it answered"))
        #expect(try call("DEL").status == 0)
        #expect(directory.names(in: "queue") == ["c1:eth0"])
        dying.join()
    }

    @Test("input that is no JSON is told with its place, and missing variables by their name")
    func badInput() throws {
        let program = try Program.product("tulle-cni")
        let environment = ["CNI_COMMAND": "ADD", "CNI_CONTAINERID": "c1", "CNI_IFNAME": "eth0", "CNI_NETNS": "/x"]
        let malformed = try Program.run([program], environment: environment, input: #"{"cniVersion":"1.0.0",}"#)
        #expect(malformed.failure?.code == .undecodable)
        #expect(malformed.failure?.details.contains("byte 22") == true)
        let missing = try Program.run([program], environment: ["CNI_COMMAND": "ADD"], input: configuration)
        #expect(missing.failure?.code == .badEnvironment)
        #expect(missing.failure?.message.contains("CNI_CONTAINERID") == true)
    }

    @Test("without CNI_COMMAND it says what it is, and to a machine the specification's error; it does not wait for input")
    func byHand() throws {
        let program = try Program.product("tulle-cni")
        let words = "'\(program)' 2>&1 >/dev/null"
        #expect(try Program.run(["sh", "-c", words]).output == Program.run([program, "--help"]).output)
        // An open pipe without a byte.
        let patient = try Program([program])
        let document = try SmallJSON(reading: Array(patient.line().utf8))
        #expect(Failure(json: document)?.code == .badEnvironment)
        #expect(Failure(json: document)?.message == "CNI_COMMAND is not set")
        #expect(try patient.finish().status == 1)
    }

    @Test("a list of plugins instead of one is told from rubbish")
    func list() throws {
        let input = #"{"cniVersion":"1.1.0","name":"tulle","plugins":[{"type":"tulle-cni"}]}"#
        let outcome = try Program.run(
            [try Program.product("tulle-cni")], environment: ["CNI_COMMAND": "STATUS"], input: input)
        #expect(outcome.failure?.code == .badConfiguration)
        #expect(outcome.failure?.message.contains(".conflist") == true)
        #expect(outcome.output.hasSuffix("}\n"))
    }

    @Test("people get help and a version")
    func help() throws {
        let program = try Program.product("tulle-cni")
        #expect(try Program.run([program, "--help"]).output.contains("CNI_COMMAND=VERSION tulle-cni"))
        #expect(try Program.run([program, "--version"]).output == "tulle-cni 0.1.0\n")
        #expect(try Program.run([program, "--nonsense"]).status == 64)
    }

    @Test(
        "another user's courier is refused even where the socket's mode would let it in", .tags(.kernel),
        .enabled(if: canUseKernel))
    func otherUser() throws {
        let incidents = Mutex<[CourierIncident]>([])
        let path = "\(directory.path)/cni.sock"
        let endpoint = try CourierEndpoint(
            path: path, incident: { incident in incidents.withLock { $0.append(incident) } }, handler: { _ in .done })
        // The program has to be where everybody may run it.
        let copy = "\(directory.path)/tulle-cni"
        #expect(try Program.run(["cp", try Program.product("tulle-cni"), copy]).status == 0)
        try #require(chmod(directory.path, 0o755) == 0 && chmod(path, 0o666) == 0)
        let outcome = try Program.run(
            ["setpriv", "--reuid=65534", "--clear-groups", copy],
            environment: ["CNI_COMMAND": "ADD", "CNI_CONTAINERID": "c1", "CNI_IFNAME": "eth0", "CNI_NETNS": "/proc/self/ns/net"],
            input: configuration)
        endpoint.stop()
        #expect(outcome.failure?.code == .tryAgainLater)
        #expect(incidents.withLock { $0 } == [.refused(user: 65534)])
    }
}
