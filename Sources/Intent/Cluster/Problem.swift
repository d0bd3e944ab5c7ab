public import KubeAPI

/// Something in the objects or on the node that cannot be carried out as written. It stands beside everything that still can.
public struct Problem: Hashable, Sendable {
    public var id: ID
    /// What it is about.
    public var subject: ObjectKey?
    /// What is the case, with names and addresses.
    public var message: String

    public init(_ id: ID, _ subject: ObjectKey?, _ message: String) {
        self.id = id
        self.subject = subject
        self.message = message
    }

    /// The kinds of problems. Each has a page `docs/problems/<id>.md` that says what to do; the ids are kept for good, because
    /// alerts and scripts name them.
    public enum ID: String, Hashable, Sendable, CaseIterable {
        /// An object breaks a rule of the API.
        case objectInvalid = "object-invalid"
        /// An object has a field that its kind has not.
        case fieldUnknown = "field-unknown"
        /// A source of objects cannot be read.
        case sourceUnreadable = "source-unreadable"
        case nodeUnknown = "node-unknown"
        case nodeWithoutAddress = "node-without-address"
        case nodeWithoutPodCIDR = "node-without-pod-cidr"
        case nodeAddressShared = "node-address-shared"
        case podCIDROverlap = "pod-cidr-overlap"
        /// The range is loopback, multicast or the like.
        case podCIDRReserved = "pod-cidr-reserved"
        case podCIDRTooWide = "pod-cidr-too-wide"
        /// A node's address would be a pod's.
        case podCIDRHoldsNode = "pod-cidr-holds-node"
        /// The range is on one of this node's links.
        case podCIDROnSegment = "pod-cidr-on-segment"
        /// A later node's address lies in an earlier one's range for pods.
        case nodeAddressInPodCIDR = "node-address-in-pod-cidr"
        /// The node's address is on no link of the node.
        case nodeAddressMissing = "node-address-missing"
        /// host-gw needs all nodes on one segment.
        case peerNotOnSegment = "peer-not-on-segment"
        /// Two nodes have no address of one family, so that neither can send a packet to the other.
        case peerOfOtherFamily = "peer-of-other-family"
        /// Pods' packets are to be larger than the way between nodes takes, or smaller than a family needs.
        case mtuUnfit = "mtu-unfit"
        /// Another VXLAN link has the number and port, or another link the name.
        case tunnelTaken = "tunnel-taken"
        /// Another program has the UDP port of the tunnels.
        case tunnelPortTaken = "tunnel-port-taken"
        /// Another node answers, but not through the tunnel.
        case tunnelSilent = "tunnel-silent"
        /// Large packets do not come through the tunnel.
        case tunnelNarrow = "tunnel-narrow"
        /// Packets whose checksum the device was to compute do not come through the tunnel.
        case tunnelChecksum = "tunnel-checksum"
        /// This node's own name server cannot listen, or does not answer.
        case namesNotServed = "names-not-served"
        /// The document that says how names are served cannot be used.
        case nameConfigurationRefused = "name-configuration-refused"
        /// A pod's link is gone although the pod is still attached.
        case podLinkMissing = "pod-link-missing"
        /// A link looks like a pod's, and nobody wrote down whose.
        case podLinkUnknown = "pod-link-unknown"
        /// A pod's range has no address for the gateway of a bridge.
        case podRangeTooSmall = "pod-range-too-small"
        /// A pod from before `--pod-mode bridge` has the bridge's address.
        case podHoldsGateway = "pod-holds-gateway"
        /// The runtime takes another plugin's configuration before ours.
        case pluginShadowed = "plugin-shadowed"
        /// What was written down of an attachment cannot be read.
        case recordUnreadable = "record-unreadable"
        /// A deletion that waits in the queue does not tell what to delete.
        case deletionUnreadable = "deletion-unreadable"
        /// The kernel refused a change.
        case changeRefused = "change-refused"
        /// Somebody else takes away, again and again, what the agent puts there.
        case undoneByOthers = "undone-by-others"
        /// The machine runs without IPv6, and pods should have it.
        case familyUnavailable = "family-unavailable"
        /// An endpoint's address cannot be one.
        case serviceEndpointRefused = "service-endpoint-refused"
        /// Two services ask for the same address and port.
        case serviceFrontTaken = "service-front-taken"
        /// Another has the port where a load balancer asks for a service.
        case healthCheckPortTaken = "health-check-port-taken"
        /// Another has the address where the agent shows its figures.
        case metricsAddressTaken = "metrics-address-taken"
        /// Whom a policy is about cannot be read.
        case policySelectsNobody = "policy-selects-nobody"
        /// A rule of a policy cannot be read, or a part of it.
        case policyRuleClosed = "policy-rule-closed"
        /// A rule has names of the DNS as peers.
        case policyDomainNames = "policy-domain-names"
        case healthAddressTaken = "health-address-taken"
        /// Pods are on another plugin's bridge, whose packets no rule sees.
        case policyBridgeUnseen = "policy-bridge-unseen"
        /// New connections are to be logged, and the kernel's log cannot be read.
        case policyLogUnread = "policy-log-unread"
        /// A service, a port or an endpoint cannot have the name that it asks for.
        case nameUnusable = "name-unusable"
        /// A custom alias stands at a name that an object has too, and one of the two is not served.
        case nameAliasHidden = "name-alias-hidden"
        /// One of our annotations says something that nobody knows.
        case policyAnnotationUnknown = "policy-annotation-unknown"
    }

