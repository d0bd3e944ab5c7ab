public import Addressing
import KubeAPI

/// What a lab is to be: how many nodes, which addresses, what runs for an image.
public struct LabSettings: Hashable, Sendable {
    public enum Backend: String, Hashable, Sendable, CaseIterable {
        /// Nodes share a segment, and a route leads to each other node's pods.
        case hostGateway = "host-gw"
        /// Packets between nodes are wrapped in UDP: needed as soon as there are several segments.
        case vxlan
        /// Nobody makes roads.
        case none
    }

    /// How pods hang on their node.
    public enum PodMode: String, Hashable, Sendable, CaseIterable {
        case routed, bridge
    }

    public var name: String
    /// How many nodes it is made with.
    public var nodes: Int
    /// The nodes there are: those it was made with, until some are added or removed.
    var seats: [LabSeat]
    /// The cable of the next node that is added.
    var nextPlug: Int
    public var backend: Backend
    public var podMode: PodMode
    /// With ``Backend/vxlan``: nodes of one segment send without wrapping.
    public var isDirectOnSegment: Bool
    /// The first is the cluster's primary one.
    public var families: [IPFamily]
    /// One of each family, as all that follow.
    public var podPrefixes: [IPPrefix]
    public var servicePrefixes: [IPPrefix]
    /// How many wires there are, with a router between them: the nodes are spread over them in turn.
    public var segmentCount: Int
    /// Of the wires between the nodes: one of each family for the first wire, then for the second.
    public var segments: [IPPrefix]
    /// What a user's images run, before ours.
    public var images: [ImageCatalogue.Entry]
    /// How many echo pods are there from the beginning.
    public var pods: Int
    /// How many pods of the lab's own serve names behind `kube-system/kube-dns`; with none, pods have no name server.
    public var nameServers: Int
    /// What stands in the nodes' `/etc/resolv.conf`: whom pods with `dnsPolicy: Default` ask, and the name servers for what is not
    /// the cluster's. Empty: a lab sends nothing to the world outside.
    public var resolver: String
    /// What every agent is told besides, each a word of its command line. Whether it understands them is for whoever asks to see to.
    public var moreAgentOptions: [String]
    /// Where kubectl finds the API on loopback; zero: any that is free, and the same again after a restart.
    public var port: UInt16

    /// - Parameters:
    ///   - podPrefixes: of the families that are named; the others get the usual ones.
    public init(
        name: String = "lab", nodes: Int = 3, families: [IPFamily] = [.v4, .v6], podPrefixes: [IPPrefix] = [],
        servicePrefixes: [IPPrefix] = [], images: [ImageCatalogue.Entry] = [], pods: Int = 0, port: UInt16 = 0,
        backend: Backend = .hostGateway, isDirectOnSegment: Bool = false, segmentCount: Int = 1,
        podMode: PodMode = .routed, nameServers: Int = 0, resolver: String = "", moreAgentOptions: [String] = []
    ) {
        (self.name, self.nodes, self.families, self.images) = (name, nodes, families, images)
        nextPlug = min(max(1, nodes), Self.mostNodes) + 1
        seats = (0..<min(max(1, nodes), Self.mostNodes)).map { LabSeat(number: $0 + 1, position: $0, plug: $0 + 1) }
        (self.backend, self.isDirectOnSegment, self.segmentCount) = (backend, isDirectOnSegment, segmentCount)
        (self.pods, self.port, self.podMode) = (pods, port, podMode)
        (self.nameServers, self.resolver, self.moreAgentOptions) = (nameServers, resolver, moreAgentOptions)
        func complete(_ given: [IPPrefix], _ usual: [IPPrefix]) -> [IPPrefix] {
            families.flatMap { family in
                let named = given.filter { $0.family == family }
                return named.isEmpty ? usual.filter { $0.family == family } : named
            } + given.filter { !families.contains($0.family) }
        }
        let (pods, services) = (
            complete(podPrefixes, Self.usualPodPrefixes), complete(servicePrefixes, Self.usualServicePrefixes)
        )
        self.podPrefixes = pods
        self.servicePrefixes = services
        let free = families.map { family in
            Self.usualSegments.filter { segment in
                segment.family == family && !(pods + services).contains { $0.overlaps(segment) }
            }
        }
        segments = (0..<max(1, segmentCount)).flatMap { wire in free.compactMap { $0.dropFirst(wire).first } }
    }

