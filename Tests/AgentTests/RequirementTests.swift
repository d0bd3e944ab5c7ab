import CNI
import Glibc
import Testing

/// docs/cni.md names a test for each requirement of the specification.
@Suite("the table of requirements")
struct RequirementTests {
    private let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()

    private func text(_ path: String) throws -> String {
        let file = open("\(root)/\(path)", O_RDONLY | O_CLOEXEC)
        defer { close(file) }
        return String(decoding: try readToEnd(file, limit: 1 << 20, path), as: UTF8.self)
    }

    private func sources(_ directory: String) -> [String] {
        guard let stream = opendir("\(root)/\(directory)") else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if name.hasSuffix(".swift") { names.append("\(directory)/\(name)") }
        }
        return names
    }

    @Test("names tests that exist, and every verb")
    func names() throws {
        let rows = try text("docs/cni.md").split(separator: "\n").filter { $0.hasPrefix("| ") && $0.contains("“") }
        let tests = try (sources("Tests/AgentTests") + sources("Tests/CNITests")).map(text).joined()
        #expect(rows.count > 20)
        for row in rows {
            let name = row.split(separator: "“").dropFirst().first?.split(separator: "”").first.map(String.init) ?? ""
            #expect(!name.isEmpty && tests.contains("\"\(name)\""), "no test is called “\(name)”")
        }
        for verb in Verb.allCases { #expect(rows.contains { $0.contains(verb.rawValue) }, "\(verb)") }
    }
}
