import KubeAPI
import Testing

@testable import Lab

@Suite("what is said of nodes")
struct NodeRemarkTests {
    private func node(_ name: String, _ problems: [String] = [], parts: String = "pods,policies", ready: Bool = true) -> JSONValue
    {
        [
            "name": .string(name), "ready": .bool(ready), "reason": "the kubelet has said nothing yet",
            "agentParts": .string(parts),
            "problems": .array(problems.map(JSONValue.string)),
        ]
    }

    @Test("what all nodes tell of one object is told once, with the nodes, in the order in which it was heard first")
    func once() {
        let (one, two) = ("error policy-rule-closed: NetworkPolicy shop/db: …", "error mtu-unfit: Node b: …")
        #expect(
            NodeRemarks.lines([node("a", [one]), node("b", [two, one]), node("c", [one])]) == ["a, b, c: \(one)", "b: \(two)"])
        #expect(NodeRemarks.lines([node("a"), node("b")]) == [])
    }

    @Test("a node whose agent does not enforce policies is named")
    func policies() {
        let words = "policies are not enforced: the agent runs without the part policies (--parts pods,overlay)"
        #expect(
            NodeRemarks.lines([node("a", parts: "pods,overlay"), node("b"), node("c", parts: "pods,overlay", ready: false)]) == [
                "a, c: \(words)", "c: the kubelet has said nothing yet",
            ])
        // Of an agent that has not spoken yet nothing is known.
        #expect(NodeRemarks.lines([["name": "a", "ready": true, "agentParts": nil]]) == [])
    }
}
