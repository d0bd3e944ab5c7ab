import KubeAPI

/// The two forms of an event: `v1` and `events.k8s.io/v1` show the same objects, as in kube-apiserver. The first one is stored.
enum EventForm {
    private static let names = [
        ("involvedObject", "regarding"), ("message", "note"), ("source", "deprecatedSource"),
        ("firstTimestamp", "deprecatedFirstTimestamp"), ("lastTimestamp", "deprecatedLastTimestamp"),
        ("count", "deprecatedCount"), ("reportingComponent", "reportingController"),
    ]

    private static let new = Dictionary(uniqueKeysWithValues: names)
    private static let old = Dictionary(uniqueKeysWithValues: names.map { ($1, $0) })

    static func stored(_ event: JSONValue) -> JSONValue { renamed(event, "v1", old) }
    static func shown(_ event: JSONValue) -> JSONValue { renamed(event, "events.k8s.io/v1", new) }

    /// What a field selector of the newer form means in the stored one.
    static func storedField(_ path: String) -> String {
        guard let first = path.split(separator: ".").first, let name = old[String(first)] else { return path }
        return name + path.dropFirst(first.count)
    }

    private static func renamed(_ event: JSONValue, _ apiVersion: String, _ names: [String: String]) -> JSONValue {
        var result = JSONObject()
        for member in event.object?.members ?? [] { result[names[member.key] ?? member.key] = member.value }
        result["apiVersion"] = .string(apiVersion)
        return .object(result)
    }
}

extension ServedKind {
    var isNewEvent: Bool { group == "events.k8s.io" && kind == "Event" }
    /// Whether the store holds it in another form than this kind shows.
    var isConverted: Bool { isCustom || isNewEvent }
    /// Its type in ``TypeTable``, where two groups may have kinds of the same name.
    var typeName: String { isNewEvent ? "Event/events" : kind }

    /// An object of this kind as the store keeps it.
    func stored(_ object: JSONValue) -> JSONValue { isNewEvent ? EventForm.stored(object) : object }
}
