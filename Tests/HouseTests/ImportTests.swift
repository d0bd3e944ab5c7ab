import Testing

@Suite("the import table")
struct ImportTests {
    @Test("a module imports only what its line in the table allows", arguments: Room.all)
    func imports(_ room: Room) throws {
        let allowed = room.ours.union(room.others)
        for file in try Repository.swift(in: room.folder) {
            for (module, line) in file.imports where !allowed.contains(module) {
                Issue.record(
                    "\(file.path):\(line): \(room.name) may not import \(module); if it should, add it to Rooms.swift with the reason"
                )
            }
        }
    }

    @Test("the table names every folder of Sources, and no other")
    func folders() throws {
        let floors = try Repository.folders(in: "Sources")
        #expect(floors.allSatisfy { Room.Floor(rawValue: $0) != nil }, "a floor that the table does not know: \(floors)")
        let found = try floors.flatMap { floor in try Repository.folders(in: "Sources/\(floor)").map { "Sources/\(floor)/\($0)" }
        }
        let others = Room.all.filter { !$0.floor.isInSources }.map(\.folder)
        #expect(Set(found + others) == Set(Room.all.map(\.folder)))
        #expect(Set(Room.all.map(\.name)).count == Room.all.count, "a module is in the table twice")
    }

    @Test("the table and Package.swift name the same targets in the same folders")
    func targets() throws {
        let entries = Manifest(try Repository.text("Package.swift")).entries
        #expect(entries.map { "\($0.path) \($0.name)" }.sorted() == Room.all.map { "\($0.folder) \($0.name)" }.sorted())
    }

    @Test("what a target depends upon in Package.swift is in its line of the table")
    func dependencies() throws {
        for entry in Manifest(try Repository.text("Package.swift")).entries {
            guard let room = Room.named(entry.name) else { continue }
            let surplus = entry.dependencies.subtracting(room.ours).subtracting(room.others)
            #expect(surplus.isEmpty, "\(entry.name) depends on \(surplus.sorted()) without a word in the table")
        }
    }

    @Test("the table names our modules as ours, others as others, and has no ring")
    func table() {
        let names = Set(Room.all.map(\.name))
        for room in Room.all {
            #expect(room.ours.subtracting(names).isEmpty, "\(room.name) names modules that are not there")
            #expect(room.others.isDisjoint(with: names), "\(room.name) calls modules of ours others")
            let below = Set(room.ours.compactMap(Room.named).flatMap(\.reach).map(\.name))
            #expect(!below.contains(room.name), "\(room.name) reaches itself")
            #expect(!room.purpose.isEmpty)
        }
    }
}

// MARK: - Must never

/// The table may change by a line; these say which lines it may not get.
@Suite("what the table may never allow")
struct MustNeverTests {
    private static let kubernetes: Set<String> = ["KubeAPI", "KubeClient", "APIServer", "Cluster", "Plan"]
    private static let machinery: Set<String> = [
        "AsyncHTTPClient", "CLinux", "Dispatch", "Foundation", "FoundationEssentials", "Glibc", "Logging", "Netlink", "NIOCore",
        "NIOHTTP1", "NIOPosix", "ServiceLifecycle", "Synchronization",
    ]
    private static func isModel(_ room: Room) -> Bool { !room.name.hasSuffix("Kernel") && !room.name.hasSuffix("Loader") }

    @Test("foundations, dialects, the name server and the proxy know nothing of Kubernetes, not even through others")
    func kubernetes() {
        let rooms = Room.on(.foundations, .dialects) + ["NameServer", "Proxy"].compactMap(Room.named)
        for room in rooms {
            #expect(Self.kubernetes.isDisjoint(with: room.reach.map(\.name)), "\(room.name) reaches a module of Kubernetes")
        }
    }

    @Test("intent reaches no network, no thread, no log and no Foundation, not even through others")
    func intent() {
        for room in Room.on(.intent) {
            let reach = Set(room.reach.map(\.name)).union(room.reach.flatMap(\.others))
            #expect(reach.isDisjoint(with: Self.machinery), "\(room.name) reaches \(reach.intersection(Self.machinery).sorted())")
        }
    }

