/// What a generated set of policies can have in it. A run over many sets counts them, and fails when one never came.
public enum PolicyForm: String, Hashable, Sendable, CaseIterable {
    // Whole policies.
    case denyIngress, denyEgress, denyBoth, allowAllIngress, allowAllEgress
    case subjectAll, subjectLabels, subjectExpressions
    case severalOnOnePod, rulesOfBothDirections, rulesWithoutTheirType
    case typesLeftOut, typesLeftOutWithEgressRules, typesLeftOutWithEmptyEgress

    // Peers.
    case noPeers, peerPods, peerNamespaces, peerBoth, peersSeveral, peerEmptyPodSelector, peerEmptyNamespaceSelector
    case selectorLabels, selectorIn, selectorNotIn, selectorExists, selectorDoesNotExist, selectorOfName
    case block4, block6, blockMapped, blockWithoutExcept, blockExcept, exceptionOpenedElsewhere

    // Ports.
    case noPorts, portNumber, portNameIngress, portNameEgress, portRange, portsSeveral
    case protocolOnly, protocolLeftOut, protocolTCP, protocolUDP, protocolSCTP

    // What cannot be read.
    case unreadableSubject, unreadableTypes, unreadableRule, unreadablePeers, unreadablePorts
    case unreadableOperator, unreadableValues, unreadableLabel, peerOfNothing, peerOfBlockAndSelector
    case unreadableCIDR, hostBits, exceptOutside, exceptHostBits
    case unreadableProtocol, unreadablePort, endPortBelow, endPortOfName, endPortAlone

    // Tried out, and not enforced.
    case shadow, shadowBesideEnforced, annotationOfNoShadow

    // What happens to it.
    case policyCreated, policyChanged, policyDeleted, podCreated, podRelabelled, podDeleted
    case namespaceCreated, namespaceRelabelled, namespaceDeleted

    // ClusterNetworkPolicy.
    case clusterAdmin, clusterBaseline, clusterAccept, clusterDeny, clusterPass
    case clusterOfSeveralPriorities, clusterOfSeveralRules, clusterBesideNetworkPolicy, clusterOfBothDirections
    case clusterSubjectNamespaces, clusterSubjectPods, clusterNamespacesLeftOut
    case clusterPeerNamespaces, clusterPeerPods, clusterPeerNodes, clusterPeerNetworks, clusterPeersSeveral
    case clusterNetworks4, clusterNetworks6
    case clusterProtocolsLeftOut, clusterProtocolsSeveral, clusterTCP, clusterUDP, clusterSCTP
    case clusterPortNumber, clusterPortRange, clusterPortName
    case clusterUnreadableAccept, clusterUnreadableDeny, clusterUnreadablePass, clusterUnreadableAction
    case clusterUnreadableSubject, clusterUnreadableTier, clusterUnreadablePriority, clusterUnreadableRule
    case clusterPeerOfNothing, clusterPeerOfTwo, clusterUnreadableCIDR, clusterUnreadableSelector
    case clusterUnreadableRange, clusterUnreadablePort, clusterNameBesideNetworks, clusterDomainNames
    case clusterPolicyChanged, clusterPolicyDeleted, clusterShadow

    public var isOfClusterPolicies: Bool { rawValue.hasPrefix("cluster") }

    /// Whether an API server takes what has this form.
    public var isServed: Bool {
        switch self {
        case .peerOfNothing, .peerOfBlockAndSelector, .hostBits, .exceptOutside, .exceptHostBits, .endPortBelow, .endPortOfName,
            .endPortAlone, .clusterPeerOfNothing, .clusterPeerOfTwo, .clusterNameBesideNetworks, .clusterDomainNames:
            false
        default: !rawValue.lowercased().contains("unreadable")
        }
    }
}
