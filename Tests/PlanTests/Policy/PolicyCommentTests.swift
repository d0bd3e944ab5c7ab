import Addressing
import KubeAPI
import NFTables
import Testing

@testable import Cluster
@testable import Plan

@Suite("what a rule of policies is called in the kernel") struct PolicyCommentTests {
    private func comment(_ names: [String]) -> String {
        let keys = names.map { ObjectKey(NetworkPolicy.resource.kind, namespace: "shop", name: $0) }
        return PolicyPage.comment("refused", PolicyTally(policies: keys, direction: .ingress, place: "", outcome: .denied))
    }

    @Test("of many policies as many as find room are named whole, and the others counted")
    func many() throws {
        #expect(comment([]) == "refused, as nothing is known")
        #expect(comment(["a", "b"]) == "refused by shop/a shop/b")
        let text = comment((0..<300).map { "policy-\($0)" })
        #expect(text.utf8.count <= Rule.commentLimit && text.hasPrefix("refused by shop/policy-0 shop/policy-1 "))
        let named = text.split(separator: " ").filter { $0.hasPrefix("shop/") }.count
        #expect(text.hasSuffix(" and \(300 - named) more"))
        #expect(comment([String(repeating: "x", count: 200), "b"]) == "refused by 2 policies")
        let exact = ["p", String(repeating: "y", count: Rule.commentLimit - "refused by shop/p shop/".utf8.count)]
        #expect(comment(exact).utf8.count == Rule.commentLimit && comment(exact).hasSuffix("y"))
    }

    @Test("a rule is called by its place and its name, and says when it is not what was written")
    func steps() throws {
        var step = PolicyStep(
            policy: ObjectKey(ClusterNetworkPolicy.resource.kind, name: "lock"), place: "egress[2]", effect: .refuse,
            peer: .anybody,
            port: .any)
        #expect(step.name(within: 126) == "egress[2] of lock")
        (step.title, step.remark) = ("no udp", "labels not known")
        #expect(step.name(within: 126) == "egress[2]/no udp of lock (labels not known)" && step.rule == "egress[2]/no udp")
        #expect(step.name(within: 40) == "egress[2] of lock (labels not known)")
    }

    @Test("what fails closed says so, and what opens nothing for certain is left out")
    func closed() throws {
        func steps(_ rule: JSONValue, _ set: (inout PolicyIndex) -> Void = { _ in }) throws -> [String] {
            let tree: JSONValue = [
                "apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicy", "metadata": ["name": "lock"],
                "spec": ["tier": "Admin", "priority": 1, "subject": ["namespaces": [:]], "egress": [rule]],
            ]
            let policy = try #require(Registry.standard.read(tree).object as? ClusterNetworkPolicy)
            var index = PolicyIndex(node: "n1")
            set(&index)
            return PolicyStep.all(policy, isCertain: true, .sendToNode, .v4, index).filter(\.mayMeanNode).map {
                "\($0.effect.rawValue) \($0.peer == .anybody ? "anybody" : "some") \($0.name(within: 126))"
            }
        }
        let named: JSONValue = ["action": "Deny", "name": "x", "to": [["domainNames": ["example.org"]]]]
        #expect(try steps(named) == ["refuse anybody egress[0]/x of lock (has domainNames)"])
        let unreadable: JSONValue = ["action": "Deny", "to": [["networks": ["nowhere"]]]]
        #expect(try steps(unreadable) == ["refuse anybody egress[0] of lock (cannot be read)"])
        #expect(try steps(["action": "Accept", "to": [["networks": ["nowhere"]]]]) == [])
        let pass: JSONValue = ["action": "Pass", "to": [["nodes": ["matchLabels": ["role": "a"]]]]]
        #expect(
            try steps(pass) == ["pass some egress[0] of lock", "refuse anybody egress[0] of lock (labels not known)"])
        func node(_ role: String) -> Node { Node(metadata: ObjectMeta(name: "n1", labels: ["role": role])) }
        #expect(try steps(pass) { $0.set(node("b")) } == ["pass some egress[0] of lock"])
        #expect(try steps(pass) { $0.set(node("a")) } == ["pass some egress[0] of lock", "pass anybody egress[0] of lock"])
    }
}
