import Testing

/// One module: which floor it is on, what it is for, and what it may know.
///
/// A new edge is one word here, with its reason beside it, in a commit of its own.
struct Room: Sendable {
    let name: String
    /// The folder under `Sources` that holds the module's folder.
    let floor: Floor
    let purpose: String
    /// Modules of ours that it may import.
    var ours: Set<String> = []
    /// Modules of others that it may import. Swift's standard library needs no word.
    var others: Set<String> = []

    var folder: String {
        switch floor {
        case .benchmarks: "Benchmarks"
        case .trials: "Tests/\(name)"
        default: "Sources/\(floor.rawValue)/\(name)"
        }
    }

    enum Floor: String, CaseIterable, Sendable {
        case foundations = "Foundations"
        case kube = "Kube"
        case intent = "Intent"
        case dialects = "Dialects"
        case runtime = "Runtime"
        case workshop = "Workshop"
        case commands = "Commands"
        /// Beside `Sources`: no product is made of it.
        case benchmarks = "Benchmarks"
        /// Beside `Sources` too: what several suites of tests, and the soak, ask the same questions with.
        case trials = "Trials"

        /// Whether it has a folder of its own under `Sources`.
        var isInSources: Bool { self != .benchmarks && self != .trials }
    }
}

extension Room {
    /// The architecture. What is not here may not be imported; a module that is not here may not exist.
    static let all: [Room] = [
        // Foundations: know nothing of Kubernetes.
        Room(name: "Addressing", floor: .foundations, purpose: "IP, prefix, MAC, port; longest-prefix map; address pool"),
        Room(name: "Reconcile", floor: .foundations, purpose: "keyed difference, backoff, debounce, when to look at what"),
        Room(
            name: "CLinux", floor: .foundations, purpose: "the only C: constants and one-call wrappers of the kernel's interface"),
        Room(
            name: "Netlink", floor: .foundations, purpose: "netlink sockets, messages, subscriptions, namespaces",
            ours: ["Addressing", "CLinux"], others: ["Glibc"]),

        // Kube: what was asked.
        // KubeAPI has a JSON reader and writer of its own and needs no Foundation.
        Room(name: "KubeAPI", floor: .kube, purpose: "the kinds we use, JSON, selectors, validation", ours: ["Addressing"]),
        // FoundationEssentials reads the files of objects; NIO's types are AsyncHTTPClient's words for bytes, headers and trust.
        // Glibc writes a kubeconfig that only its owner can read. Several informers make one stream, each on a thread of its own.
        Room(
            name: "KubeClient", floor: .kube, purpose: "list and watch, informer, objects from files",
            ours: ["KubeAPI", "Reconcile"],
            others: [
                "AsyncHTTPClient", "FoundationEssentials", "Glibc", "Logging", "NIOCore", "NIOHTTP1", "NIOPosix", "NIOSSL",
                "Synchronization", "Yams",
            ]),
        // Glibc: the lock file of the store, bound sockets by descriptor. FoundationEssentials: GRDB's blobs are its Data.
        // HTTPTypes and NIOHTTPTypes are the words of Hummingbird's requests. Crypto signs the tokens of service accounts.
        Room(
            name: "APIServer", floor: .kube, purpose: "embedded Kubernetes API: store, watch, WebSocket",
            ours: ["Addressing", "KubeAPI"],
            others: [
                "Crypto", "FoundationEssentials", "GRDB", "Glibc", "HTTPTypes", "Hummingbird", "HummingbirdCore", "Logging",
                "NIOCore",
                "NIOHTTP1", "NIOHTTPTypes", "NIOHTTPTypesHTTP1", "NIOPosix", "NIOSSL", "NIOWebSocket", "ServiceLifecycle",
                "Synchronization",
            ]),

        // Intent: what it means, and what should be true here.
        Room(
            name: "Cluster", floor: .intent, purpose: "objects resolved into one snapshot, and problems",
            ours: ["Addressing", "KubeAPI"], others: ["Collections"]),
        // KubeAPI beside Cluster: a problem names the object it is about, and the key of an object is KubeAPI's.
        Room(
            name: "Plan", floor: .intent, purpose: "a snapshot and host facts into everything that should be true",
            ours: ["Addressing", "Cluster", "DNS", "HostNetwork", "KubeAPI", "NFTables"], others: ["Collections"]),

        // Dialects: how each part of the world is told. Models are pure; the same, said to the kernel, is a module beside.
        Room(
            name: "HostNetwork", floor: .dialects, purpose: "links, addresses, routes, rules, neighbours, sysctls as values",
            ours: ["Addressing", "Reconcile"]),
        Room(
            name: "NFTables", floor: .dialects, purpose: "tables, chains, rules, sets, maps as values",
            ours: ["Addressing", "Reconcile"]),
        Room(name: "DNS", floor: .dialects, purpose: "messages, zones, answering", ours: ["Addressing"]),
        Room(
            name: "HostNetworkKernel", floor: .dialects, purpose: "HostNetwork observed and applied by rtnetlink",
            ours: ["Addressing", "CLinux", "HostNetwork", "Netlink"], others: ["Glibc", "Synchronization"]),
        Room(
            name: "NFTablesKernel", floor: .dialects, purpose: "NFTables observed and applied by nfnetlink",
            ours: ["Addressing", "CLinux", "NFTables", "Netlink"], others: ["Glibc", "Synchronization"]),

        // Runtime: who tells the world, and when.
        Room(
            name: "CNI", floor: .runtime, purpose: "the CNI specification, a small JSON, the courier and its endpoint",
            ours: ["CLinux"], others: ["Glibc", "Synchronization"]),
        // CLinux: a pod's namespace arrives as a descriptor over the courier's socket.
        // FoundationEssentials: a certificate's times are its dates, in public too. SwiftASN1 writes PEM.
        Room(
            name: "Identity", floor: .runtime, purpose: "a CA, certificates and their rotation", ours: ["Addressing"],
            others: ["Crypto", "FoundationEssentials", "SwiftASN1", "X509"]),
        // Addressing: where it listens. Glibc: why an address cannot be had. Figures are values: no global registry of metrics,
        // and
        // nothing to log.
        Room(
            name: "Telemetry", floor: .runtime, purpose: "figures as Prometheus reads them, and a small HTTP server",
            ours: ["Addressing"], others: ["Glibc", "NIOCore", "NIOHTTP1", "NIOPosix", "Synchronization"]),
        // It is fed values and knows nothing of Kubernetes. Yams: its configuration is a document whose mistakes have lines.
        // NIO carries TCP; UDP is threads on sockets of CLinux.
        Room(
            name: "NameServer", floor: .runtime, purpose: "names served over UDP and TCP, forwarded, remembered",
            ours: ["Addressing", "CLinux", "DNS"], others: ["Glibc", "Logging", "NIOCore", "NIOPosix", "Synchronization", "Yams"]),
        Room(
            name: "Agent", floor: .runtime, purpose: "the node's daemon: one writer to its network",
            ours: [
                "Addressing", "CLinux", "CNI", "Cluster", "DNS", "HostNetwork", "HostNetworkKernel", "KubeAPI", "KubeClient",
                "NFTables", "NFTablesKernel", "NameServer", "Netlink", "Plan", "Reconcile", "Telemetry",
            ],
            others: ["Glibc", "Logging", "ServiceLifecycle", "Synchronization"]),

        // Workshop: how we look at it and try it.
        // CLinux: the packet sockets of the lab's witness, descriptors of processes. Addressing: its nodes and pods have
        // addresses before there is a plan.
        // Identity: the lab has a CA of its own; FoundationEssentials: a certificate's times are its dates.
        // NFTablesKernel: that the host's tables are as they were.
        Room(
            name: "Lab", floor: .workshop, purpose: "a cluster out of network namespaces on one machine",
            ours: [
                "APIServer", "Addressing", "CLinux", "CNI", "HostNetwork", "HostNetworkKernel", "Identity", "KubeAPI",
                "KubeClient", "NFTables", "NFTablesKernel", "Netlink", "Reconcile",
            ],
            others: ["FoundationEssentials", "Glibc", "Logging", "NIOCore", "NIOPosix", "ServiceLifecycle", "Synchronization"]),

        // Commands: composition roots, the real clock, the environment, exit codes.
        // Plan: the names of an agent's duties are those of `--parts`. CLinux: the clocks.
        Room(
            name: "tulle", floor: .commands, purpose: "the program: agent, name server, lab",
            ours: [
                "APIServer", "Addressing", "Agent", "CLinux", "CNI", "Cluster", "DNS", "KubeAPI", "KubeClient", "Lab",
                "NameServer",
                "Netlink", "Plan", "Telemetry",
            ],
            others: ["ArgumentParser", "Glibc", "Logging", "ServiceLifecycle", "UnixSignals"]),
        Room(
            name: "tulle-cni", floor: .commands, purpose: "what a container runtime starts for every pod",
            ours: ["CLinux", "CNI"], others: ["Glibc"]),
        Room(
            name: "tulle-pod", floor: .commands, purpose: "the lab's launcher, pause and echo server", ours: ["CLinux"],
            others: ["Glibc"]),

        // GRDB is here for plain SQLite, which the store is compared with. Agent and Plan: a pod's dataplane is measured as the
        // agent makes it, and not as a copy of it. PolicyTrials: what the soak of policies asks.
        Room(
            name: "tulle-bench", floor: .benchmarks, purpose: "the figures behind the decisions",
            ours: [
                "APIServer", "Addressing", "Agent", "CLinux", "CNI", "Cluster", "DNS", "HostNetwork", "HostNetworkKernel",
                "KubeAPI",
                "KubeClient", "NFTables", "NFTablesKernel", "NameServer", "Netlink", "Plan", "PolicyTrials",
            ],
            others: [
                "ArgumentParser", "GRDB", "Glibc", "Logging", "NIOCore", "NIOPosix", "ServiceLifecycle", "Synchronization",
            ]),

        // It imports nothing of ours: what is judged by it shares no code with it.
        Room(name: "PolicyTrials", floor: .trials, purpose: "generated policies, and a slow judge of what they allow"),
    ]

    static func named(_ name: String) -> Room? { all.first { $0.name == name } }

    static func on(_ floors: Floor...) -> [Room] { all.filter { floors.contains($0.floor) } }

    /// Everything of ours that comes along when this module is imported, itself included.
    var reach: [Room] {
        var found: [String: Room] = [name: self]
        var open = [self]
        while let room = open.popLast() {
            for next in room.ours.compactMap(Room.named) where found.updateValue(next, forKey: next.name) == nil {
                open.append(next)
            }
        }
        return Array(found.values)
    }
}

extension Room: CustomTestStringConvertible {
    var testDescription: String { name }
}
