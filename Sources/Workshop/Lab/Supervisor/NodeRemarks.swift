public import KubeAPI

/// What is to be said of nodes, by their status. What several say in the same words, as of an object that all of them read, is said once.
public enum NodeRemarks {
    public static func lines(_ nodes: [JSONValue]) -> [String] {
        var remarks: [(text: String, nodes: [String])] = []
        for node in nodes {
            let name = node["name"]?.string ?? ""
            for text in Self.texts(node) {
                if let place = remarks.firstIndex(where: { $0.text == text }) {
                    remarks[place].nodes.append(name)
                } else {
                    remarks.append((text, [name]))
                }
            }
        }
        return remarks.map { "\($0.nodes.joined(separator: ", ")): \($0.text)" }
    }

    private static func texts(_ node: JSONValue) -> [String] {
        var texts: [String] = []
        if node["ready"] != true { texts.append(node["reason"]?.string ?? "") }
        if let parts = node["agentParts"]?.string, !parts.split(separator: ",").contains("policies") {
            texts.append("policies are not enforced: the agent runs without the part policies (--parts \(parts))")
        }
        return texts + (node["problems"]?.array ?? []).compactMap(\.string)
    }
}
