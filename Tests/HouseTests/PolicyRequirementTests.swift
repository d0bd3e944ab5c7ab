import Testing

/// docs/policy-cases.md names tests for each case that network policies have.
@Suite("the table of policies' cases")
struct PolicyRequirementTests {
    /// What enforcement has to get right. Cases come and go here first.
    private static let cases = [
        "three namespaces with three pods each, every pair, by pod, by service and by its name, TCP, UDP and SCTP",
        "default deny, each direction and both",
        "allow all",
        "peers by podSelector, by namespaceSelector, by both in one peer, several",
        "matchLabels and matchExpressions",
        "empty selectors mean all",
        "the default label kubernetes.io/metadata.name",
        "ipBlock with and without except",
        "ports by number, by range, protocol only, no port",
        "ports by name, also of egress, another number on another pod",
        "TCP, UDP, SCTP",
        "several policies on one pod add up",
        "ingress and egress are independent",
        "policyTypes left out",
        "policies, pods and namespaces created, relabelled, deleted under traffic",
        "an address in both cidr and except of one rule but allowed by a second rule is allowed",
        "a policy naming SCTP does not allow TCP",
        "a policy naming only UDP does not allow TCP",
        "a pod is always reachable from its own node",
        "replies to allowed connections flow although the reverse direction is denied",
        "policy applies to the pod's address after service DNAT",
        "hostNetwork pods are not subject",
        "traffic from a pod to itself is allowed",
        "when a policy begins to deny, new connections are refused and established ones end",
        "a pod is isolated before its first packet",
        "an address given to a new pod does not inherit the old one's rights",
        "an unreadable rule matches nothing",
        "an unreadable podSelector selects nothing and is an error",
        "bad selectors, blocks, ports and protocols are refused with their fields",
        "an unreadable Accept matches nothing",
        "an unreadable Deny or Pass becomes deny all",
        "tiers: Admin before NetworkPolicy, Baseline after it",
        "priority, lower first",
        "Accept, Deny, Pass",
        "peers of ClusterNetworkPolicy: namespaces, pods, and of egress nodes and networks",
        "ports of ClusterNetworkPolicy: number, range, destinationNamedPort",
        "domainNames are refused with a problem",
        "at most 25 rules a direction",
        "the rules of its definition that are not run are named in its status",
        "a policy that is tried out is evaluated and not enforced, and an annotation that only looks so changes nothing",
        "judged by evidence: an answer, or a counter that rose",
    ]

    private static let table = RequirementTable(page: "docs/policy-cases.md", requirements: cases)

    @Test("has a row for each case, and none twice")
    func complete() throws { try Self.table.expectComplete() }

    @Test("names tests that exist")
    func names() throws { try Self.table.expectTests() }

    @Test("names forms that generated policies can have, and scripts that are there")
    func forms() throws {
        let forms = try Repository.text("Tests/PolicyTrials/PolicyForm.swift").split(separator: "\n").filter {
            $0.hasPrefix("    case ")
        }.flatMap { $0.dropFirst("    case ".count).split { ", ".contains($0) }.map(String.init) }
        try Self.table.expectWords(among: Set(forms + Repository.files(in: "scripts")))
    }
}
