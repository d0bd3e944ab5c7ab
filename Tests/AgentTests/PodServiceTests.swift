import Addressing
import CNI
import Cluster
import Glibc
import HostNetwork
import Logging
import Netlink
import Plan
import Synchronization
import Testing

@testable import Agent

@Suite("attaching and detaching when something is refused")
struct PodServiceTests {
    private let directory: TemporaryDirectory
    private let dataplane = FakeDataplane()
    private let settings: AgentSettings
    private let pods: PodService

    init() throws {
        directory = try TemporaryDirectory()
        settings = AgentSettings(node: "n1", stateDirectory: "\(directory.path)/state")
        pods = try Self.service(settings, dataplane)
    }

    /// A namespace of another kind stands for the node's: it is only told from the pods', and no root is needed.
    private static func service(
        _ settings: AgentSettings, _ dataplane: FakeDataplane, changed: @escaping @Sendable () -> Void = {}
    ) throws -> PodService {
        let service = try PodService(
            settings, namespace: NetworkNamespace(path: "/proc/self/ns/uts"), dataplane: dataplane,
            tables: FakePortTables(), surroundings: Surroundings(now: { .seconds(1000) }, random: { 0.5 }),
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }), changed: changed)
        service.adopt(prefixes: [try net("192.0.2.0/29")], mtu: 1500, reserved: [])
        return service
    }

    private func call(
        _ verb: String, _ container: String = "c1", more: String = "", of service: PodService? = nil
    ) throws -> (failure: Failure?, document: SmallJSON?) {
        let request = CourierRequest(
            environment: [
                "CNI_COMMAND": verb, "CNI_CONTAINERID": container, "CNI_IFNAME": "eth0", "CNI_NETNS": "/proc/self/ns/net",
                "CNI_PATH": "/x",
            ],
            input: Array(#"{"cniVersion":"1.1.0","name":"pods","type":"tulle-cni"\#(more)}"#.utf8),
            namespace: try NamespaceDescriptor(path: "/proc/self/ns/net"))
        let response = (service ?? pods).answer(request)
        let document = response.output.isEmpty ? nil : try SmallJSON(reading: response.output)
        #expect((response.status == 0) == (document.flatMap(Failure.init(json:)) == nil))
        return (document.flatMap(Failure.init(json:)), document)
    }

    private func address(_ container: String, of service: PodService? = nil) throws -> String? {
        let document = try #require(try call("ADD", container, of: service).document)
        return try AttachmentResult(json: document).addresses.first
    }

    private var attachments: [String] { directory.names(in: "state/attachments") }
    private let busy = KernelError(.busy, "remove link tl")

    // MARK: - An ADD that is refused

    @Test("an ADD that is refused leaves nothing, and its address rests")
    func refused() throws {
        dataplane.refuse(making: KernelError(.noSuchDevice, "add route"))
        #expect(try call("ADD").failure?.code == .inputOutput)
        #expect(attachments == [] && dataplane.links == [])
        dataplane.refuse(making: nil)
        #expect(try address("c2") == "192.0.2.2")
    }

    // Its address was given to the next pod while the first pod's link still carried it: two pods with one address.
    @Test(
        "the address of a link that does not go is nobody's until it went: by the next look, DEL, GC or ADD",
        arguments: ["tidy", "DEL", "GC", "ADD"])
    func held(_ way: String) throws {
        dataplane.refuse(making: KernelError(.noSuchDevice, "add route"))
        dataplane.refuse(removing: busy)
        #expect(try call("ADD").failure?.message == "add route")
        #expect(attachments == [".c1:eth0.adding"] && dataplane.links == [id("c1").link])
        dataplane.refuse(making: nil)
        #expect(try address("c2") == "192.0.2.2")
        #expect(try call("CHECK", more: #","prevResult":{}"#).failure?.code == .unknownContainer)
        // For a round it is nobody's: not to be repaired, and not a stray one.
        let seen = pods.attachments()
        #expect(seen.all.keys.map(\.container) == ["c2"] && seen.busy == [id("c1")])

        pods.tidy()
        #expect(pods.attachments().problems.map(\.id) == [.changeRefused])
        #expect(pods.attachments().problems.first?.message.contains("c1:eth0") == true)
        #expect(try call("DEL").failure?.code == .inputOutput)
        #expect(attachments == [".c1:eth0.adding", "c2:eth0"])

        dataplane.refuse(removing: nil)
        switch way {
        case "tidy": pods.tidy()
        case "DEL": #expect(try call("DEL").failure == nil)
        case "GC":
            let kept = #","cni.dev/valid-attachments":[{"containerID":"c2","ifname":"eth0"}]"#
            #expect(try call("GC", more: kept).failure == nil)
        default: #expect(try address("c1") == "192.0.2.3", "its old address rests")
        }
        #expect(attachments == (way == "ADD" ? ["c1:eth0", "c2:eth0"] : ["c2:eth0"]))
        #expect(dataplane.links == Set((way == "ADD" ? ["c1", "c2"] : ["c2"]).map { id($0).link }))
        pods.tidy()
        #expect(pods.attachments().problems == [] && pods.attachments().busy == [])
        #expect(directory.names(in: "state/resting").contains("192.0.2.1"))
    }

    // The agent did not start as long as the kernel did not let go one link.
    @Test("an unanswered ADD whose link does not go is held over a start, and taken back once it goes")
    func restart() throws {
        let draft = try record("c1", "192.0.2.1")
        try AddressStore(directory: settings.stateDirectory).begin(draft)
        try dataplane.make(draft.attachment, in: .current())
        dataplane.refuse(removing: busy)
        let next = try Self.service(settings, dataplane)
        #expect(try address("c2", of: next) == "192.0.2.2")
        #expect(attachments == [".c1:eth0.adding", "c2:eth0"])
        dataplane.refuse(removing: nil)
        next.tidy()
        #expect(attachments == ["c2:eth0"] && dataplane.links == [id("c2").link])
    }

    @Test("what took the name of a pod's link is not removed, and said with what to do")
    func taken() throws {
        dataplane.refuse(making: LinkTaken(name: "eth0", end: .pod))
        let inPod = try #require(try call("ADD").failure)
        #expect(inPod.code == .refused)
        #expect(inPod.message == "the pod's namespace already has an eth0")
        #expect(inPod.details.contains("DEL"))
        dataplane.refuse(making: nil)
        try dataplane.make(record("c2", "192.0.2.6").attachment, in: .current())
        dataplane.refuse(making: LinkTaken(name: id("c2").link, end: .node))
        #expect(try call("ADD", "c2").failure?.message == "the node already has the link \(id("c2").link) of this pod")
        #expect(dataplane.links == [id("c2").link])
        #expect(attachments == [])
    }

    @Test("a pod whose record cannot be read is not attached a second time before its DEL")
    func unreadableRecord() throws {
        try directory.write("rubbish", to: "state/attachments/c1:eth0")
        let next = try Self.service(settings, dataplane)
        let failure = try #require(try call("ADD", of: next).failure)
        #expect(failure.code == .refused && failure.details.contains("DEL it first"))
        #expect(try call("DEL", of: next).failure == nil)
        #expect(try address("c1", of: next) == "192.0.2.1")
    }

    // MARK: - A disk that does not take a file

    // With a full disk no pod could end: DEL failed because it could not write down since when an address rests.
    @Test("a DEL needs nothing written: where an address cannot be written down as resting, it rests all the same")
    func fullDisk() throws {
        #expect(try address("c1") == "192.0.2.1")
        directory.remove("state/resting")
        // Every file below it is refused now, also to root.
        try directory.write("", to: "state/resting")
        #expect(try call("DEL").failure == nil)
        #expect(attachments == [] && dataplane.links == [])
        #expect(try address("c2") == "192.0.2.2")
        #expect(try call("DEL", "c2").failure == nil)
    }

    // MARK: - Deletions that wait

    @Test("a damaged deletion is carried out by its file's name")
    func damaged() throws {
        #expect(try address("c1") == "192.0.2.1")
        #expect(mkdir(settings.queueDirectory, 0o700) == 0)
        try directory.write("rubbish", to: "state/deletions/c1:eth0")
        pods.tidy()
        #expect(attachments == [] && dataplane.links == [])
        #expect(directory.names(in: "state/deletions") == [] && pods.attachments().problems == [])
    }

    @Test("also one with a name that was cut, when it is one of ours")
    func longDamaged() throws {
        let long = String(repeating: "c", count: 230)
        _ = try address(long)
        let path = QueuedDeletions(directory: settings.queueDirectory)
            .path(of: try CNI.Attachment(containerID: long, interface: "eth0"))
        let name = String(path.dropFirst(directory.path.count + 1))
        #expect(mkdir(settings.queueDirectory, 0o700) == 0)
        try directory.write("rubbish", to: name)
        pods.tidy()
        #expect(dataplane.links == [] && directory.names(in: "state/deletions") == [])
    }

    @Test("a deletion that tells nothing, or that the system does not let us read, stays and is a problem, once")
    func untold() throws {
        let counter = Counter()
        let service = try Self.service(settings, dataplane, changed: { counter.add() })
        #expect(try address("c1", of: service) == "192.0.2.1")
        #expect(mkdir(settings.queueDirectory, 0o700) == 0)
        try directory.write("rubbish", to: "state/deletions/readme")
        // The system refuses to read a directory, even to root.
        #expect(mkdir("\(settings.queueDirectory)/c1:eth0", 0o700) == 0)
        let before = counter.count
        for _ in 0..<3 { service.tidy() }
        #expect(counter.count == before + 1, "the node is looked at once for it")
        let problems = service.attachments().problems
        #expect(problems.map(\.id) == [.deletionUnreadable, .deletionUnreadable])
        #expect(problems.map(\.message).contains { $0.contains("c1:eth0") && $0.contains("Is a directory") })
        #expect(directory.names(in: "state/deletions") == ["c1:eth0", "readme"])
        #expect(attachments == ["c1:eth0"])
        // Whether an old deletion waits is not known: a new pod would be taken away by it.
        #expect(try call("ADD", of: service).failure?.message.contains("c1:eth0 and cannot be read") == true)
        rmdir("\(settings.queueDirectory)/c1:eth0")
        directory.remove("state/deletions/readme")
        service.tidy()
        #expect(service.attachments().problems == [])
        #expect(counter.count == before + 2)
    }

    @Test("an old deletion comes before a new ADD of the same name, also a damaged one")
    func oldDeletion() throws {
        #expect(try address("c1") == "192.0.2.1")
        #expect(mkdir(settings.queueDirectory, 0o700) == 0)
        try directory.write("rubbish", to: "state/deletions/c1:eth0")
        #expect(try address("c1") == "192.0.2.2")
        pods.tidy()
        #expect(attachments == ["c1:eth0"] && dataplane.links == [id("c1").link])
    }

    // MARK: - Chains, and what is said

    @Test("in a chain the result is the previous one with ours behind it, and a previous one that is none makes nothing")
    func chain() throws {
        let previous =
            #","prevResult":{"cniVersion":"1.1.0","interfaces":[{"name":"x0","pciID":"1"}],"dns":{"domain":"example.org"}}"#
        let document = try #require(try call("ADD", more: previous).document)
        #expect(document["interfaces"]?.array?.compactMap { $0["name"]?.string } == ["x0", id("c1").link, "eth0"])
        #expect(document["interfaces"]?.array?.first?["pciID"] == "1")
        #expect(document["ips"]?.array?.first?["interface"] == 2)
        #expect(document["dns"]?["domain"] == "example.org")
        #expect(try call("ADD", "c2", more: #","prevResult":{"ips":7}"#).failure?.code == .badConfiguration)
        #expect(dataplane.links == [id("c1").link])
    }

    @Test("a socket's path that is too long is told before anything is made")
    func longSocket() throws {
        let long = "\(directory.path)/\(String(repeating: "s", count: 120))"
        #expect {
            try PodService(
                AgentSettings(node: "n1", stateDirectory: long), namespace: .current(), dataplane: dataplane,
                surroundings: Surroundings(now: { .zero }, random: { 0 }),
                logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }), changed: {})
        } throws: {
            "\($0)".contains("file name too long") && "\($0)".contains("may have 107: choose a shorter state directory")
        }
        #expect(access(long, F_OK) != 0)
    }

    @Test("STATUS says that no ADD can be served: without a range, without a place to write, with a stranger for a bridge")
    func unavailable() throws {
        let unknown = try PodBench()
        #expect(try unknown.call("STATUS", "").failure?.code == .unavailable)
        let bench = try PodBench("192.0.2.0/29", settings: { $0.network.podMode = .bridge })
        #expect(try bench.call("STATUS", "").failure == nil)
        #expect(bench.directory.names(in: "state/attachments") == [])
        let stranger = KernelError(.fileExists, "make the pods' bridge tlbridge")
        bench.dataplane.refuse(bridge: stranger)
        let failure = try #require(try bench.call("STATUS", "").failure)
        #expect(failure.code == .unavailable && failure.message == stranger.operation)
        bench.dataplane.refuse(bridge: nil)
        rmdir("\(bench.directory.path)/state/attachments")
        #expect(try bench.call("STATUS", "").failure?.code == .unavailable)
    }

    @Test(
        "a directory that cannot be made is told with the system's word and what to do",
        arguments: [
            ("/proc/tulle", "no such file or directory", "another state directory"),
            ("/dev/null/x", "not a directory", "is a file"),
        ])
    func badDirectory(_ path: String, _ word: String, _ remedy: String) {
        #expect { try AddressStore(directory: path) } throws: {
            "\($0)".contains("make directory \(path): \(word); ") && "\($0)".contains(remedy)
        }
    }
}

/// Counts calls from any thread.
private final class Counter: Sendable {
    private let value = Mutex(0)
    var count: Int { value.withLock { $0 } }
    func add() { value.withLock { $0 += 1 } }
}
