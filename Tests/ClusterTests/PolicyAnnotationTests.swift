import KubeAPI
import Testing

@testable import Cluster

@Suite("annotations of policies") struct PolicyAnnotationTests {
    private func problems(_ name: String, _ value: String) -> [String] {
        var index = PolicyIndex(node: "n1")
        let policy = NetworkPolicy(
            metadata: ObjectMeta(name: "db", namespace: "shop", annotations: [name: value]), podSelector: LabelSelector(),
            directions: [.ingress])
        index.set(policy)
        #expect(index.areProblemsNew == !index.problems.isEmpty)
        defer {
            index.remove(policy.key)
            #expect(index.problems.isEmpty)
        }
        return index.problems.map(\.message)
    }

    @Test("a mode that is none is a problem: the policy is in force", arguments: ["Shadow", "audit", "shadow ", ""])
    func mode(_ word: String) {
        #expect(
            problems(PolicyMode.annotation, word) == [
                "annotation tulle.dev/policy-mode is '\(word)'; only 'shadow' and 'enforced' are known, and the policy is in force"
            ])
    }

    @Test("what is known is none, and neither is what is not ours")
    func known() {
        for word in ["shadow", "enforced"] { #expect(problems(PolicyMode.annotation, word).isEmpty) }
        for word in ["none", "denied", "all"] { #expect(problems(PolicyLog.annotation, word).isEmpty) }
        #expect(problems("example.org/policy-mode", "audit").isEmpty)
    }

    @Test("so with the other annotations, and with a namespace's")
    func others() {
        #expect(problems(PolicyLog.annotation, "yes").count == 1)
        #expect(problems("tulle.dev/policy-mod", "shadow") == ["annotation tulle.dev/policy-mod means nothing on a policy"])
        var index = PolicyIndex(node: "n1")
        index.set(Namespace(metadata: ObjectMeta(name: "shop", annotations: [PolicyLog.annotation: "All"])))
        #expect(index.problems.map(\.id) == [.policyAnnotationUnknown])
    }
}
