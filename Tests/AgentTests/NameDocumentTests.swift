import NameServer
import Testing

@testable import Agent

@Suite("what is said of the files that a document names")
struct NameDocumentTests {
    private let own: TemporaryDirectory
    private let foreign: TemporaryDirectory

    init() throws {
        (own, foreign) = (try TemporaryDirectory(), try TemporaryDirectory())
        for directory in [own, foreign] { try directory.write("192.0.2.1 a\nsecret b\nword c\n", to: "hosts") }
    }

    private func mistakes(_ document: NameDocument?) throws -> [String] {
        do {
            _ = try #require(document).configuration { _, _ in }
            return []
        } catch let error as NameServerConfigurationError { return error.mistakes.map(\.reason) }
    }

    @Test("of those beside it all; of others no word, and one mistake")
    func words() throws {
        let name = "\(own.path)/names.yaml"
        func file(_ path: String) -> NameDocument { NameDocument("hosts: {file: \(path)}", path: name) }
        for path in ["\(own.path)/hosts", "\(own.path)/./hosts"] {
            let told = try mistakes(file(path))
            #expect(told.count == 2 && told[0].contains("hosts:2:1: secret") && told[1].contains("hosts:3:1: word"), "\(told)")
        }
        let around = try #require(own.path.split(separator: "/").last)
        let path = "\(foreign.path)/hosts"
        for path in [
            path, "\(own.path)/../\(foreign.path.split(separator: "/").last ?? "")/hosts", "\(own.path)/../\(around)/hosts",
        ] {
            let told = try mistakes(file(path))
            #expect(told.count == 1 && told[0].contains("\(path):2:1: ") && told[0].contains("beside this document"), "\(told)")
            #expect(!told.joined().contains("secret") && !told.joined().contains("word c"))
        }
    }
}
