import Testing

/// docs/services.md names tests for each behaviour of services.
@Suite("the table of services' behaviours")
struct ServiceRequirementTests {
    /// What services have to do. Behaviours come and go here first.
    private static let behaviours = [
        "endpoints from pods", "multiple ports", "the same port on TCP and UDP", "several EndpointSlices per service",
        "selector matching no pods", "type changes in every direction", "affinity ClientIP on ClusterIP and NodePort",
        "affinity switched on and off", "affinity's timeout", "NodePort asked", "NodePort allocated", "NodePort colliding",
        "NodePort out of range", "NodePort released", "refused without endpoints", "hairpin",
        "source of pod-to-service traffic kept", "service-proxy-name and headless labels", "publishNotReadyAddresses",
        "externalIPs", "loadBalancerSourceRanges", "allocateLoadBalancerNodePorts false", "LoadBalancer status",
        "healthCheckNodePort",
        "internalTrafficPolicy Cluster, ready, terminating, no local endpoints",
        "internalTrafficPolicy Local, ready, no local endpoints", "internalTrafficPolicy Local, terminating",
        "externalTrafficPolicy Cluster, ready, terminating, no local endpoints",
        "externalTrafficPolicy Local, ready, no local endpoints", "externalTrafficPolicy Local, terminating",
        "source kept under Local", "nodes and pods at the load balancer's address under Local",
        "trafficDistribution", "falling back when hints are missing",
        "terminating but serving endpoints when nothing else is left", "blue-green switch under load",
        "rolling update under load", "deleted kernel rules come back",
        "a UDP client's pod is replaced", "the same after zero endpoints", "the same after the service was deleted",
        "IPv4", "IPv6", "SingleStack, PreferDualStack, RequireDualStack", "both families on every type",
        "TCP", "UDP", "SCTP",
    ]

    private static let table = RequirementTable(page: "docs/services.md", requirements: behaviours)

    @Test("has a row for each behaviour, and none twice")
    func complete() throws { try Self.table.expectComplete() }

    @Test("names tests that exist")
    func names() throws { try Self.table.expectTests() }
}
