import Addressing
public import ArgumentParser
import Glibc
public import Lab
import UnixSignals

struct LabUp: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "up",
        abstract: "Start a cluster on this machine, for kubectl.",
        discussion: """
            Returns when all nodes are Ready, and leaves the cluster running. Its nodes are network namespaces on a wire of their \
            own: nothing of the host's network changes, and nothing leaves the machine. Images are not pulled: a catalogue says \
            which command runs for an image; the built-in echo answers for those it does not know.

            A lab that stopped (all its processes were killed) starts again with its objects by "tulle lab up" without options.

            Examples:
              tulle lab up
              tulle lab up --nodes 5 --families dual --pods 10
              tulle lab up --nodes 4 --segments 2 --backend vxlan --vxlan-direct-routing
              tulle lab up --name two --image 'web/*=python3 -m http.server 8080'
              tulle lab up --agent-option=--log-connections=denied --agent-option=--no-cut-connections

            \(LabExit.codes)
            """)

    enum Mode: String, ExpressibleByArgument, CaseIterable {
        case routed, bridge
    }

    enum Families: String, ExpressibleByArgument, CaseIterable {
        case ipv4, ipv6, dual

        var families: [IPFamily] {
            switch self {
            case .ipv4: [.v4]
            case .ipv6: [.v6]
            case .dual: [.v4, .v6]
            }
        }
    }

    @OptionGroup var place: LabPlace

    @Option(help: ArgumentHelp("How many nodes. [default: 3]", valueName: "count"))
    var nodes: Int?

    @Option(
        help: ArgumentHelp(
            "How pods of different nodes reach each other. [default: host-gw]", valueName: "kind"))
    var backend: LabSettings.Backend?

    @Flag(help: "With --backend vxlan: nodes that share a segment send as with host-gw.")
    var vxlanDirectRouting = false

    @Option(
        help: ArgumentHelp(
            "How pods hang on their node, each by itself or on a bridge. [default: routed]", valueName: "mode"))
    var podMode: Mode?

    @Option(
        help: ArgumentHelp(
            """
            On how many segments the nodes are, in turn, with a router between them that lets no pod's address pass: from two on \
            they need --backend vxlan. [default: 1]
            """, valueName: "count"))
    var segments: Int?

    @Option(
        help: ArgumentHelp("Which addresses pods and services have. [default: dual]", valueName: "families"))
    var families: Families?

    @Option(
        name: .customLong("pod-cidr"),
        help: ArgumentHelp(
            "Where pods' addresses come from; one of each family, between commas. [default: 10.244.0.0/16,fd00:10:244::/56]",
            valueName: "prefixes"))
    var podPrefixes: String?

    @Option(
        name: .customLong("service-cidr"),
        help: ArgumentHelp(
            "Where services' addresses come from. [default: 10.96.0.0/16,fd00:10:96::/112]", valueName: "prefixes"))
    var servicePrefixes: String?

    @Option(
        name: .customLong("image"),
        help: ArgumentHelp(
            "What runs for images: a pattern with * and a command of this machine, or echo, idle, or missing. May be repeated.",
            valueName: "pattern=command"))
    var images: [String] = []

    @Option(help: ArgumentHelp("How many echo pods to begin with. [default: 0]", valueName: "count"))
    var pods: Int?

    @Option(
        name: .customLong("dns"),
        help: ArgumentHelp(
            "How many pods serve names behind kube-system/kube-dns; 0 for no names. [default: 2]", valueName: "count"))
    var nameServers: Int?

    @Option(
        help: ArgumentHelp(
            """
            The file that nodes have as /etc/resolv.conf, read now: whom the name servers ask for names that are not the \
            cluster's, and pods with dnsPolicy Default for all. [default: nobody]
            """, valueName: "file"))
    var resolver: String?

    @Option(
        name: .customLong("agent-option"), parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            """
            A word of the command line of every node's agent (tulle agent --help), kept for agents that start later. May be \
            repeated.
            """, valueName: "word"))
    var agentOptions: [String] = []

    @Option(help: ArgumentHelp("Where kubectl finds the API on 127.0.0.1. [default: any that is free]", valueName: "port"))
    var port: UInt16?

    @Flag(help: "Do not say at the end what can be done next.")
    var brief = false

    func validate() throws {
        let settings = try settings()
        if let fault = settings.faults.first ?? LabAgentOptions.fault(of: settings) { throw ValidationError(fault) }
    }

    /// Whether the lab is to be a certain one. Its name and its port say which and where, not how it is.
    private var isParticular: Bool {
        nodes != nil || backend != nil || families != nil || podPrefixes != nil || servicePrefixes != nil || !images.isEmpty
            || pods != nil || segments != nil || vxlanDirectRouting || podMode != nil || nameServers != nil || resolver != nil
            || !agentOptions.isEmpty
    }

    /// With the usual ones where nothing is asked for.
    func settings() throws -> LabSettings {
        return LabSettings(
            name: place.name, nodes: nodes ?? 3, families: (families ?? .dual).families,
            podPrefixes: try Self.prefixes(podPrefixes, "--pod-cidr"),
            servicePrefixes: try Self.prefixes(servicePrefixes, "--service-cidr"),
            images: try images.map { text in
                guard let entry = ImageCatalogue.Entry(text: text) else {
                    throw ValidationError("--image \(text): write it as PATTERN=COMMAND, such as 'web/*=python3 -m http.server'")
                }
                return entry
            }, pods: pods ?? 0, port: port ?? 0, backend: backend ?? .hostGateway,
            isDirectOnSegment: vxlanDirectRouting, segmentCount: segments ?? 1, podMode: podMode == .bridge ? .bridge : .routed,
            nameServers: nameServers ?? Self.usualNameServers, resolver: try resolver.map(Self.text) ?? "",
            moreAgentOptions: agentOptions)
    }

    private static let usualNameServers = 2

    private static func text(of path: String) throws -> String {
        guard let file = fopen(path, "r") else {
            throw ValidationError("--resolver \(path): \(String(cString: strerror(errno)))")
        }
        defer { fclose(file) }
        // Larger ones are none.
        var bytes = [UInt8](repeating: 0, count: 65536)
        return String(decoding: bytes[..<fread(&bytes, 1, bytes.count, file)], as: UTF8.self)
    }

    private static func prefixes(_ text: String?, _ option: String) throws -> [IPPrefix] {
        guard let text else { return [] }
        return try text.split(separator: ",", omittingEmptySubsequences: false).map { part in
            guard let prefix = IPPrefix(String(part)) else {
                throw ValidationError(
                    "\(option) “\(part)” is no prefix; one is 10.244.0.0/16 (and no bits are set behind its length)")
            }
            return prefix
        }
    }

    func run() async throws {
        try await LabExit.running("up") {
            let (settings, isParticular) = (try settings(), isParticular)
            let clock = ContinuousClock()
            let begin = clock.now
            let launcher = LabLauncher(place.lab, programs: Programs.directory)
            let outcome = try await interruptible {
                try await launcher.bringUp(settings, asKept: !isParticular) { what, text in
                    FileHandles.say("\(Self.seconds(clock.now - begin))  \(Self.padded(what))  \(text)")
                }
            }
            if !brief { FileHandles.say(farewell(outcome)) }
        }
    }

    /// Cancels the work when somebody interrupts.
    private func interruptible<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) async throws -> Value {
        try await withThrowingTaskGroup(of: Value?.self) { group in
            let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm, .sighup)
            group.addTask { try await body() }
            group.addTask {
                for await _ in signals { return nil }
                return nil
            }
            defer { group.cancelAll() }
            guard let first = try await group.next(), let value = first else {
                FileHandles.complain("tulle lab up: interrupted; taking down what was begun")
                group.cancelAll()
                while let rest = try? await group.next() {
                    // It was up in the moment of the interruption.
                    if rest != nil { try place.lab.takeDown() }
                }
                throw CancellationError()
            }
            return value
        }
    }

    private func farewell(_ outcome: LabLauncher.Outcome) -> String {
        let (lab, suffix) = (place.lab, place.lab.options)
        return """

            The lab is up\(outcome == .resumed ? " again, with the objects it had" : "").

              export KUBECONFIG=\(lab.kubeconfig)
              kubectl get nodes

              tulle lab status\(suffix)    how it is
              tulle lab ping\(suffix)      every pod asks every pod
              tulle lab down\(suffix)      take it down, and leave nothing
            """
    }

    static func seconds(_ duration: Duration) -> String {
        let hundredths = Int((duration / .milliseconds(10)).rounded())
        let text = "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100) s"
        return String(repeating: " ", count: max(0, 8 - text.count)) + text
    }

    static func padded(_ word: String) -> String { word + String(repeating: " ", count: max(0, 10 - word.count)) }
}

// Both sides are ours.
extension LabSettings.Backend: ExpressibleByArgument {}

struct LabDown: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "down",
        abstract: "Take a lab down: its processes, namespaces and files, in whatever state they are.",
        discussion: """
            Nothing is left. What is there already is no error: a second time does nothing.

            Examples:
              tulle lab down

            \(LabExit.codes)
            """)

    @OptionGroup var place: LabPlace

    func run() async throws {
        try await LabExit.running("down") {
            let lab = place.lab
            let wasThere = try lab.takeDown()
            FileHandles.say(wasThere ? "The lab in \(lab.path) is taken down." : "There is no lab in \(lab.path).")
        }
    }
}

struct LabKubeconfig: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kubeconfig",
        abstract: "Print the path of the lab's kubeconfig.",
        discussion: """
            Examples:
              export KUBECONFIG=$(tulle lab kubeconfig)

            \(LabExit.codes)
            """)

    @OptionGroup var place: LabPlace

    func run() async throws {
        try await LabExit.running("kubeconfig") {
            guard place.lab.isUp else { throw LabControl.notUp(place.lab) }
            FileHandles.say(place.lab.kubeconfig)
        }
    }
}