    static let usualPodPrefixes = ["10.244.0.0/16", "fd00:10:244::/56"].compactMap { IPPrefix($0) }
    static let usualServicePrefixes = ["10.96.0.0/16", "fd00:10:96::/112"].compactMap { IPPrefix($0) }
    /// The first that is in nobody's way.
    static let usualSegments = [
        "172.30.0.0/24", "172.29.0.0/24", "198.18.0.0/24", "172.28.0.0/24", "198.18.1.0/24", "fd30::/64", "fd31::/64",
        "fd32::/64", "fd33::/64", "fd34::/64",
    ].compactMap { IPPrefix($0) }
}

// MARK: - Names and addresses

extension LabSettings {
    public static let mostNodes = 100
    public static let mostSegments = 3
    public static let mostNameServers = 10
    /// The API's port on the wire.
    static let serverPort: UInt16 = 6443

    public var nodeNames: [String] { seats.map(\.name) }

    /// The wire that a node is on, by its position.
    func wire(ofNode position: Int) -> Int { position % max(1, segmentCount) }

    /// The prefixes of one wire.
    func segments(ofWire wire: Int) -> [IPPrefix] { Array(segments.dropFirst(wire * families.count).prefix(families.count)) }

    /// How long the prefix of a segment is.
    var segmentLengths: [IPFamily: Int] { Dictionary(segments.map { ($0.family, $0.length) }) { first, _ in first } }

    /// A node's addresses, by its position.
    func addresses(ofNode position: Int) -> [IPAddress] {
        segments(ofWire: wire(ofNode: position)).compactMap { $0.address(at: UInt128(11 + position)) }
    }

    /// The fabric's own addresses on a wire: those of the router, where there is one.
    func routerAddresses(ofWire wire: Int) -> [IPAddress] { segments(ofWire: wire).compactMap { $0.address(at: 1) } }

    /// Where nodes and pods find the API.
    var serverAddresses: [IPAddress] { routerAddresses(ofWire: 0) }

    /// What every agent is told.
    public var agentOptions: [String] {
        ["--backend", backend.rawValue] + (isDirectOnSegment ? ["--vxlan-direct-routing"] : [])
            + (podMode == .routed ? [] : ["--pod-mode", podMode.rawValue]) + moreAgentOptions
    }

    /// The address of the service `kubernetes`.
    var serviceAddress: IPAddress? { servicePrefixes.first?.address(at: 1) }

    /// Where the lab's name servers are asked: the tenth of each range, as clusters have it by custom. None without servers.
    var nameServerAddresses: [IPAddress] { nameServers == 0 ? [] : servicePrefixes.compactMap { $0.address(at: 10) } }

    /// How long a node's part of a family's pod prefix is: Kubernetes' defaults, or less where the prefix is smaller.
    func nodeLength(_ prefix: IPPrefix) -> Int {
        let usual = prefix.family == .v4 ? 24 : 64
        guard prefix.length >= usual else { return usual }
        return min(prefix.family.bitWidth, prefix.length + Self.bits(nodes))
    }

    private static func bits(_ count: Int) -> Int { count <= 1 ? 0 : Int.bitWidth - (count - 1).leadingZeroBitCount }
}

// MARK: - Validation

