import KubeAPI

/// Which nodes a pod may be on: `nodeSelector`, and the required part of `nodeAffinity`.
struct NodeAffinity {
    static let required = "requiredDuringSchedulingIgnoredDuringExecution"
    static let preferred = "preferredDuringSchedulingIgnoredDuringExecution"

    private let labels: LabelSelector
    /// One of them has to match; `nil` when none is asked for.
    private let terms: [Term]?
    private let preferences: [(weight: Int, term: Term)]

    init(of spec: JSONValue) {
        labels = LabelSelector(matching: spec["nodeSelector"]?.strings ?? [:])
        let affinity = spec[field: "affinity", "nodeAffinity"]
        terms = affinity?[field: Self.required, "nodeSelectorTerms"]?.array?.map(Term.init)
        preferences = (affinity?[field: Self.preferred]?.array ?? []).map {
            ($0["weight"]?.integer ?? 0, Term($0["preference"] ?? [:]))
        }
    }

    func matches(_ node: Item) -> Bool {
        guard labels.matches(node.labels) else { return false }
        guard let terms else { return true }
        return terms.contains { $0.matches(node) }
    }

    /// The sum of the weights of what is preferred and so.
    func preference(for node: Item) -> Int {
        preferences.reduce(0) { $0 + ($1.term.matches(node) ? $1.weight : 0) }
    }

    /// Makes every term ask for this one node, as a DaemonSet does.
    static func pin(_ spec: inout JSONValue, to node: String) {
        let field: JSONValue = ["key": "metadata.name", "operator": "In", "values": [.string(node)]]
        let present = spec[field: "affinity", "nodeAffinity", required, "nodeSelectorTerms"]?.array
        let terms = (present ?? [[:]]).map { term in
            var term = term
            term[field: "matchFields"] = [field]
            return term
        }
        spec[field: "affinity", "nodeAffinity", required, "nodeSelectorTerms"] = .array(terms)
    }
}

extension NodeAffinity {
    /// All of its requirements have to hold; a term without any matches nothing.
    struct Term {
        private let expressions: [JSONValue]
        private let fields: [JSONValue]

        init(_ tree: JSONValue) {
            expressions = tree["matchExpressions"]?.array ?? []
            fields = tree["matchFields"]?.array ?? []
        }

        func matches(_ node: Item) -> Bool {
            if expressions.isEmpty, fields.isEmpty { return false }
            return expressions.allSatisfy { Self.holds($0, for: node.labels[$0["key"]?.string ?? ""]) }
                && fields.allSatisfy { $0["key"]?.string == "metadata.name" && Self.holds($0, for: node.name) }
        }

        private static func holds(_ requirement: JSONValue, for value: String?) -> Bool {
            let values = (requirement["values"]?.array ?? []).compactMap(\.string)
            switch requirement["operator"]?.string {
            case "In": return value.map(values.contains) ?? false
            case "NotIn": return !(value.map(values.contains) ?? false)
            case "Exists": return value != nil
            case "DoesNotExist": return value == nil
            case "Gt", "Lt":
                guard values.count == 1, let limit = Int64(values[0]), let number = value.flatMap({ Int64($0) }) else {
                    return false
                }
                return requirement["operator"]?.string == "Gt" ? number > limit : number < limit
            default: return false
            }
        }
    }
}
