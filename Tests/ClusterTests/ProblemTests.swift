import Cluster
import KubeAPI
import Testing

@Suite("problems")
struct ProblemTests {
    @Test("every kind of problem says what can be done, in one sentence without an end", arguments: Problem.ID.allCases)
    func remedies(_ id: Problem.ID) {
        #expect(!id.remedy.isEmpty && !id.remedy.hasSuffix(".") && id.remedy.first?.isLowercase == true)
        #expect(id.rawValue.allSatisfy { $0.isLowercase || $0 == "-" })
    }

    @Test("the worst come first, then by what they are about")
    func order() {
        let (n1, n2) = (ObjectKey(Node.resource.kind, name: "n1"), ObjectKey(Node.resource.kind, name: "n2"))
        let sorted = [
            Problem(.changeRefused, nil, "a"), Problem(.nodeAddressShared, n1, "a"), Problem(.podCIDROverlap, n1, "a"),
            Problem(.podCIDROverlap, n1, "b"), Problem(.nodeAddressShared, n2, "a"), Problem(.nodeWithoutPodCIDR, n1, "a"),
        ]
        #expect(sorted.reversed().sorted() == sorted)
        #expect(
            sorted[2].description
                == "error pod-cidr-overlap: Node n1: a; give each node a range in spec.podCIDRs that overlaps no other node's")
    }
}
