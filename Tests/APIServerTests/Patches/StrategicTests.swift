import KubeAPI
import Testing

@testable import APIServer

@Suite struct StrategicTests {
    static func patched(_ object: String, _ patch: String, kind: String = "Pod") throws -> JSONValue {
        let type = "application/strategic-merge-patch+json"
        return try Patch(contentType: type, body: Array(patch.utf8), kind: served(kind)).applied(to: tree(object))
    }

    /// Object, patch, result: of a pod.
    static let cases: [(String, String, String)] = [
        // A container is found by its name; the others stay where they are.
        (
            #"{"spec":{"containers":[{"name":"a","image":"1"},{"name":"b","image":"2"}]}}"#,
            #"{"spec":{"containers":[{"name":"b","image":"3"}]}}"#,
            #"{"spec":{"containers":[{"name":"a","image":"1"},{"name":"b","image":"3"}]}}"#
        ),
        // A new element goes before what the patch does not name, as in Kubernetes.
        (
            #"{"spec":{"containers":[{"name":"a"}]}}"#, #"{"spec":{"containers":[{"name":"b"}]}}"#,
            #"{"spec":{"containers":[{"name":"b"},{"name":"a"}]}}"#
        ),
        (
            #"{"spec":{"containers":[{"name":"a"},{"name":"b"}]}}"#,
            #"{"spec":{"containers":[{"$patch":"delete","name":"a"}]}}"#, #"{"spec":{"containers":[{"name":"b"}]}}"#
        ),
        (
            #"{"spec":{"containers":[{"name":"a"},{"name":"b"}]}}"#,
            #"{"spec":{"containers":[{"$patch":"replace"},{"name":"c"}]}}"#, #"{"spec":{"containers":[{"name":"c"}]}}"#
        ),
        (
            #"{"spec":{"securityContext":{"runAsUser":1,"fsGroup":2}}}"#,
            #"{"spec":{"securityContext":{"$patch":"replace","fsGroup":3}}}"#, #"{"spec":{"securityContext":{"fsGroup":3}}}"#
        ),
        (
            #"{"metadata":{"labels":{"a":"1"}}}"#, #"{"metadata":{"labels":{"$patch":"delete"}}}"#, #"{"metadata":{"labels":{}}}"#
        ),
        // Lists without the strategy are replaced.
        (
            #"{"spec":{"tolerations":[{"key":"a"}]}}"#, #"{"spec":{"tolerations":[{"key":"b"}]}}"#,
            #"{"spec":{"tolerations":[{"key":"b"}]}}"#
        ),
        // Plain values come together.
        (
            #"{"metadata":{"finalizers":["a","b"]}}"#, #"{"metadata":{"finalizers":["b","c"]}}"#,
            #"{"metadata":{"finalizers":["a","b","c"]}}"#
        ),
        (
            #"{"metadata":{"finalizers":["a","b"]}}"#, #"{"metadata":{"$deleteFromPrimitiveList/finalizers":["a"]}}"#,
            #"{"metadata":{"finalizers":["b"]}}"#
        ),
        // What a patch retains, and what goes with it.
        (
            #"{"spec":{"volumes":[{"name":"v","emptyDir":{}}]}}"#,
            #"{"spec":{"volumes":[{"name":"v","$retainKeys":["name","hostPath"],"hostPath":{"path":"/x"}}]}}"#,
            #"{"spec":{"volumes":[{"name":"v","hostPath":{"path":"/x"}}]}}"#
        ),
        // The order a client asks for.
        (
            #"{"spec":{"containers":[{"name":"a"},{"name":"b"},{"name":"c"}]}}"#,
            #"{"spec":{"$setElementOrder/containers":[{"name":"c"},{"name":"a"}],"containers":[{"name":"c","image":"3"}]}}"#,
            #"{"spec":{"containers":[{"name":"b"},{"name":"c","image":"3"},{"name":"a"}]}}"#
        ),
        (
            #"{"metadata":{"labels":{"a":"1","b":"2"}}}"#, #"{"metadata":{"labels":{"a":null}}}"#,
            #"{"metadata":{"labels":{"b":"2"}}}"#
        ),
        // A list that is new comes without its directives.
        (
            #"{"spec":{}}"#, #"{"spec":{"volumes":[{"name":"v","emptyDir":{},"x":null}]}}"#,
            #"{"spec":{"volumes":[{"name":"v","emptyDir":{}}]}}"#
        ),
        (#"{}"#, #"{"spec":{"containers":[{"$patch":"delete","name":"a"}]}}"#, #"{"spec":{"containers":[]}}"#),
    ]

    @Test("a strategic merge patch does what apimachinery's does", arguments: cases)
    func merge(object: String, patch: String, wanted: String) throws {
        let result = try Self.patched(object, patch)
        // The order matters here, so texts are compared.
        #expect(result.description == tree(wanted).description)
    }

    @Test(
        "a strategic merge patch that makes no sense is refused",
        arguments: [
            (#"{"$patch":"hop"}"#, #"unknown patch type: "hop", use "replace" or "delete""#, 400),
            (
                #"{"spec":{"containers":[{"image":"x"}]}}"#, "spec.containers[0]: map does not contain declared merge key: name",
                422
            ),
            (#"{"spec":{"containers":["x"]}}"#, "spec.containers[0]: expected an object, found string", 400),
            (
                #"{"spec":{"containers":[{"$patch":"delete"}]}}"#,
                "spec.containers[0]: map does not contain declared merge key: name", 422
            ),
            (
                #"{"spec":{"containers":[{"$patch":"merge","name":"a"}]}}"#,
                #"spec.containers[0]: unknown patch type: "merge", use "replace" or "delete""#, 400
            ),
            (#"{"spec":{"$retainKeys":3}}"#, "spec: invalid patch format of retainKeys: it must be a list of names", 400),
            (
                #"{"spec":{"$retainKeys":["a"],"b":1}}"#,
                #"spec: invalid patch format of retainKeys: "b" is set and not retained"#, 400
            ),
            (
                #"{"metadata":{"$deleteFromPrimitiveList/finalizers":1}}"#,
                "metadata.finalizers: invalid patch format of primitive list: it must be a list", 400
            ),
            (
                #"{"spec":{"$setElementOrder/containers":1}}"#,
                "spec.containers: invalid patch format of setElementOrder list: it must be a list", 400
            ),
            (
                #"{"spec":{"$setElementOrder/containers":[{"name":"b"}],"containers":[{"name":"a"}]}}"#,
                #"spec.containers: the order in patch list doesn't match $setElementOrder list: "a" is not in place"#, 400
            ),
        ])
    func refused(patch: String, message: String, status: Int) throws {
        let object = #"{"metadata":{"finalizers":["f"]},"spec":{"containers":[{"name":"a"}]}}"#
        let error = #expect(throws: PatchError.self) { try Self.patched(object, patch) }
        #expect(error?.message == message)
        #expect(error?.status.code == status)
    }

    @Test("a patch made of two pods turns the one into the other", arguments: 0..<200)
    func roundTrip(seed: Int) throws {
        var random = RandomObjects(seed)
        let (old, new) = (Self.pod(&random), Self.pod(&random))
        let patch = Self.difference(old, new)
        let result = try Patch.strategic(patch, schema: MergeSchema(served("Pod"))).applied(to: old)
        #expect(result.description == new.description, "seed \(seed), patch \(patch)")
    }

    /// Containers with a name and some ports, as an author would write them.
    static func pod(_ random: inout RandomObjects) -> JSONValue {
        let names = ["a", "b", "c", "d"].filter { _ in random.number(0..<3) > 0 }.sorted { _, _ in random.number(0..<2) == 0 }
        let containers = names.map { name -> JSONValue in
            let ports = [80, 443, 8080].filter { _ in random.number(0..<2) == 0 }
            return [
                "name": .string(name), "image": .string("i\(random.number(0..<3))"),
                "ports": .array(ports.map { ["containerPort": .integer($0)] }),
            ]
        }
        return ["spec": ["containers": .array(containers)]]
    }

    /// A patch as a client makes it: elements that went are deleted, the order is said.
    static func difference(_ old: JSONValue, _ new: JSONValue) -> JSONValue {
        [
            "spec": .object(
                list("containers", "name", old["spec"], new["spec"]) { before, after in
                    var change: JSONObject = ["name": after["name"] ?? .null, "image": after["image"] ?? .null]
                    for member in list("ports", "containerPort", before, after, { _, port in port }).members {
                        change[member.key] = member.value
                    }
                    return .object(change)
                })
        ]
    }

    static func list(
        _ field: String, _ key: String, _ old: JSONValue?, _ new: JSONValue?, _ change: (JSONValue, JSONValue) -> JSONValue
    ) -> JSONObject {
        let (before, after) = (old?[field]?.array ?? [], new?[field]?.array ?? [])
        // apimachinery refuses an order of nothing in nothing.
        if before.isEmpty, after.isEmpty { return [:] }
        let gone = before.filter { element in !after.contains { $0[key] == element[key] } }
        let deletions: [JSONValue] = gone.map { ["$patch": "delete", key: $0[key] ?? .null] }
        // What is new is sent as it is: directives are for what is there.
        let changes = after.map { element in before.first { $0[key] == element[key] }.map { change($0, element) } ?? element }
        let order: [JSONValue] = after.map { [key: $0[key] ?? .null] }
        return [field: .array(changes + deletions), "$setElementOrder/\(field)": .array(order)]
    }
}
