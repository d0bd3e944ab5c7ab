import Testing

@Suite("the documents")
struct DocumentTests {
    @Test("every module opens with a page: an example, a picture, and what it is not", arguments: Room.all)
    func modules(_ room: Room) throws {
        // A program's page is its --help; what the benchmarks measure is in Benchmarks/README.md.
        guard room.floor != .commands, room.floor.isInSources else { return }
        let path = "\(room.folder)/\(room.name).docc/\(room.name).md"
        try #require(Repository.exists(path), "\(room.name) has no page \(path)")
        let page = Page(try Repository.text(path))
        #expect(page.text.hasPrefix("# ``\(room.name)``\n"), "\(path) is not the module's own page")
        #expect(page.blocks.contains { $0.language == "swift" }, "\(path) has no example in Swift")
        #expect(page.blocks.contains { $0.language.isEmpty && $0.lines.count >= 2 }, "\(path) has no picture")
    }

    @Test("every problem has a page that says what it means, what one sees and what to do")
    func problems() throws {
        let source = try Repository.text("Sources/Intent/Cluster/Problem.swift")
        let ids = source.matches(of: #/case \w+ = "([a-z0-9-]+)"/#).map { String($0.1) }
        #expect(ids.count >= 11, "the ids are not read rightly: \(ids)")
        let pages = try Repository.files(in: "docs/problems", ending: ".md").map { String($0.dropFirst(14).dropLast(3)) }
        #expect(Set(pages).subtracting(ids).isEmpty, "pages without a problem")
        #expect(Set(ids).subtracting(pages).isEmpty, "problems without a page")
        for id in pages {
            let page = Page(try Repository.text("docs/problems/\(id).md"))
            #expect(page.text.hasPrefix("# `\(id)`"), "docs/problems/\(id).md")
            #expect(page.sections == ["What it means", "What you see", "What to do"], "docs/problems/\(id).md")
            #expect(page.emptySections.isEmpty, "docs/problems/\(id).md")
        }
    }

    @Test("every decision says why, what, what else, and what would change our mind")
    func decisions() throws {
        let pages = try Repository.files(in: "docs/decisions", ending: ".md")
        let needed = ["Context", "Decision", "Alternatives", "What would change our mind"]
        for path in pages {
            let page = Page(try Repository.text(path))
            // Others may stand between them, such as figures.
            #expect(page.sections.filter(needed.contains) == needed, "\(path)")
            #expect(page.emptySections.isEmpty, "\(path)")
            let number = path.split(separator: "/").last?.prefix(4).drop { $0 == "0" } ?? ""
            #expect(page.text.hasPrefix("# \(number). "), "\(path) does not begin with its number and title")
        }
        let numbers = pages.compactMap { $0.split(separator: "/").last?.prefix(4) }
        #expect(Set(numbers).count == numbers.count, "two decisions have one number: \(numbers)")
    }

    @Test("the README's list of folders names every module with a word about it")
    func layout() throws {
        let lines = Page(try Repository.text("README.md")).blocks.flatMap(\.lines)
        for room in Room.all where room.floor.isInSources {
            let entries = lines.filter { $0.hasPrefix("    \(room.name)  ") }
            #expect(entries.count == 1, "\(room.name)")
        }
        for floor in Room.Floor.allCases where floor.isInSources {
            #expect(lines.contains { $0.hasPrefix("  \(floor.rawValue)/ ") }, "\(floor.rawValue)")
        }
    }

    @Test("the index of docs names every decision and every problem")
    func index() throws {
        let index = try Repository.text("docs/README.md")
        for path in try Repository.files(in: "docs/decisions", ending: ".md")
            + Repository.files(in: "docs/problems", ending: ".md")
        {
            if !index.contains("(\(path.dropFirst(5)))") { Issue.record("docs/README.md does not name \(path)") }
        }
    }

    @Test(
        "a link from one file to another leads somewhere",
        arguments: ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Benchmarks/README.md", "docs/README.md"])
    func links(_ path: String) throws {
        let folder = path.split(separator: "/").dropLast().map { $0 + "/" }.joined()
        for match in try Repository.text(path).matches(of: #/\]\(([^)#:]+)(?:#[^)]*)?\)/#) {
            #expect(Repository.exists(folder + match.1), "\(path) leads to \(match.1), which is not there")
        }
    }

    @Test("every command that a document shows is there", arguments: ["README.md", "CONTRIBUTING.md", "Benchmarks/README.md"])
    func commands(_ path: String) throws {
        let words = try Commands()
        let lines = Page(try Repository.text(path)).blocks.filter { $0.language == "sh" }.flatMap(\.lines)
        #expect(path != "README.md" || !lines.isEmpty)
        for line in lines { #expect(try words.refusal(of: line) == nil, "\(path): \(line)") }
    }

    @Test(
        "a command that is not there is found out",
        arguments: [
            ("scripts/nothing", false), ("scripts/test --filter A", true), ("sudo scripts/test", true), ("tulle nothing", false),
            ("tulle agent --node n1", true), ("REQUIRE_KERNEL=1 scripts/test  # as CI does", true),
            ("scripts/bench nothing", false),
            ("scripts/bench courier", true), ("tulle --help", true), ("# a remark", true), ("", true),
        ])
    func refusals(_ line: String, _ isThere: Bool) throws {
        #expect(try (Commands().refusal(of: line) == nil) == isThere)
    }

    @Test("every script can be run, says what it is for, and stops at the first failure")
    func scripts() throws {
        for path in try Repository.files(in: "scripts") + [".ci/run"] {
            let text = try Repository.text(path)
            #expect(Repository.isExecutable(path), "\(path)")
            #expect(text.hasPrefix("#!/usr/bin/env bash\n# "), "\(path) does not say in its second line what it is for")
            #expect(text.contains("\nset -euo pipefail\n"), "\(path)")
            #expect(path == ".ci/run" || text.contains("--help"), "\(path) has no --help")
        }
    }
}
