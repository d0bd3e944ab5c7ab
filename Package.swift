// swift-tools-version: 6.3
import PackageDescription

// The rooms of the house. The folder says which floor a module is on; `Tests/HouseTests` holds the import table.
let package = Package(
    name: "tulle",
    products: [
        .executable(name: "tulle", targets: ["tulle"]),
        .executable(name: "tulle-cni", targets: ["tulle-cni"]),
        .executable(name: "tulle-pod", targets: ["tulle-pod"]),
        .executable(name: "tulle-bench", targets: ["tulle-bench"]),
        .library(name: "Addressing", targets: ["Addressing"]),
        .library(name: "Netlink", targets: ["Netlink"]),
        .library(name: "NFTables", targets: ["NFTables", "NFTablesKernel"]),
        .library(name: "DNS", targets: ["DNS"]),
        .library(name: "HostNetwork", targets: ["HostNetwork", "HostNetworkKernel"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
        .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-crypto", "3.12.3"..<"5.0.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: foundations + kube + intent + dialects + runtime + workshop + commands + trials + tests
)

// MARK: - Rooms

var foundations: [Target] {
    [
        room("Addressing", in: "Foundations"),
        room("Reconcile", in: "Foundations"),
        .target(name: "CLinux", path: "Sources/Foundations/CLinux"),
        room("Netlink", in: "Foundations", ["Addressing", "CLinux"]),
    ]
}

var kube: [Target] {
    [
        room("KubeAPI", in: "Kube", ["Addressing"]),
        room(
            "KubeClient", in: "Kube",
            [
                "KubeAPI", "Reconcile", .asyncHTTPClient, .nioCore, .nioPosix, .nioHTTP1, .nioSSL, .yams, .logging,
            ]),
        room(
            "APIServer", in: "Kube",
            [
                "Addressing", "KubeAPI", .hummingbird, .hummingbirdCore, .httpTypes, .nioHTTPTypes, .nioHTTPTypesHTTP1, .nioCore,
                .nioPosix, .nioHTTP1, .nioSSL, .nioWebSocket, .grdb, .crypto, .lifecycle, .logging,
            ]),
    ]
}

var intent: [Target] {
    [
        room("Cluster", in: "Intent", ["Addressing", "KubeAPI", .collections]),
        room("Plan", in: "Intent", ["Addressing", "Cluster", "DNS", "HostNetwork", "NFTables", .collections]),
    ]
}

var dialects: [Target] {
    [
        room("HostNetwork", in: "Dialects", ["Addressing", "Reconcile"]),
        room("NFTables", in: "Dialects", ["Addressing", "Reconcile"]),
        room("DNS", in: "Dialects", ["Addressing"]),
        room("HostNetworkKernel", in: "Dialects", ["HostNetwork", "Addressing", "Netlink", "CLinux"]),
        room("NFTablesKernel", in: "Dialects", ["NFTables", "Addressing", "Netlink", "CLinux"]),
    ]
}

var runtime: [Target] {
    [
        room("CNI", in: "Runtime", ["CLinux"]),
        room("Identity", in: "Runtime", ["Addressing", .x509, .crypto, .asn1]),
        room("Telemetry", in: "Runtime", ["Addressing", .nioCore, .nioPosix, .nioHTTP1]),
        room("NameServer", in: "Runtime", ["Addressing", "CLinux", "DNS", .nioCore, .nioPosix, .logging, .yams]),
        room(
            "Agent", in: "Runtime",
            [
                "Addressing", "Reconcile", "KubeAPI", "KubeClient", "Cluster", "Plan", "HostNetwork", "NFTables",
                "HostNetworkKernel", "NFTablesKernel", "Netlink", "CNI", "CLinux", "DNS", "NameServer", "Telemetry", .lifecycle,
                .logging,
            ]),
    ]
}

var workshop: [Target] {
    [
        room(
            "Lab", in: "Workshop",
            [
                "APIServer", "Addressing", "Identity", "KubeAPI", "KubeClient", "CNI", "CLinux", "Netlink", "HostNetwork",
                "HostNetworkKernel", "NFTables", "NFTablesKernel", "Reconcile", .lifecycle, .logging, .nioCore, .nioPosix,
            ],
            // The lab serves it from the start; it is the file that is applied to other clusters.
            resources: [.embedInCode("Definitions/clusternetworkpolicies.yaml")])
    ]
}

var commands: [Target] {
    [
        .executableTarget(
            name: "tulle",
            dependencies: [
                "Agent", "Lab", "CLinux", "CNI", "Addressing", "Cluster", "DNS", "KubeAPI", "KubeClient", "NameServer", "Netlink",
                "Plan", "Telemetry", .logging,
                .argumentParser,
                .lifecycle, .unixSignals,
            ],
            path: "Sources/Commands/tulle", swiftSettings: Bricks.strict),
        .executableTarget(
            name: "tulle-cni", dependencies: ["CNI", "CLinux"],
            path: "Sources/Commands/tulle-cni", swiftSettings: Bricks.strict, linkerSettings: Bricks.fullyStatic),
        .executableTarget(
            name: "tulle-pod", dependencies: ["CLinux"],
            path: "Sources/Commands/tulle-pod", swiftSettings: Bricks.strict, linkerSettings: Bricks.fullyStatic),
        .executableTarget(
            name: "tulle-bench",
            dependencies: [
                "Addressing", "Netlink", "CLinux", "NFTables", "NFTablesKernel", "HostNetwork", "HostNetworkKernel", "CNI",
                "Agent", "APIServer", "Cluster", "DNS", "KubeAPI", "KubeClient", "NameServer", "Plan", "PolicyTrials",
                .argumentParser, .grdb,
                .lifecycle,
                .nioPosix,
                .logging,
            ],
            path: "Benchmarks", exclude: ["README.md"], swiftSettings: Bricks.strict),
    ]
}

var trials: [Target] {
    [
        .target(name: "PolicyTrials", path: "Tests/PolicyTrials", swiftSettings: Bricks.strict)
    ]
}

var tests: [Target] {
    [
        .testTarget(name: "HouseTests", swiftSettings: Bricks.strict),
        suite("Addressing"),
        suite("Reconcile"),
        suite("Netlink", ["Addressing", "CLinux"]),
        suite("KubeAPI", ["Addressing"]),
        suite(
            "KubeClient",
            ["Addressing", "Identity", "KubeAPI", "Reconcile", .nioCore, .nioPosix, .nioEmbedded, .nioHTTP1, .nioSSL, .logging]),
        suite("Identity", ["Addressing", .x509, .asn1]),
        suite(
            "APIServer",
            [
                "Addressing", "KubeAPI", "Netlink", .grdb, .nioCore, .nioPosix, .nioHTTP1, .nioWebSocket, .lifecycle, .logging,
                .yams,
            ]),
        suite("Cluster", ["Addressing", "KubeAPI", "PolicyTrials"]),
        suite(
            "Plan",
            [
                "Addressing", "CLinux", "KubeAPI", "Cluster", "DNS", "HostNetwork", "HostNetworkKernel", "NFTables",
                "NFTablesKernel", "NameServer", "Netlink", "PolicyTrials", .logging,
            ]),
        suite("HostNetwork", ["Addressing", "HostNetworkKernel", "Netlink"]),
        suite("NFTables", ["Addressing", "NFTablesKernel", "Netlink"]),
        suite("DNS", ["Addressing"]),
        suite("CNI", ["CLinux"]),
        suite("Telemetry", ["Addressing"]),
        suite("NameServer", ["Addressing", "CLinux", "DNS", "Netlink", .nioCore, .nioPosix, .logging]),
        suite(
            "Agent",
            [
                "APIServer", "Addressing", "CNI", "DNS", "HostNetwork", "HostNetworkKernel", "Identity", "KubeAPI", "KubeClient",
                "NFTables", "NFTablesKernel", "NameServer", "Netlink", "Plan", .nioCore, .nioPosix, .logging,
            ]),
        suite(
            "Lab",
            [
                "APIServer", "Addressing", "CNI", "HostNetwork", "HostNetworkKernel", "Identity", "KubeAPI", "KubeClient",
                "NFTables", "NFTablesKernel", "Netlink", "Reconcile", .logging, .nioCore, .nioPosix,
            ]),
    ]
}

// MARK: - Bricks

enum Bricks {
    static let strict: [SwiftSetting] = [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .treatAllWarnings(as: .error),
    ]

    /// The courier and the pod launcher start before anything else is there, thousands of times: fully static, about 1 ms.
    static let fullyStatic: [LinkerSetting] = [.unsafeFlags(["-static-executable"], .when(platforms: [.linux]))]
}

func room(
    _ name: String, in folder: String, _ dependencies: [Target.Dependency] = [], resources: [Resource]? = nil
) -> Target {
    .target(
        name: name, dependencies: dependencies, path: "Sources/\(folder)/\(name)", resources: resources,
        swiftSettings: Bricks.strict)
}

func suite(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .testTarget(name: "\(name)Tests", dependencies: [.byName(name: name)] + dependencies, swiftSettings: Bricks.strict)
}

extension Target.Dependency {
    static var argumentParser: Self { .product(name: "ArgumentParser", package: "swift-argument-parser") }
    static var asn1: Self { .product(name: "SwiftASN1", package: "swift-asn1") }
    static var asyncHTTPClient: Self { .product(name: "AsyncHTTPClient", package: "async-http-client") }
    static var collections: Self { .product(name: "Collections", package: "swift-collections") }
    static var crypto: Self { .product(name: "Crypto", package: "swift-crypto") }
    static var grdb: Self { .product(name: "GRDB", package: "GRDB.swift") }
    static var httpTypes: Self { .product(name: "HTTPTypes", package: "swift-http-types") }
    static var hummingbird: Self { .product(name: "Hummingbird", package: "hummingbird") }
    static var hummingbirdCore: Self { .product(name: "HummingbirdCore", package: "hummingbird") }
    static var lifecycle: Self { .product(name: "ServiceLifecycle", package: "swift-service-lifecycle") }
    static var logging: Self { .product(name: "Logging", package: "swift-log") }
    static var nioCore: Self { .product(name: "NIOCore", package: "swift-nio") }
    static var nioHTTP1: Self { .product(name: "NIOHTTP1", package: "swift-nio") }
    static var nioHTTPTypes: Self { .product(name: "NIOHTTPTypes", package: "swift-nio-extras") }
    static var nioHTTPTypesHTTP1: Self { .product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras") }
    static var nioEmbedded: Self { .product(name: "NIOEmbedded", package: "swift-nio") }
    static var nioPosix: Self { .product(name: "NIOPosix", package: "swift-nio") }
    static var nioSSL: Self { .product(name: "NIOSSL", package: "swift-nio-ssl") }
    static var nioWebSocket: Self { .product(name: "NIOWebSocket", package: "swift-nio") }
    static var unixSignals: Self { .product(name: "UnixSignals", package: "swift-service-lifecycle") }
    static var x509: Self { .product(name: "X509", package: "swift-certificates") }
    static var yams: Self { .product(name: "Yams", package: "Yams") }
}
