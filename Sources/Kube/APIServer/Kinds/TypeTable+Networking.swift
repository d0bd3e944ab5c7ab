/// Networking, endpoint slices and leases.
extension TypeTable {
    static let networkingTypes = #"""
        package io.k8s.api.discovery.v1
        EndpointSlice
          addressType! string; endpoints [Endpoint] atomic; metadata ObjectMeta; ports [DiscoveryEndpointPort] atomic
        Endpoint
          addresses! [string] set; conditions EndpointConditions; deprecatedTopology {string}; hints EndpointHints;
          hostname string; nodeName string; targetRef ObjectReference; zone string
        DiscoveryEndpointPort
          appProtocol string; name string; port int32; protocol string
        EndpointConditions
          ready bool; serving bool; terminating bool
        EndpointHints
          forNodes [ForNode] atomic; forZones [ForZone] atomic
        ForNode
          name! string
        ForZone
          name! string
        package io.k8s.api.coordination.v1
        Lease
          metadata ObjectMeta; spec LeaseSpec
        LeaseSpec
          acquireTime microTime; holderIdentity string; leaseDurationSeconds int32; leaseTransitions int32;
          preferredHolder string; renewTime microTime; strategy string
        package io.k8s.api.networking.v1
        NetworkPolicy
          metadata ObjectMeta; spec NetworkPolicySpec
        Ingress
          metadata ObjectMeta; spec IngressSpec; status IngressStatus
        IngressClass
          metadata ObjectMeta; spec IngressClassSpec
        NetworkPolicySpec
          egress [NetworkPolicyEgressRule] atomic; ingress [NetworkPolicyIngressRule] atomic; podSelector LabelSelector;
          policyTypes [string] atomic
        IngressSpec
          defaultBackend IngressBackend; ingressClassName string; rules [IngressRule] atomic; tls [IngressTLS] atomic
        IngressStatus
          loadBalancer IngressLoadBalancerStatus
        IngressClassSpec
          controller string; parameters IngressClassParametersReference
        NetworkPolicyEgressRule
          ports [NetworkPolicyPort] atomic; to [NetworkPolicyPeer] atomic
        NetworkPolicyIngressRule
          from [NetworkPolicyPeer] atomic; ports [NetworkPolicyPort] atomic
        IngressBackend
          resource TypedLocalObjectReference; service IngressServiceBackend
        IngressRule
          host string; http HTTPIngressRuleValue
        IngressTLS
          hosts [string] atomic; secretName string
        IngressLoadBalancerStatus
          ingress [IngressLoadBalancerIngress] atomic
        IngressClassParametersReference
          apiGroup string; kind! string; name! string; namespace string; scope string
        NetworkPolicyPort
          endPort int32; port intOrString; protocol string
        NetworkPolicyPeer
          ipBlock IPBlock; namespaceSelector LabelSelector; podSelector LabelSelector
        IngressServiceBackend
          name! string; port ServiceBackendPort
        HTTPIngressRuleValue
          paths! [HTTPIngressPath] atomic
        IngressLoadBalancerIngress
          hostname string; ip string; ports [IngressPortStatus] atomic
        IPBlock
          cidr! string; except [string] atomic
        ServiceBackendPort
          name string; number int32
        HTTPIngressPath
          backend! IngressBackend; path string; pathType! string
        IngressPortStatus
          error string; port! int32; protocol! string
        """#
}
