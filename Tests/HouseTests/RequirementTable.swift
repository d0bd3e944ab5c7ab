import Testing

/// A table in a document that names tests for each thing that has to be so.
struct RequirementTable {
    /// From the root of the repository.
    let page: String
    /// What has to be so, in the order of the table. It comes and goes here first.
    let requirements: [String]

    /// What each row says, the tests it names between “ and ”, and the words between backticks.
    private func rows() throws -> [(requirement: String, tests: [String], words: [String])] {
        try Repository.text(page).split(separator: "\n").filter { $0.hasPrefix("| ") && $0.contains("“") }.map { line in
            let cells = line.split(separator: "|").map { $0.trimmingSpaces }
            return (
                cells.first ?? "", line.matches(of: #/“([^”]*)”/#).map { String($0.1) },
                line.matches(of: #/`([^`]*)`/#).map { String($0.1) }
            )
        }
    }

    func expectComplete() throws { #expect(try rows().map(\.requirement) == requirements) }

    func expectTests() throws {
        let declared = Set(
            try Repository.swift(in: "Tests").filter { !$0.path.hasPrefix("Tests/HouseTests/") }.flatMap { file in
                file.lines.joined(separator: "\n").matches(of: #/(?m)@Test\s*\(\s*"((?:[^"\\]|\\.)*)"/#).map { String($0.1) }
            })
        for row in try rows() {
            #expect(!row.tests.isEmpty, "\(row.requirement)")
            for name in row.tests { #expect(declared.contains(name), "\(row.requirement): no test is called “\(name)”") }
        }
    }

    /// - Parameter known: what words between backticks may be.
    func expectWords(among known: Set<String>) throws {
        for row in try rows() {
            for word in row.words { #expect(known.contains(word), "\(row.requirement): there is no `\(word)`") }
        }
    }
}

extension Substring {
    fileprivate var trimmingSpaces: String { String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed()) }
}
