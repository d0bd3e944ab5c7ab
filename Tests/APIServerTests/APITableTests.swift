import KubeAPI
import NIOHTTP1
import Testing

@testable import APIServer

/// `docs/api.md`, as its tables say it.
private struct APIPage {
    /// The cells of every row of every table, by the table's heading.
    private var tables: [String: [[String]]] = [:]

    init() throws {
        // Tests/APIServerTests/<this file> is three below the root.
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let text = ScratchDirectory.read("/\(root)/docs/api.md")
        try #require(!text.isEmpty, "docs/api.md is not there")
        var heading = ""
        for line in text.split(separator: "\n") {
            if line.hasPrefix("## ") { heading = String(line.dropFirst(3)) }
            guard line.hasPrefix("| ") else { continue }
            let cells = line.split(separator: "|", omittingEmptySubsequences: false).dropFirst().dropLast()
            tables[heading, default: []].append(cells.map { $0.trimmed })
        }
    }

    func table(_ heading: String) throws -> (head: [String], rows: [[String]]) {
        let rows = try #require(tables[heading])
        return (rows[0], Array(rows.dropFirst()))
    }
}

extension Substring {
    fileprivate var trimmed: String {
        String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}

@Suite("the page of the API", .timeLimit(.minutes(5)))
struct APITableTests {
    @Test("every kind and verb of discovery is in the table, and nothing else")
    func kinds() throws {
        let (head, rows) = try APIPage().table("Kinds")
        var said: [String: [String]] = [:]
        for row in rows where row[1] != "its own" {
            for word in row.dropFirst(2) { #expect(["faithful", "stored", "refused"].contains(word), "\(row)") }
            said["\(row[1]) \(row[0])"] = zip(head, row).dropFirst(2).filter { $0.1 != "refused" }.map(\.0).sorted()
        }
        var served: [String: [String]] = [:]
        let discovery = Discovery(custom: [])
        for (group, version) in Self.groupVersions(discovery) {
            let resources = try #require(discovery.resources(group: group, version: version)?["resources"]?.array)
            for resource in resources where resource["name"]?.string?.contains("/") == false {
                let name = (group.isEmpty ? version : "\(group)/\(version)") + " \(resource["kind"]?.string ?? "")"
                served[name] = resource["verbs"]?.array?.compactMap(\.string).sorted()
            }
        }
        #expect(said == served)
    }

    @Test("every part of an object and its verbs are in the table, and nothing else")
    func parts() throws {
        let (head, rows) = try APIPage().table("Parts of objects")
        var said: [String: [String]] = [:]
        for row in rows {
            for word in row.dropFirst() { #expect(["faithful", "stored", "refused", "–"].contains(word), "\(row)") }
            said[row[0]] = zip(head, row).dropFirst().filter { $0.1 != "–" }.map(\.0).sorted()
        }
        var served: [String: [String]] = [:]
        let discovery = Discovery(custom: [])
        for (group, version) in Self.groupVersions(discovery) {
            for resource in discovery.resources(group: group, version: version)?["resources"]?.array ?? [] {
                guard let name = resource["name"]?.string, name.contains("/") else { continue }
                served[name] = resource["verbs"]?.array?.compactMap(\.string).sorted()
            }
        }
        #expect(said == served)
    }

    private static func groupVersions(_ discovery: Discovery) -> [(String, String)] {
        Set(ServedKinds.all.map { [$0.group, $0.version] }).map { ($0[0], $0[1]) }
    }

    @Test("what the page calls refused is refused as it says, with a sentence")
    func refusals() async throws {
        let (_, rows) = try APIPage().table("What is refused")
        try await withServer { port, store in
            try await Client.with(port: port) { client in
                let body = #"{"metadata":{"name":"there"},"spec":{"nodeName":"n","containers":[{"name":"c","image":"i"}]}}"#
                let pod = try await client.ask(.POST, "/api/v1/namespaces/default/pods", body)
                let config = try await client.ask(.POST, maps, map("there"))
                #expect(pod.status == 201 && config.status == 201)
            }
            let revision = try await store.revision()
            for row in rows {
                let quoted = row[2].split(separator: "`", omittingEmptySubsequences: false).map(String.init)
                let request = quoted[1].split(separator: " ").map(String.init)
                let type = quoted.count > 3 ? quoted[3] : "application/json"
                // A refused upgrade ends its connection.
                try await Client.with(port: port) { client in
                    let answer = try await client.ask(
                        HTTPMethod(rawValue: request[0]), request[1], "{}", headers: [("Content-Type", type)])
                    #expect("\(answer.status)" == row[3], "\(row[0]): \(answer.body)")
                    #expect(answer["kind"] == "Status" && answer["message"]?.isEmpty == false, "\(row[0])")
                }
            }
            #expect(try await store.revision() == revision, "nothing was written")
        }
    }
}
