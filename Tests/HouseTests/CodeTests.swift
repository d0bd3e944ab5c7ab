import Testing

@Suite("how the code looks")
struct CodeTests {
    /// `@unchecked Sendable`, `nonisolated(unsafe)`, `Unmanaged` and their kind, under Sources. The number only goes down.
    private static let unsafeCount = 7

    @Test("no line of Sources says what Swift here never says", arguments: Phrase.never.map(\.name))
    func never(_ name: String) throws {
        let phrase = try #require(Phrase.never.first { $0.name == name })
        let findings = try Repository.swift(in: "Sources").flatMap(phrase.findings)
        #expect(findings.isEmpty, "\(phrase.reason)")
    }

    @Test("time, chance and the environment are read in Commands only", arguments: Phrase.world.map(\.name))
    func world(_ name: String) throws {
        let phrase = try #require(Phrase.world.first { $0.name == name })
        let findings = try Repository.swift(in: "Sources").flatMap(phrase.findings)
        #expect(findings.isEmpty, "\(phrase.reason)")
    }

    @Test("what is unsafe is proved right above it, and becomes less")
    func unsafe() throws {
        var count = 0
        for file in try Repository.swift(in: "Sources") {
            for finding in try Phrase.unproved.findings(in: file) {
                count += 1
                if !file.isProved(at: finding.line - 1) { Issue.record("\(finding): \(Phrase.unproved.reason)") }
            }
        }
        #expect(count <= Self.unsafeCount, "more unsafe places than before; find another way")
        #expect(count >= Self.unsafeCount, "fewer unsafe places than before: write \(count) here, so that it stays so")
    }

    @Test("no type carries the name of its module")
    func types() throws {
        let declaration = #/\b(?:struct|class|enum|actor|protocol|typealias)\s+(\w+)/#
        for file in try Repository.swift(in: "Sources", "Benchmarks") {
            for line in file.code where line.holds(file.room?.name ?? "") {
                for match in line.matches(of: declaration) where match.1 == file.room?.name ?? "" {
                    Issue.record("\(file.path): \(match.1) hides its module: nobody could say \(match.1).Something any more")
                }
            }
        }
    }

    @Test("a file is named for one idea", arguments: ["Sources", "Tests", "Benchmarks"])
    func names(_ folder: String) throws {
        for path in try Repository.files(in: folder) {
            let name = path.split(separator: "/").last ?? ""
            for word in ["Utils", "Util.", "Helper", "Common", "Manager", "Misc"] {
                #expect(!name.contains(word), "\(path): “\(word)” says nothing; name what it is")
            }
        }
    }

    @Test("a file of more than 600 lines is two ideas", arguments: ["Sources", "Tests", "Benchmarks"])
    func length(_ folder: String) throws {
        for path in try Repository.files(in: folder) where [".swift", ".c", ".h"].contains(where: path.hasSuffix) {
            let count = try Repository.text(path).count { $0 == "\n" }
            #expect(count <= 600, "\(path) has \(count) lines")
        }
    }

    @Test("the form is checked: swift-format forbids force unwraps and force tries")
    func form() throws {
        let configuration = try Repository.text(".swift-format")
        for rule in ["NeverForceUnwrap", "NeverUseForceTry"] { #expect(configuration.contains("\"\(rule)\": true")) }
    }

    @Test("each rule finds its wrong example and leaves its right one")
    func rules() throws {
        for phrase in Phrase.never + Phrase.world + [.unproved, .sleep] {
            #expect(try phrase.findings(in: SourceFile(path: "a.swift", text: phrase.wrong)).count == 1, "\(phrase.name)")
            #expect(try phrase.findings(in: SourceFile(path: "a.swift", text: phrase.right)).isEmpty, "\(phrase.name)")
            #expect(phrase.allowed.allSatisfy { Repository.exists($0) }, "\(phrase.name) allows a place that is gone")
        }
        let proved = SourceFile(path: "a.swift", text: "// Safe: only one\n// thread.\nlet a = Unmanaged.b\nlet c = Unmanaged.d")
        #expect(proved.isProved(at: 2) && !proved.isProved(at: 3))
    }
}

@Suite("how the tests look")
struct TestTests {
    @Test("a test's name is a sentence")
    func sentences() throws {
        for file in try Repository.swift(in: "Tests") {
            let text = file.lines.joined(separator: "\n")
            let declared = file.code.filter { $0.holds("@Test") && $0.contains(#/^\s*@Test(?:[\s(]|$)/#) }.count
            guard declared > 0 else { continue }
            let names = text.matches(of: #/(?m)^\s*@Test\s*\(\s*#?"((?:[^"\\]|\\.)*)"/#).map(\.1)
            #expect(names.count == declared, "\(file.path): \(declared - names.count) tests have no name")
            for name in names where name.split(separator: " ").count < 3 {
                Issue.record("\(file.path): “\(name)” is not a sentence: say what holds")
            }
        }
    }

    @Test("no test sleeps")
    func sleeps() throws {
        let findings = try Repository.swift(in: "Tests").flatMap(Phrase.sleep.findings)
        #expect(findings.isEmpty, "\(Phrase.sleep.reason)")
    }

    @Test("every module but the programs has tests of its own", arguments: Room.all.map(\.name))
    func suites(_ name: String) throws {
        guard let room = Room.named(name), room.floor != .commands, room.floor.isInSources else { return }
        // A wrapper of one system call is tested by whoever calls it; a kernel half by its dialect's contract.
        guard name != "CLinux", !name.hasSuffix("Kernel") else { return }
        #expect(Repository.exists("Tests/\(name)Tests"))
    }
}
