import APIServer
import Foundation
import KubeAPI
import Testing

/// The installed kubectl as an oracle: it holds Kubernetes' own code for the three forms of patch.
@Suite(.tags(.kubectl), .enabled(if: LocalKubectl.path != nil || LocalKubectl.isRequired, "kubectl is not in the PATH"))
struct PatchOracleTests {
    static let merges: [(String, String, String)] = StrategicTests.cases.filter { !LocalKubectl.differs($0.1) }

    @Test("kubectl patches as we do, strategically", arguments: merges)
    func strategic(object: String, patch: String, wanted: String) throws {
        let object = tree(object)
        let theirs = try LocalKubectl.patched(object, patch, "strategic")
        let ours = try StrategicTests.patched(LocalKubectl.pod(object).description, patch)
        // kubectl passes the object through its types, which drops what is empty and adds what is always there.
        #expect(LocalKubectl.shown(theirs) == LocalKubectl.shown(ours))
    }

    @Test("kubectl patches as we do, whatever two pods a patch is made of", arguments: 0..<8)
    func random(seed: Int) throws {
        var random = RandomObjects(seed)
        let (old, new) = (StrategicTests.pod(&random), StrategicTests.pod(&random))
        let patch = StrategicTests.difference(old, new)
        let theirs = try LocalKubectl.patched(old, patch.description, "strategic")
        let ours = try StrategicTests.patched(LocalKubectl.pod(old).description, patch.description)
        #expect(LocalKubectl.shown(theirs) == LocalKubectl.shown(ours), "seed \(seed)")
    }

    @Test(
        "kubectl patches as we do, by merge and by JSON patch",
        arguments: [
            ("merge", #"{"metadata": {"labels": {"a": null, "b": "2"}}}"#),
            (
                "json",
                #"[{"op": "add", "path": "/metadata/labels/x~1y", "value": "1"}, {"op": "remove", "path": "/metadata/labels/a"}]"#
            ),
            ("json", #"[{"op": "move", "from": "/metadata/labels/a", "path": "/metadata/labels/c"}]"#),
        ])
    func others(form: String, patch: String) throws {
        let object = tree(#"{"metadata": {"labels": {"a": "1"}}, "spec": {"containers": [{"name": "a", "image": "i"}]}}"#)
        let theirs = try LocalKubectl.patched(object, patch, form)
        let type = form == "json" ? "application/json-patch+json" : "application/merge-patch+json"
        let ours = try Patch(contentType: type, body: Array(patch.utf8), kind: served("Pod")).applied(
            to: LocalKubectl.pod(object))
        #expect(LocalKubectl.shown(theirs) == LocalKubectl.shown(ours))
    }
}

enum LocalKubectl {
    static let isRequired = ProcessInfo.processInfo.environment["REQUIRE_KUBECTL"] == "1"
    /// The binary that is asked: `TULLE_KUBECTL`, or the first one in the PATH.
    static let path: String? = {
        let environment = ProcessInfo.processInfo.environment
        if let named = environment["TULLE_KUBECTL"] { return named }
        return (environment["PATH"] ?? "").split(separator: ":").map { "\($0)/kubectl" }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }()

    /// Directives in elements that are new, which Kubernetes keeps as fields and its types then refuse or drop.
    static func differs(_ patch: String) -> Bool { patch.contains("\"x\":null") }

    static func pod(_ object: JSONValue) -> JSONValue {
        var whole = object.object ?? JSONObject()
        whole["apiVersion"] = "v1"
        whole["kind"] = "Pod"
        var metadata = whole["metadata"]?.object ?? JSONObject()
        metadata["name"] = "web"
        whole["metadata"] = .object(metadata)
        return .object(whole)
    }

    static func patched(_ object: JSONValue, _ patch: String, _ form: String) throws -> JSONValue {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("tulle-\(UUID().uuidString).json")
        try Data(JSONWriter().bytes(of: pod(object))).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let process = Process()
        let program = try #require(path, "kubectl is not in the PATH")
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = ["patch", "--local", "-o", "json", "--type=\(form)", "-f", file.path, "-p", patch]
        let (output, errors) = (Pipe(), Pipe())
        (process.standardOutput, process.standardError) = (output, errors)
        try process.run()
        let bytes = output.fileHandleForReading.readDataToEndOfFile()
        let complaint = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "\(program): \(complaint)")
        return try JSONReader().value(Array(bytes))
    }

    /// Without what is empty, as Go's `omitempty` writes it, sorted by keys; lists keep their order.
    static func shown(_ value: JSONValue) -> String {
        String(decoding: JSONWriter(sortsKeys: true).bytes(of: slim(value) ?? .null), as: UTF8.self)
    }

    private static func slim(_ value: JSONValue) -> JSONValue? {
        switch value {
        case .object(let object):
            var result = JSONObject()
            for member in object.members where member.key != "status" {
                if let value = slim(member.value) { result[member.key] = value }
            }
            return result.isEmpty ? nil : .object(result)
        case .array(let elements): return elements.isEmpty ? nil : .array(elements.map { slim($0) ?? [:] })
        case .null, .string(""): return nil
        default: return value
        }
    }
}
