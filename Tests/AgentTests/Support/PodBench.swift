import CNI
import Logging
import Netlink
import Plan
import Synchronization
import Testing

@testable import Agent

/// A pod service over links that are only remembered, called as couriers call it; the clock is the test's.
final class PodBench {
    let directory: TemporaryDirectory
    let dataplane: FakeDataplane
    let tables: FakePortTables
    let service: PodService
    private let clock: Clock

    /// Shared by benches of one machine.
    final class Clock: Sendable {
        private let time = Mutex(Duration.seconds(1000))
        var now: Duration { time.withLock { $0 } }
        func advance(_ step: Duration) { time.withLock { $0 += step } }
    }

    /// - Parameter earlier: a bench whose agent was killed: this one goes on with its files.
    init(_ prefixes: String..., after earlier: PodBench? = nil, settings change: (inout AgentSettings) -> Void = { _ in }) throws
    {
        directory = try earlier?.directory ?? TemporaryDirectory()
        dataplane = earlier?.dataplane ?? FakeDataplane()
        tables = earlier?.tables ?? FakePortTables()
        let clock = earlier?.clock ?? Clock()
        self.clock = clock
        // A namespace of another kind stands for the node's: it is only told from the pods', and no root is needed.
        var settings = AgentSettings(node: "n1", stateDirectory: "\(directory.path)/state")
        change(&settings)
        service = try PodService(
            settings,
            namespace: NetworkNamespace(path: "/proc/self/ns/uts"), dataplane: dataplane, tables: tables,
            surroundings: Surroundings(now: { clock.now }, random: { 0.5 }),
            logger: Self.silence, changed: {})
        service.adopt(prefixes: try prefixes.map(net), mtu: 1500, reserved: [])
    }

    static let silence = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

    func advance(_ step: Duration) { clock.advance(step) }

    /// - Parameters:
    ///   - more: members of the configuration, each behind a comma.
    ///   - arguments: of `CNI_ARGS`, behind the pod's name.
    func call(
        _ verb: String, _ container: String = "c1", interface: String = "eth0", network: String = "pods", more: String = "",
        arguments: String = ""
    ) throws -> (failure: Failure?, document: SmallJSON?) {
        let request = CourierRequest(
            environment: [
                "CNI_COMMAND": verb, "CNI_CONTAINERID": container, "CNI_IFNAME": interface, "CNI_NETNS": "/proc/self/ns/net",
                "CNI_PATH": "/x",
                "CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=pod-\(container)\(arguments)",
            ],
            input: Array(#"{"cniVersion":"1.1.0","name":"\#(network)","type":"tulle-cni"\#(more)}"#.utf8),
            namespace: try NamespaceDescriptor(path: "/proc/self/ns/net"))
        let response = service.answer(request)
        let document = response.output.isEmpty ? nil : try SmallJSON(reading: response.output)
        #expect((response.status == 0) == (document.flatMap(Failure.init(json:)) == nil))
        return (document.flatMap(Failure.init(json:)), document)
    }

    /// The addresses of an ADD; empty when it was refused.
    func addresses(
        _ container: String, interface: String = "eth0", more: String = "", arguments: String = ""
    ) throws -> [String] {
        let (failure, document) = try call("ADD", container, interface: interface, more: more, arguments: arguments)
        guard failure == nil, let document else { return [] }
        return try AttachmentResult(json: document).addresses
    }

    func record(_ container: String, interface: String = "eth0") -> AttachmentRecord? {
        AttachmentRecord(bytes: Array(directory.read("state/attachments/\(container):\(interface)").utf8))
    }
}