    public enum Severity: String, Hashable, Sendable, Comparable {
        case warning
        case error

        public static func < (a: Self, b: Self) -> Bool { a == .warning && b == .error }
    }
}

extension Problem.ID {
    public var severity: Problem.Severity {
        switch self {
        case .nodeWithoutPodCIDR, .nodeUnknown, .sourceUnreadable, .familyUnavailable, .podHoldsGateway, .metricsAddressTaken,
            .healthAddressTaken, .policyLogUnread, .policyAnnotationUnknown, .namesNotServed, .fieldUnknown,
            .nameConfigurationRefused:
            .warning
        case .objectInvalid, .nodeWithoutAddress, .nodeAddressShared, .nodeAddressInPodCIDR, .podCIDROverlap,
            .podCIDRReserved, .podCIDRTooWide, .podCIDRHoldsNode, .podCIDROnSegment, .nodeAddressMissing, .peerNotOnSegment,
            .peerOfOtherFamily, .mtuUnfit, .tunnelTaken, .tunnelPortTaken, .tunnelSilent, .tunnelNarrow, .tunnelChecksum,
            .podLinkMissing, .podLinkUnknown, .podRangeTooSmall, .pluginShadowed, .recordUnreadable, .deletionUnreadable,
            .changeRefused, .undoneByOthers, .serviceEndpointRefused, .serviceFrontTaken, .healthCheckPortTaken,
            .policySelectsNobody, .policyRuleClosed, .policyDomainNames, .policyBridgeUnseen, .nameUnusable, .nameAliasHidden:
            .error
        }
    }