    @Test("a dialect's model does not reach the kernel")
    func models() {
        for room in Room.on(.dialects) where Self.isModel(room) {
            #expect(Set(room.reach.map(\.name)).isDisjoint(with: ["Netlink", "CLinux"]), "\(room.name)")
            #expect(room.reach.allSatisfy { $0.others.isEmpty }, "\(room.name)")
        }
    }

    @Test("tulle-cni and tulle-pod start without Foundation, NIO or a logging library", arguments: ["tulle-cni", "tulle-pod"])
    func couriers(_ name: String) throws {
        let room = try #require(Room.named(name))
        let others = Set(room.reach.flatMap(\.others))
        #expect(others.subtracting(["Glibc", "Synchronization"]).isEmpty)
    }

    @Test(
        "a heavy library stays in the one module that needs it",
        arguments: [
            // tulle-bench measures the store against GRDB alone.
            ("GRDB", ["APIServer", "tulle-bench"]),
            ("Hummingbird", ["APIServer"]),
            ("HummingbirdCore", ["APIServer"]),
            ("AsyncHTTPClient", ["KubeClient"]),
            ("X509", ["Identity"]),
            ("ArgumentParser", ["tulle", "tulle-bench"]),
        ])
    func heavy(_ library: String, _ homes: [String]) {
        #expect(Set(Room.all.filter { $0.others.contains(library) }.map(\.name)).subtracting(homes).isEmpty)
    }

    @Test("nobody imports all of Foundation")
    func foundation() {
        #expect(Room.all.allSatisfy { !$0.others.contains("Foundation") })
    }
}

// MARK: - The reading itself

@Suite("how the tests read Swift")
struct ReadingTests {
    @Test(
        "an import is found whatever stands before and behind the word",
        arguments: [
            ("import NIO", ["NIO"]),
            ("public import Addressing", ["Addressing"]),
            ("@testable import Netlink", ["Netlink"]),
            ("@preconcurrency internal import struct GRDB.Row", ["GRDB"]),
            ("@_spi(Testing) import Logging", ["Logging"]),
            ("    import Glibc", ["Glibc"]),
            ("// import Foundation", []),
            ("/* import Foundation */", []),
            ("let important = 1", []),
            ("let text = \"\"\"\nimport Foundation\n\"\"\"", []),
        ])
    func imports(_ text: String, _ modules: [String]) {
        #expect(SourceFile(path: "a.swift", text: text).imports.map(\.module) == modules)
    }

    @Test(
        "comments and the text of literals are not code, and what is interpolated is",
        arguments: [
            ("a // b", "a     "),
            ("a /* b /* c */ d */ e", "a                   e"),
            (#"say("x // y") // z"#, #"say("      ")     "#),
            (#"say("a \(b("c")) d")"#, #"say("  \(b(" "))  ")"#),
            (#"say("\"") + a"#, #"say("  ") + a"#),
            ("say(#\"a\\(b) \" \\#(c)\"#)", "say(#\"        \\#(c)\"#)"),
            ("a\"\"\"\nb \" c\n\"\"\" + d", "a\"\"\"\n     \n\"\"\" + d"),
            // An unfinished literal ends with its line.
            ("\"a\nb", "\" \nb"),
        ])
    func code(_ text: String, _ code: String) {
        #expect(SourceFile(path: "a.swift", text: text).code.joined(separator: "\n") == code)
    }

    @Test("a package's targets are read with their folders and what they depend upon")
    func manifest() {
        let manifest = Manifest(
            """
            room("A", in: "Lower"), // room("No", in: "Where")
            room("B", in: "Upper", ["A", .nioCore]),
            .executableTarget(
                name: "c", dependencies: ["B",
                    .logging],
                path: "Sources/c", exclude: ["README.md"], linkerSettings: other()),
            // .target(name: "gone")
            func room(_ name: String) -> Target { .target(name: name, path: "Sources/\\(name)") }
            static var nioCore: Self { .product(name: "NIOCore", package: "swift-nio") }
            """)
        #expect(
            manifest.entries == [
                .init(name: "A", path: "Sources/Lower/A", dependencies: []),
                .init(name: "B", path: "Sources/Upper/B", dependencies: ["A", "NIOCore"]),
                .init(name: "c", path: "Sources/c", dependencies: ["B", "unknown product .logging"]),
            ])
    }
}
