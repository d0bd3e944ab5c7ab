import KubeAPI
import KubeClient
import Testing

struct ObjectFileTests {
    private func load(_ text: String, name: String = "objects.yaml") throws -> ObjectFile.Contents {
        ObjectFile.contents(
            try ObjectFile.entries(Array(text.utf8), path: name), registry: .standard, defaultNamespace: "default")
    }

    @Test("documents, lists and typed lists give their objects, in order")
    func forms() throws {
        let contents = try load(
            """
            apiVersion: v1
            kind: Node
            metadata: {name: n1}
            ---
            apiVersion: v1
            kind: List
            items:
            - {apiVersion: v1, kind: Namespace, metadata: {name: shop}}
            - apiVersion: v1
              kind: PodList
              items:
              - metadata: {name: web}
                spec: {containers: [{name: c, image: i}]}
            ---
            apiVersion: example.org/v1
            kind: Widget
            metadata: {name: w}
            """)
        #expect(contents.objects.map(\.key.description) == ["Node n1", "Namespace shop", "Pod default/web", "Widget w"])
        #expect(contents.faults == [])
    }

    @Test("faults name file, document, line, item and field, and the rest is there")
    func faults() throws {
        let contents = try load(
            """
            apiVersion: v1
            kind: Node
            metadata: {name: n1}
            spec: {podCIDR: 10.0.0.0/33}
            ---
            kind: List
            items:
            - {apiVersion: v1, kind: Namespace, metadata: {name: good}}
            - {apiVersion: v1, kind: Namespace, metadata: {}}
            ---
            just text
            """)
        #expect(contents.objects.map(\.key.description) == ["Node n1", "Namespace good"])
        #expect(
            contents.faults.map(\.description) == [
                "objects.yaml, document 1 (line 1): Node n1: spec.podCIDR: Invalid value: \"10.0.0.0/33\": must be a valid CIDR value, "
                    + "(e.g. 10.9.8.0/24 or 2001:db8::/64)",
                "objects.yaml, document 2 (line 6), items[1]: metadata.name: Required value: name or generateName is required",
                "objects.yaml, document 3 (line 11): Invalid value: \"just text\": must be an object, not a string",
            ])
    }

    @Test("an object that is there twice counts once, as written last, and is told")
    func twice() throws {
        let contents = try load(
            """
            {apiVersion: v1, kind: Namespace, metadata: {name: a, labels: {v: "1"}}}
            ---
            {apiVersion: v1, kind: Namespace, metadata: {name: a, labels: {v: "2"}}}
            """)
        #expect(contents.objects.map(\.metadata.labels) == [["v": "2"]])
        #expect(
            contents.faults.map(\.description) == [
                "objects.yaml, document 2 (line 3): Namespace a: is there twice; this one, the last, is used"
            ])
    }

    @Test("a .json file is JSON and nothing else")
    func json() throws {
        #expect(try load(#"{"apiVersion":"v1","kind":"Node","metadata":{"name":"n"}}"#, name: "a.json").objects.count == 1)
        let error = try #require(throws: ObjectFileError.self) { try load("{\n  apiVersion: v1}", name: "a.json") }
        #expect(error.code == .syntax)
        #expect("\(error)" == "a.json, line 2: reading JSON, column 3: expected a key in quotes, found 'a'")
    }

    @Test("wrong YAML names the file and the line; a byte order mark is fine, other bytes are not")
    func syntax() throws {
        let error = try #require(throws: ObjectFileError.self) { try load("a: 1\n---\nb: 1\nb: 2\n") }
        #expect("\(error)" == "objects.yaml, line 3: reading YAML, document 2: key b is there twice in one map")
        #expect(try ObjectFile.entries([0xEF, 0xBB, 0xBF] + Array("a: 1".utf8), path: "x.yaml").map(\.tree) == [["a": 1]])
        #expect(throws: ObjectFileError.self) { try ObjectFile.entries([0x61, 0xFF], path: "x.yaml") }
    }

    @Test("a directory gives its YAML and JSON files by name, a missing file says so")
    func directory() throws {
        let directory = try TemporaryDirectory()
        try directory.write("{apiVersion: v1, kind: Namespace, metadata: {name: second}}", to: "b.yml")
        try directory.write(#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "first"}}"#, to: "a.json")
        try directory.write("not for us: [", to: "README.md")
        #expect(try ObjectFile.load([directory.path]).objects.map(\.metadata.name) == ["first", "second"])
        let error = try #require(throws: ObjectFileError.self) { try ObjectFile.load(["\(directory.path)/gone.yaml"]) }
        #expect(error.code == .unreadable)
        #expect(error.description.contains("gone.yaml: looking for objects: "), "\(error)")
        #expect(error.description.lowercased().contains("no such file"), "\(error)")
    }
}