    /// What a person can do about it, in one sentence.
    public var remedy: String {
        switch self {
        case .objectInvalid: "correct the field that the message names"
        case .fieldUnknown: "write the field's name as kubectl explain shows it, or take it away: nothing reads it"
        case .sourceUnreadable: "make the file readable, or the server reachable; what it last said stays in force"
        case .nodeUnknown:
            "create the Node object of this name, or start the agent with --node and the right one; what was made stays meanwhile"
        case .nodeWithoutAddress: "give the node an InternalIP of this family in status.addresses"
        case .nodeWithoutPodCIDR: "give the node a range in spec.podCIDRs (kube-controller-manager: --allocate-node-cidrs)"
        case .nodeAddressShared: "give each node an InternalIP of its own"
        case .podCIDROverlap: "give each node a range in spec.podCIDRs that overlaps no other node's"
        case .podCIDRReserved, .podCIDRTooWide:
            "give the node a range of a private network in spec.podCIDRs, such as 10.244.1.0/24 or fd00:10:244:1::/64"
        case .podCIDRHoldsNode, .podCIDROnSegment: "give the node a range in spec.podCIDRs that is on no network of the nodes"
        case .nodeAddressInPodCIDR: "give the node an InternalIP outside all nodes' spec.podCIDRs"
        case .nodeAddressMissing: "put the Node's InternalIP on a link of this node, or correct status.addresses"
        case .peerNotOnSegment: "use a backend that crosses routers (--backend vxlan), or put the nodes on one segment"
        case .peerOfOtherFamily: "give the nodes InternalIPs of one family in common"
        case .mtuUnfit: "let the link between nodes take larger packets, or give another --mtu"
        case .tunnelTaken: "remove the other link, or give all nodes another --vxlan-vni"
        case .tunnelPortTaken: "stop the program that has the port, or give all nodes another --vxlan-port"
        case .tunnelSilent:
            "let UDP of the tunnels' port pass between the nodes, and start the agents of all nodes with the same --backend"
        case .tunnelNarrow: "let the network between the nodes take larger packets, or start all agents with a smaller --mtu"
        case .tunnelChecksum: "renew the driver of the machine's network card, or switch its offload of tunnels' checksums off"
        case .podLinkMissing: "delete the pod: its replacement gets a new link"
        case .podLinkUnknown:
            "start the agent with the --state it was started with before; or delete the pods, and what is left with tulle agent --clean"
        case .podRangeTooSmall: "give the node a range of at least four addresses, or start its agent with --pod-mode routed"
        case .podHoldsGateway: "delete the pod: its replacement gets another address, and the bridge this one"
        case .pluginShadowed: "remove the other configuration, or give it a name that sorts behind ours"
        case .recordUnreadable: "delete the pod: its replacement gets a new record; the old pod's link is left alone until then"
        case .deletionUnreadable:
            "make the file readable, or remove it: what no pod's runtime names any more goes with the next GC"
        case .changeRefused: "see the kernel's words in the message"
        case .undoneByOthers:
            "find who else keeps this node's network and stop one of the two; the agent tries again now and then"
        case .serviceEndpointRefused: "correct the EndpointSlice: an endpoint needs an address at which a host can be reached"
        case .serviceFrontTaken: "give each service an address or a port of its own"
        case .healthCheckPortTaken:
            "stop the program that has the port, or make the service anew with another healthCheckNodePort"
        case .healthAddressTaken: "stop the program that has the address, or start the agent with another --health-address"
        case .metricsAddressTaken: "stop the program that has the address, or start the agent with another --metrics-address"
        case .policySelectsNobody: "correct the policy's selector: until then the policy is about no pod"
        case .policyRuleClosed: "correct the field that object-invalid names; what can be read of the policy holds"
        case .policyAnnotationUnknown: "write a word that is known, or take the annotation away"
        case .policyDomainNames: "write the rule with networks in place of domainNames"
        case .policyLogUnread:
            "let no other program read log group 8484 of the node's network namespace; it is tried again every few seconds"
        case .policyBridgeUnseen:
            "load br_netfilter and set net.bridge.bridge-nf-call-iptables and -ip6tables to 1 on the node"
        case .nameConfigurationRefused: "correct names.yaml (docs/dns.md); it is read again at once"
        case .namesNotServed: "end the other program that serves names on this node, or leave dns out of --parts"
        case .nameUnusable: "give it a name of letters, digits and hyphens, at most 63 between dots"
        case .nameAliasHidden: "give the alias another name, or take it out of the document of names"
        case .familyUnavailable: "start the machine without ipv6.disable=1, or give the node IPv4 ranges alone"
        }
    }
}

extension Problem: Comparable {
    /// The worst first, then by what they are about.
    public static func < (a: Problem, b: Problem) -> Bool {
        if a.id.severity != b.id.severity { return a.id.severity > b.id.severity }
        let (left, right) = (a.subject?.description ?? "", b.subject?.description ?? "")
        return (left, a.id.rawValue, a.message) < (right, b.id.rawValue, b.message)
    }
}

extension Problem: CustomStringConvertible {
    public var description: String {
        "\(id.severity.rawValue) \(id.rawValue): \(subject.map { "\($0): " } ?? "")\(message); \(id.remedy)"
    }
}
