import KubeAPI

extension Printer {
    private static let wide: [Table.Column] = [.wide("Containers"), .wide("Images"), .wide("Selector")]

    static let deployment = Printer([Table.Column("Ready"), .integer("Up-to-date"), .integer("Available"), .age] + wide) {
        object, now in
        let spec = object["spec"] ?? [:]
        return [
            .string("\(count(object, "readyReplicas"))/\(spec["replicas"]?.integer ?? 0)"),
            .number(JSONNumber(count(object, "updatedReplicas"))), .number(JSONNumber(count(object, "availableReplicas"))),
            .string(object.age(now)),
        ] + containers(spec) + [.string(selector(spec["selector"]))]
    }

    static let replicaSet = Printer([.integer("Desired"), .integer("Current"), .integer("Ready"), .age] + wide) { object, now in
        let spec = object["spec"] ?? [:]
        return [
            .number(JSONNumber(spec["replicas"]?.integer ?? 0)), .number(JSONNumber(count(object, "replicas"))),
            .number(JSONNumber(count(object, "readyReplicas"))), .string(object.age(now)),
        ] + containers(spec) + [.string(selector(spec["selector"]))]
    }

    static let statefulSet = Printer([Table.Column("Ready"), .age, .wide("Containers"), .wide("Images")]) { object, now in
        let spec = object["spec"] ?? [:]
        return [
            .string("\(count(object, "readyReplicas"))/\(spec["replicas"]?.integer ?? 0)"), .string(object.age(now)),
        ] + containers(spec)
    }

    static let daemonSet = Printer(
        [
            .integer("Desired"), .integer("Current"), .integer("Ready"), .integer("Up-to-date"), .integer("Available"),
            Table.Column("Node Selector"), .age,
        ] + wide
    ) { object, now in
        let spec = object["spec"] ?? [:]
        let numbers = [
            "desiredNumberScheduled", "currentNumberScheduled", "numberReady", "updatedNumberScheduled", "numberAvailable",
        ].map { JSONValue.number(JSONNumber(count(object, $0))) }
        return numbers + [
            .string(labels(spec.at("template", "spec", "nodeSelector"))), .string(object.age(now)),
        ] + containers(spec) + [.string(selector(spec["selector"]))]
    }

    static let scale = Printer([.integer("Desired"), .integer("Available"), .age]) { object, now in
        [
            object.at("spec", "replicas") ?? 0, .number(JSONNumber(count(object, "replicas"))), .string(object.age(now)),
        ]
    }

    static let controllerRevision = Printer([Table.Column("Controller"), .integer("Revision"), .age]) { object, now in
        let owner = object.at("metadata", "ownerReferences")?.objects.first { $0["controller"] == true }
        let group = (owner?.string("apiVersion") ?? "").split(separator: "/")
        let kind = (owner?.string("kind") ?? "").lowercased() + (group.count == 2 ? ".\(group[0])" : "")
        return [
            .string(owner.map { "\(kind)/\($0.string("name"))" } ?? "<none>"),
            .number(JSONNumber(object["revision"]?.integer ?? 0)), .string(object.age(now)),
        ]
    }

    private static func count(_ object: JSONValue, _ field: String) -> Int64 { object.at("status", field)?.integer ?? 0 }

    /// The names and the images of a template's containers.
    private static func containers(_ spec: JSONValue) -> [JSONValue] {
        let all = spec.at("template", "spec", "containers")?.objects ?? []
        return ["name", "image"].map { field in .string(all.map { $0.string(field) }.joined(separator: ",")) }
    }

    /// `a=b,c=d`, in the order of the keys.
    static func labels(_ map: JSONValue?) -> String {
        let pairs = (map?.strings ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        return pairs.isEmpty ? "<none>" : pairs.joined(separator: ",")
    }

    /// A label selector as `-l` would write it.
    static func selector(_ tree: JSONValue?) -> String {
        guard let tree else { return "<none>" }
        var reader = FieldReader(["selector": tree])
        let text = reader.selector("selector")?.description ?? ""
        return text.isEmpty ? "<none>" : text
    }
}