extension LabSettings {
    /// Everything that is wrong, each with the option it is about.
    public var faults: [String] {
        var faults: [String] = []
        if !(1...Self.mostNodes).contains(nodes) { faults.append("--nodes \(nodes): from 1 to \(Self.mostNodes)") }
        if !(1...Self.mostSegments).contains(segmentCount) {
            faults.append("--segments \(segmentCount): from 1 to \(Self.mostSegments)")
        } else if segmentCount > nodes {
            faults.append(
                "--segments \(segmentCount): there \(nodes == 1 ? "is only 1 node" : "are only \(nodes) nodes") to be on them")
        } else if segmentCount > 1, backend == .hostGateway {
            faults.append(
                "--segments \(segmentCount): between segments is a router that lets no pod's address pass, so --backend host-gw makes "
                    + "no road there; take --backend vxlan")
        }
        if isDirectOnSegment, backend != .vxlan { faults.append("--vxlan-direct-routing goes with --backend vxlan") }
        if !(0...Self.mostNameServers).contains(nameServers) {
            faults.append("--dns \(nameServers): from 0 to \(Self.mostNameServers)")
        }
        if !(0...1000).contains(pods) { faults.append("--pods \(pods): from 0 to 1000") }
        let letters = name.utf8.allSatisfy { ($0 >= 97 && $0 <= 122) || ($0 >= 48 && $0 <= 57) || $0 == 45 }
        if name.isEmpty || name.utf8.count > 40 || !letters || name.hasPrefix("-") || name.hasSuffix("-") {
            faults.append("--name \(name): 1 to 40 small letters, digits and hyphens inside")
        }
        faults +=
            Self.faults(of: podPrefixes, families, "--pod-cidr") + Self.faults(of: servicePrefixes, families, "--service-cidr")
        faults += podPrefixes.compactMap(roomFault) + servicePrefixes.compactMap(Self.serviceFault) + overlaps
        if segments.count < families.count * max(1, segmentCount) {
            faults.append("--pod-cidr and --service-cidr leave no prefix for the wire between nodes")
        }
        for entry in images where entry.pattern.isEmpty { faults.append("--image: the pattern before the = is empty") }
        return faults
    }

    private static func faults(of prefixes: [IPPrefix], _ families: [IPFamily], _ option: String) -> [String] {
        var faults: [String] = []
        for prefix in prefixes {
            if !families.contains(prefix.family) {
                faults.append("\(option) \(prefix): the lab has no \(prefix.family.name); see --families")
            }
            if let special = special.first(where: { $0.prefix?.overlaps(prefix) == true }) {
                faults.append("\(option) \(prefix): overlaps \(special.text), \(special.use)")
            }
        }
        for family in families where prefixes.count(where: { $0.family == family }) > 1 {
            faults.append("\(option): one prefix of \(family.name), not several")
        }
        return faults
    }

    private struct Special {
        var text: String
        var use: String
        var prefix: IPPrefix? { IPPrefix(text) }
    }

    private static let special = [
        Special(text: "0.0.0.0/8", use: "which means this network"), Special(text: "127.0.0.0/8", use: "the loopback addresses"),
        Special(text: "169.254.0.0/16", use: "the link-local addresses, where pods find their gateway"),
        Special(text: "224.0.0.0/3", use: "the multicast and reserved addresses"),
        Special(text: "::/16", use: "the loopback and mapped addresses"),
        Special(text: "fe80::/10", use: "the link-local addresses"), Special(text: "ff00::/8", use: "the multicast addresses"),
    ]

    private func roomFault(_ prefix: IPPrefix) -> String? {
        let (least, most) = prefix.family == .v4 ? (8, 28) : (16, 116)
        guard (least...most).contains(prefix.length) else {
            return "--pod-cidr \(prefix): its length must be from /\(least) to /\(most)"
        }
        let (length, needed) = (nodeLength(prefix), Self.bits(nodes))
        // Three addresses of a prefix are no pod's.
        guard length - prefix.length >= needed, prefix.family.bitWidth - length >= 3 else {
            return "--pod-cidr \(prefix): no room for \(nodes) nodes of a /\(length) each"
        }
        return nil
    }

    private static func serviceFault(_ prefix: IPPrefix) -> String? {
        // As kube-apiserver has it: at most 20 bits.
        let (least, most) = prefix.family == .v4 ? (12, 28) : (108, 124)
        return (least...most).contains(prefix.length)
            ? nil : "--service-cidr \(prefix): its length must be from /\(least) to /\(most)"
    }

