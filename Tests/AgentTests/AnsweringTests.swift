import CNI
import Glibc
import Logging
import Netlink
import Testing

@testable import Agent

/// What needs no link: the specification's codes for calls that come to nothing.
@Suite("answers to tulle-cni that are failures")
struct AnsweringTests {
    private let directory: TemporaryDirectory
    private let pods: PodService

    init() throws {
        directory = try TemporaryDirectory()
        let settings = AgentSettings(node: "n1", stateDirectory: "\(directory.path)/state")
        // Only to be told from the pods': nothing is asked of it here.
        pods = try PodService(
            settings, namespace: try .current(), surroundings: Surroundings(now: { .seconds(1000) }, random: { 0.5 }),
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }), changed: {})
    }

    private func call(
        _ verb: String, version: String = "1.1.0", more: String = "", namespace: NamespaceDescriptor? = nil
    ) throws -> (Failure, SmallJSON) {
        let request = CourierRequest(
            environment: [
                "CNI_COMMAND": verb, "CNI_CONTAINERID": "c1", "CNI_IFNAME": "eth0", "CNI_NETNS": "/proc/self/ns/net",
                "CNI_PATH": "/x",
            ],
            input: Array(#"{"cniVersion":"\#(version)","name":"pods","type":"tulle-cni"\#(more)}"#.utf8), namespace: namespace)
        let response = pods.answer(request)
        #expect(response.status == 1)
        let document = try SmallJSON(reading: response.output)
        return (try #require(Failure(json: document)), document)
    }

    private func ready(_ prefix: String = "192.0.2.0/30") throws {
        pods.adopt(prefixes: [try net(prefix)], mtu: 1500, reserved: [])
    }

    private var own: NamespaceDescriptor { get throws { try NamespaceDescriptor(path: "/proc/self/ns/net") } }

    @Test("a node that does not know its range says so, to STATUS and to ADD")
    func notReady() throws {
        #expect(try call("STATUS").0.code == .unavailable)
        try ready()
        let request = CourierRequest(
            environment: ["CNI_COMMAND": "STATUS"],
            input: Array(#"{"cniVersion":"1.1.0","name":"pods","type":"tulle-cni"}"#.utf8))
        #expect(pods.answer(request) == .done)
    }

    @Test("the node's own namespace is no pod's, and a namespace has to come along")
    func namespaces() throws {
        try ready()
        let refused = try call("ADD", namespace: try own).0
        #expect(refused.code == .badEnvironment)
        #expect(refused.message == "CNI_NETNS is the node's own namespace")
        #expect(try call("ADD").0.code == .badEnvironment)
    }

    @Test("CHECK of what is not attached is 3, and in the version of the call")
    func unknown() throws {
        let (failure, document) = try call("CHECK", version: "0.4.0", more: #","prevResult":{"cniVersion":"0.4.0"}"#)
        #expect(failure.code == .unknownContainer)
        #expect(document["cniVersion"] == "0.4.0")
    }

    @Test("what cannot be understood has the code of its reason")
    func notUnderstood() throws {
        #expect(try call("DANCE").0.code == .badEnvironment)
        #expect(try call("ADD", version: "9.9.9").0.code == .incompatibleVersion)
        #expect(try call("STATUS", version: "1.0.0").0.code == .incompatibleVersion)
        #expect(try call("GC").0.code == .badConfiguration)
        #expect(try call("CHECK").0.code == .badConfiguration)
        let response = pods.answer(CourierRequest(environment: ["CNI_COMMAND": "STATUS"], input: Array("{".utf8)))
        #expect(Failure(json: try SmallJSON(reading: response.output))?.code == .undecodable)
    }

    @Test("what the kernel refused is 5, with its words")
    func kernel() {
        let failure = PodService.failure(for: KernelError(.fileExists, "add link tl1", explanation: "taken"))
        #expect(failure.code == .inputOutput)
        #expect(failure.description == "add link tl1: file exists (kernel: taken)")
        let full = PodService.failure(for: Disk.refusal(ENOSPC, "write /x"))
        #expect(full.description == "write /x: no space left on device; make room on the disk it is on")
        #expect(PodService.failure(for: Failure(.tryAgainLater, "later")).code == .tryAgainLater)
        #expect(PodService.failure(for: SystemFailure("open", "/x", errno: ENOENT)).code == .inputOutput)
        #expect(PodService.failure(for: Broken("else")).code == .inputOutput)
    }
}
