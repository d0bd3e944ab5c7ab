import KubeAPI
import Testing

@testable import APIServer

@Suite struct KindTests {
    @Test("every kind of the brief is served, once, and has a sample")
    func kinds() {
        let usable = ServedKinds.all.filter { $0.refusal == nil && !$0.isReview && !$0.isNewEvent }
        #expect(usable.count == 24)
        #expect(Set(ServedKinds.all.map(\.groupVersionKind)).count == ServedKinds.all.count)
        #expect(Set(Sample.specs.map(\.kind)) == Set(usable.map(\.kind)))
    }

    /// Types that stand for themselves.
    static let empty: Set = ["CustomResourceSubresourceStatus"]

    @Test("every type a field names is in the table, and every merge key is a field of the elements")
    func table() {
        for type in TypeTable.standard.types.values {
            #expect(!type.fields.isEmpty || Self.empty.contains(type.name), "\(type.name) has no fields")
            for field in type.fields {
                guard let part = field.form.part else { continue }
                let inner = TypeTable.standard.types[part]
                #expect(inner != nil, "\(type.name).\(field.name) is a \(part), which is not in the table")
                if let key = field.merge.key { #expect(inner?.field(key) != nil, "\(type.name).\(field.name) by \(key)") }
            }
        }
        #expect(ServedKinds.all.allSatisfy { TypeTable.standard.types[$0.typeName] != nil || $0.refusal != nil })
    }

    @Test(
        "lists merge by the keys that the API publishes",
        arguments: [
            ("PodSpec", "containers", "name"), ("Container", "ports", "containerPort"), ("Container", "env", "name"),
            ("Container", "volumeMounts", "mountPath"), ("PodSpec", "imagePullSecrets", "name"),
            ("PodSpec", "hostAliases", "ip"), ("PodSpec", "topologySpreadConstraints", "topologyKey"),
            ("ServiceSpec", "ports", "port"), ("PodStatus", "conditions", "type"), ("NodeStatus", "addresses", "type"),
            ("ObjectMeta", "ownerReferences", "uid"), ("ServiceAccount", "secrets", "name"), ("PodSpec", "volumes", "name"),
        ])
    func keys(type: String, field: String, key: String) {
        #expect(TypeTable.standard.types[type]?.field(field)?.merge.key == key)
    }

    @Test("tolerations and taints are replaced whole, finalizers come together")
    func strategies() {
        let types = TypeTable.standard.types
        #expect(types["PodSpec"]?.field("tolerations")?.merge.mergesLists == false)
        #expect(types["NodeSpec"]?.field("taints")?.merge.mergesLists == false)
        #expect(types["ObjectMeta"]?.field("finalizers")?.merge == .init(mergesLists: true))
    }

    @Test("a definition becomes a kind with its words, its parts and its columns")
    func custom() throws {
        let kind = try #require(ServedKind(crd: ["spec": tree(Sample.definitionSpec)]))
        #expect(kind.resourceName == "boats.example.org")
        #expect(kind.listKind == "BoatList")
        #expect(kind.shortNames == ["bt"])
        #expect(kind.subresources.map(\.name) == ["status", "scale"])
        #expect(kind.custom?.printerColumns.map(\.name) == ["Crew", "Ready", "Built"])
        #expect(kind.custom?.schema.rulePaths.map(\.description) == ["spec"])
    }

    @Test(
        "what is no definition serves nothing", arguments: ["{}", #"{"spec": {}}"#, #"{"spec": {"group": "a.b", "names": 3}}"#])
    func noDefinition(text: String) {
        #expect(ServedKind.kinds(ofCRD: tree(text)).isEmpty)
    }

    @Test(
        "a path finds what kubectl's finds",
        arguments: [
            (".a.b", "[1]"), ("{.a.b}", "[1]"), ("$.a.b", "[1]"), (".list[0].n", #"["x"]"#), (".list[-1].n", #"["y"]"#),
            (".list[*].n", #"["x","y"]"#), (#".list[?(@.n=="y")].v"#, "[2]"), (#".list[?(@.n!="y")].v"#, "[1]"),
            (".list[?(@.extra)].n", #"["y"]"#), (".map['a.b']", #"["dot"]"#), (".map.a\\.b", #"["dot"]"#), (".none.b", "[]"),
            (".list[7]", "[]"), ("a.b", "[1]"),
        ])
    func paths(text: String, found: String) throws {
        let object = tree(
            #"{"a": {"b": 1}, "map": {"a.b": "dot"}, "list": [{"n": "x", "v": 1}, {"n": "y", "v": 2, "extra": {}}]}"#)
        let path = try #require(JSONPath(text))
        #expect(JSONValue.array(path.values(in: object)) == tree(found))
    }

    @Test("what is no path is refused", arguments: [".a[", ".a[b]", ".a..b", ".a[?(b)]", ".a[?(@.b==)]", ".a."])
    func wrongPaths(text: String) {
        #expect(JSONPath(text) == nil)
    }

    @Test(
        "a moment reads as RFC 3339 and writes back",
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("2026-11-21T10:12:23Z", 1_795_255_943), ("2000-02-29T23:59:59Z", 951_868_799),
            ("2026-11-21T11:12:23.5+01:00", 1_795_255_943), ("1969-12-31T23:59:59Z", -1),
        ])
    func moments(text: String, seconds: Int64) {
        let moment = APIServer.Timestamp(text)
        #expect(moment?.seconds == seconds)
        #expect(moment.flatMap { APIServer.Timestamp($0.description) } == moment)
    }

    @Test(
        "what is no moment is refused",
        arguments: [
            "", "2026", "2026-11-21", "2026-13-01T00:00:00Z", "2025-02-29T00:00:00Z", "2026-11-21T25:00:00Z",
            "2026-11-21T10:12:23", "2026-11-21T10:12:23.Z", "2026-11-21T10:12:23Zx", "2026-11-21T10:12:23+1:00",
        ])
    func noMoments(text: String) {
        #expect(APIServer.Timestamp(text) == nil)
    }
}