    private var overlaps: [String] {
        podPrefixes.flatMap { pods in
            servicePrefixes.filter { $0.overlaps(pods) }.map { "--pod-cidr \(pods) and --service-cidr \($0) overlap" }
        }
    }
}

// MARK: - The file

extension LabSettings {
    var json: JSONValue {
        func texts(_ values: [some CustomStringConvertible]) -> JSONValue { .array(values.map { .string($0.description) }) }
        return [
            "name": .string(name), "nodes": JSONValue(nodes), "backend": .string(backend.rawValue),
            "isDirectOnSegment": .bool(isDirectOnSegment), "segmentCount": JSONValue(segmentCount),
            "podMode": .string(podMode.rawValue),
            "families": .array(families.map { .string($0.name) }), "podPrefixes": texts(podPrefixes),
            "servicePrefixes": texts(servicePrefixes), "segments": texts(segments), "pods": JSONValue(pods),
            "port": JSONValue(Int(port)), "images": .array(images.map { .string($0.text) }),
            "nameServers": JSONValue(nameServers), "resolver": .string(resolver), "moreAgentOptions": texts(moreAgentOptions),
            "seats": .array(seats.map(\.json)), "nextPlug": JSONValue(nextPlug),
        ]
    }

    init(_ tree: JSONValue) throws(LabError) {
        func texts(_ field: String) -> [String] { (tree[field]?.array ?? []).compactMap(\.string) }
        let families = texts("families").compactMap { name in IPFamily.allCases.first { $0.name == name } }
        self.init(
            name: tree["name"]?.string ?? "", nodes: tree["nodes"]?.integer ?? 0, families: families,
            podPrefixes: texts("podPrefixes").compactMap { IPPrefix($0) },
            servicePrefixes: texts("servicePrefixes").compactMap { IPPrefix($0) },
            images: texts("images").compactMap { ImageCatalogue.Entry(text: $0) }, pods: tree["pods"]?.integer ?? 0,
            port: UInt16(clamping: tree["port"]?.integer ?? 0),
            backend: (tree["backend"]?.string).flatMap(Backend.init) ?? .hostGateway,
            isDirectOnSegment: tree["isDirectOnSegment"] == true, segmentCount: tree["segmentCount"]?.integer ?? 1,
            podMode: (tree["podMode"]?.string).flatMap(PodMode.init) ?? .routed,
            nameServers: tree["nameServers"]?.integer ?? 0, resolver: tree["resolver"]?.string ?? "",
            moreAgentOptions: texts("moreAgentOptions"))
        segments = texts("segments").compactMap { IPPrefix($0) }
        if let kept = tree["seats"]?.array { seats = kept.compactMap { LabSeat($0) } }
        if let kept = tree["nextPlug"]?.integer { nextPlug = kept }
        guard faults.isEmpty, !families.isEmpty, !seats.isEmpty, segments.count == families.count * segmentCount else {
            throw LabError(
                .stateUnusable, "the lab's settings are damaged: \(faults.joined(separator: "; "))")
        }
    }
}

extension ImageCatalogue.Entry {
    /// Reads `PATTERN=COMMAND`: `echo`, `idle` and `missing` are ours, everything else is a command with its arguments between spaces.
    public init?(text: String) {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else { return nil }
        let words = parts[1].split(separator: " ").map(String.init)
        guard let first = words.first else { return nil }
        self.init(String(parts[0]), Self.program(words, first))
    }

    private static func program(_ words: [String], _ first: String) -> ImageCatalogue.Program {
        switch words {
        case ["echo"]: .echo
        case ["idle"]: .idle
        case ["missing"]: .missing
        default: .command([first] + words.dropFirst())
        }
    }

    public var text: String {
        switch program {
        case .echo: "\(pattern)=echo"
        case .idle: "\(pattern)=idle"
        case .missing: "\(pattern)=missing"
        // agnhost and shells are the catalogue's own: no text makes them.
        case .agnhost: "\(pattern)=echo"
        case .command(let words), .shell(let words): "\(pattern)=\(words.joined(separator: " "))"
        }
    }
}
