import KubeAPI

/// Which of the names that a custom resource definition asks for it gets: a name belongs to the first definition of its group
/// that was given it. Pure; the words are kube-apiserver's.
enum DefinitionNames {
    /// The definition with what became of its names in its status.
    ///
    /// - Parameter others: the definitions that are there. This one, of before, may be among them.
    static func settled(_ definition: JSONValue, among others: [JSONValue], now: Timestamp) -> JSONValue {
        let group = definition.at("spec", "group")?.string
        let taken = Taken(others.filter { $0.name != definition.name && $0.at("spec", "group")?.string == group })
        let wanted = definition.at("spec", "names")?.object ?? JSONObject()
        var names = definition.at("status", "acceptedNames")?.object ?? JSONObject()
        var conflict: (reason: String, message: String)?
        for (field, reason, isFree) in [
            ("plural", "PluralConflict", taken.hasNoResource), ("singular", "SingularConflict", taken.hasNoResource),
            ("kind", "KindConflict", taken.hasNoKind), ("listKind", "ListKindConflict", taken.hasNoKind),
        ] {
            let word = wanted.string(field)
            if word.isEmpty || word == names.string(field) || isFree(word) {
                names[field] = wanted[field]
            } else {
                conflict = (reason, "\"\(word)\" is already in use")
            }
        }
        let (short, own) = (Self.words(wanted["shortNames"]), Self.words(names["shortNames"]))
        let lost = short.filter { !own.contains($0) && !taken.hasNoResource($0) }
        if lost.isEmpty {
            names["shortNames"] = wanted["shortNames"]
        } else {
            conflict = ("ShortNamesConflict", lost.map { "\"\($0)\" is already in use" }.joined(separator: ", "))
        }
        names["categories"] = wanted["categories"]
        var result = definition
        result.set(.object(names), at: "status", "acceptedNames")
        result.settle("NamesAccepted", conflict == nil, conflict ?? ("NoConflicts", "no conflicts found"), now)
        if conflict == nil {
            result.settle("Established", true, ("InitialNamesAccepted", "the initial names have been accepted"), now)
        } else if !isEstablished(definition) {
            // What was established once stays so, with the names that it had.
            result.settle("Established", false, ("NotAccepted", "not all names are accepted"), now)
        }
        result.settleRules(now)
        return result
    }

    /// The definition with the names it has instead of those it asks for; `nil` when it was given none.
    static func served(_ definition: JSONValue) -> JSONValue? {
        guard let status = definition.at("status", "conditions") else { return definition }
        guard isEstablished(definition) || !status.objects.contains(where: { $0.string("type") == "Established" }) else {
            return nil
        }
        guard let names = definition.at("status", "acceptedNames"), names["plural"]?.string != nil, names["kind"]?.string != nil
        else { return definition }
        var result = definition
        result.set(names, at: "spec", "names")
        return result
    }

    static func areAccepted(_ definition: JSONValue) -> Bool { holds("NamesAccepted", definition) }

    private static func isEstablished(_ definition: JSONValue) -> Bool { holds("Established", definition) }

    private static func holds(_ type: String, _ definition: JSONValue) -> Bool {
        definition.at("status", "conditions")?.objects.contains { $0.string("type") == type && $0.string("status") == "True" }
            ?? false
    }

    fileprivate static func words(_ list: JSONValue?) -> [String] { list?.array?.compactMap(\.string) ?? [] }
}

extension DefinitionNames {
    /// The names of others. The API tells resources by plural, singular and short names, and kinds by kind and list kind.
    private struct Taken {
        private var resources: Set<String> = []
        private var kinds: Set<String> = []

        init(_ definitions: [JSONValue]) {
            for definition in definitions {
                guard let names = definition.at("status", "acceptedNames")?.object else { continue }
                resources.formUnion(
                    [names.string("plural"), names.string("singular")] + DefinitionNames.words(names["shortNames"]))
                kinds.formUnion([names.string("kind"), names.string("listKind")])
            }
        }

        func hasNoResource(_ word: String) -> Bool { !resources.contains(word) }
        func hasNoKind(_ word: String) -> Bool { !kinds.contains(word) }
    }
}

extension JSONValue {
    /// Says where rules in CEL stand that are stored and not run, in a condition of this server's own; without rules there is none.
    fileprivate mutating func settleRules(_ now: Timestamp) {
        let places = (at("spec", "versions")?.objects ?? []).flatMap { version -> [String] in
            guard let tree = version["schema"]?.at("openAPIV3Schema") else { return [] }
            return StructuralSchema(tree).rulePaths.map { "\(version.string("name")): \($0)" }
        }
        guard places.isEmpty else {
            let message = "rules in CEL are not run by this server, at \(places.joined(separator: ", "))"
            return settle("ValidationRulesEvaluated", false, ("NotSupported", message), now)
        }
        guard let conditions = at("status", "conditions")?.array else { return }
        let kept = conditions.filter { $0["type"] != "ValidationRulesEvaluated" }
        if kept.count < conditions.count { set(.array(kept), at: "status", "conditions") }
    }

    /// Sets a condition; its time is that of its last change of status.
    fileprivate mutating func settle(
        _ type: String, _ holds: Bool, _ why: (reason: String, message: String), _ now: Timestamp
    ) {
        var conditions = at("status", "conditions")?.array ?? []
        let position = conditions.firstIndex { $0["type"] == .string(type) }
        let status: JSONValue = holds ? "True" : "False"
        var time: JSONValue = .string(now.description)
        if let position, conditions[position]["status"] == status {
            // An established definition keeps the reason that it was established for.
            if type == "Established", holds { return }
            time = conditions[position]["lastTransitionTime"] ?? time
        }
        let condition: JSONValue = [
            "type": .string(type), "status": status, "lastTransitionTime": time, "reason": .string(why.reason),
            "message": .string(why.message),
        ]
        if let position { conditions[position] = condition } else { conditions.append(condition) }
        set(.array(conditions), at: "status", "conditions")
    }
}
