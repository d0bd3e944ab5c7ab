/// The numbers of fields in protobuf, for the types that clients send that way.
///
/// The fields stand in the order of their numbers, from 1 on; `@7` says that the next one is number 7. `?` behind a field: it has
/// a meaning also when it is zero or empty, where others are then taken for absent. `+X`: the fields of X, written as if they
/// were the type's own. The numbers are those of the published `generated.proto` files.
extension TypeTable {
    static let wireText = #"""
        Deployment: metadata spec status
        ReplicaSet: metadata spec status
        StatefulSet: metadata spec status
        DaemonSet: metadata spec status
        DeploymentSpec: replicas? selector template strategy minReadySeconds revisionHistoryLimit? paused @9
          progressDeadlineSeconds?
        DeploymentStatus: observedGeneration replicas updatedReplicas availableReplicas unavailableReplicas conditions
          readyReplicas collisionCount? terminatingReplicas?
        ReplicaSetSpec: replicas? selector template minReadySeconds
        ReplicaSetStatus: replicas fullyLabeledReplicas observedGeneration readyReplicas availableReplicas conditions
          terminatingReplicas?
        StatefulSetSpec: replicas? selector template volumeClaimTemplates serviceName podManagementPolicy updateStrategy
          revisionHistoryLimit? minReadySeconds persistentVolumeClaimRetentionPolicy ordinals
        StatefulSetStatus: observedGeneration replicas readyReplicas currentReplicas updatedReplicas currentRevision
          updateRevision @9 collisionCount? conditions availableReplicas
        DaemonSetSpec: selector template updateStrategy minReadySeconds @6 revisionHistoryLimit?
        DaemonSetStatus: currentNumberScheduled numberMisscheduled desiredNumberScheduled numberReady observedGeneration
          updatedNumberScheduled numberAvailable numberUnavailable collisionCount? conditions
        DeploymentStrategy: type rollingUpdate
        DeploymentCondition: type status @4 reason message lastUpdateTime lastTransitionTime
        ReplicaSetCondition: type status lastTransitionTime reason message
        StatefulSetOrdinals: start
        StatefulSetPersistentVolumeClaimRetentionPolicy: whenDeleted whenScaled
        StatefulSetUpdateStrategy: type rollingUpdate
        StatefulSetCondition: type status lastTransitionTime reason message
        DaemonSetUpdateStrategy: type rollingUpdate
        DaemonSetCondition: type status lastTransitionTime reason message
        RollingUpdateDeployment: maxUnavailable maxSurge
        RollingUpdateStatefulSetStrategy: partition? maxUnavailable
        RollingUpdateDaemonSet: maxUnavailable maxSurge
        Scale: metadata spec status
        ScaleSpec: replicas
        ScaleStatus: replicas selector
        Namespace: metadata spec status
        Node: metadata spec status
        Service: metadata spec status
        Endpoints: metadata subsets
        ServiceAccount: metadata secrets imagePullSecrets automountServiceAccountToken?
        ConfigMap: metadata data binaryData immutable?
        Secret: metadata data type stringData immutable?
        Event: metadata involvedObject reason message source firstTimestamp lastTimestamp count type eventTime series action
          related reportingComponent reportingInstance
        Event/events: metadata eventTime series reportingController reportingInstance action reason regarding related note type
          deprecatedSource deprecatedFirstTimestamp deprecatedLastTimestamp deprecatedCount
        SelfSubjectAccessReview: metadata spec status
        SelfSubjectAccessReviewSpec: resourceAttributes nonResourceAttributes
        SubjectAccessReview: metadata spec status
        LocalSubjectAccessReview: metadata spec status
        SubjectAccessReviewSpec: resourceAttributes nonResourceAttributes user groups @6 uid
        SubjectAccessReviewStatus: allowed reason evaluationError denied
        ResourceAttributes: namespace verb group version resource subresource name
        NonResourceAttributes: path verb
        SelfSubjectRulesReview: metadata spec status
        SelfSubjectRulesReviewSpec: namespace
        SubjectRulesReviewStatus: resourceRules nonResourceRules incomplete evaluationError
        SelfSubjectReview: metadata status
        SelfSubjectReviewStatus: userInfo
        UserInfo: username uid groups
        TokenReview: metadata spec status
        TokenReviewSpec: token audiences
        TokenReviewStatus: authenticated user error audiences
        Binding: metadata target
        NamespaceSpec: finalizers
        NamespaceStatus: phase conditions
        NodeSpec: podCIDR externalID providerID unschedulable taints configSource podCIDRs
        NodeStatus: capacity allocatable phase conditions addresses daemonEndpoints nodeInfo images volumesInUse
          volumesAttached config runtimeHandlers features declaredFeatures
        ServiceSpec: ports selector clusterIP type externalIPs @7 sessionAffinity loadBalancerIP loadBalancerSourceRanges
          externalName externalTrafficPolicy healthCheckNodePort publishNotReadyAddresses sessionAffinityConfig @17
          ipFamilyPolicy? clusterIPs ipFamilies allocateLoadBalancerNodePorts? loadBalancerClass? internalTrafficPolicy?
          trafficDistribution?
        ServiceStatus: loadBalancer conditions
        EndpointSubset: addresses notReadyAddresses ports
        LocalObjectReference: name
        ObjectReference: kind namespace name uid apiVersion resourceVersion fieldPath
        EventSeries: count lastObservedTime
        EventSource: component host
        NamespaceCondition: type status @4 lastTransitionTime reason message
        NodeConfigSource: @2 configMap
        Taint: key value effect timeAdded
        NodeAddress: type address
        NodeCondition: type status lastHeartbeatTime lastTransitionTime reason message
        NodeConfigStatus: assigned active lastKnownGood error
        NodeDaemonEndpoints: kubeletEndpoint
        NodeFeatures: supplementalGroupsPolicy?
        NodeSystemInfo: machineID systemUUID bootID kernelVersion osImage containerRuntimeVersion kubeletVersion
          kubeProxyVersion operatingSystem architecture swap
        NodeRuntimeHandler: name features
        AttachedVolume: name devicePath
        NodeAllocatableResourceClaimStatus: resourceClaimName containers
        ServicePort: name protocol port targetPort nodePort appProtocol?
        LoadBalancerStatus: ingress
        EndpointAddress: ip targetRef hostname nodeName?
        EndpointPort: name port protocol appProtocol?
        ConfigMapNodeConfigSource: namespace name uid resourceVersion kubeletConfigKey
        DaemonEndpoint: Port
        NodeSwapStatus: capacity?
        NodeRuntimeHandlerFeatures: recursiveReadOnlyMounts? userNamespaces?
        ClientIPConfig: timeoutSeconds?
        LoadBalancerIngress: ip hostname ipMode? ports
        PortStatus: port protocol error?
        DeleteOptions: gracePeriodSeconds? preconditions orphanDependents? propagationPolicy? dryRun
          ignoreStoreReadErrorWithClusterBreakingPotential?
        ObjectMeta: name generateName namespace selfLink uid resourceVersion generation creationTimestamp deletionTimestamp
          deletionGracePeriodSeconds? labels annotations ownerReferences finalizers @17 managedFields
        Preconditions: uid? resourceVersion?
        ManagedFieldsEntry: manager operation apiVersion time @6 fieldsType fieldsV1 subresource
        OwnerReference: kind @3 name uid apiVersion controller? blockOwnerDeletion?
        Condition: type status observedGeneration lastTransitionTime reason message
        LabelSelector: matchLabels matchExpressions
        LabelSelectorRequirement: key operator values
        EndpointSlice: metadata endpoints ports addressType
        Endpoint: addresses conditions hostname? targetRef deprecatedTopology nodeName? zone? hints
        DiscoveryEndpointPort: name? protocol? port? appProtocol?
        EndpointConditions: ready? serving? terminating?
        EndpointHints: forZones forNodes
        ForNode: name
        ForZone: name
        Lease: metadata spec
        LeaseSpec: holderIdentity? leaseDurationSeconds? acquireTime renewTime leaseTransitions? strategy? preferredHolder?
        Role: metadata rules
        RoleBinding: metadata subjects roleRef
        ClusterRole: metadata rules aggregationRule
        ClusterRoleBinding: metadata subjects roleRef
        PolicyRule: verbs apiGroups resources resourceNames nonResourceURLs
        AggregationRule: clusterRoleSelectors
        RoleRef: apiGroup kind name
        Subject: kind apiGroup name namespace
        NetworkPolicy: metadata spec
        Ingress: metadata spec status
        IngressClass: metadata spec
        NetworkPolicySpec: podSelector ingress egress policyTypes
        IngressSpec: defaultBackend tls rules ingressClassName?
        IngressStatus: loadBalancer
        IngressClassSpec: controller parameters
        NetworkPolicyEgressRule: ports to
        NetworkPolicyIngressRule: ports from
        IngressBackend: @3 resource service
        IngressRule: host +IngressRuleValue
        IngressTLS: hosts secretName
        IngressLoadBalancerStatus: ingress
        IngressClassParametersReference: apiGroup? kind name scope? namespace?
        NetworkPolicyPort: protocol? port endPort?
        NetworkPolicyPeer: podSelector namespaceSelector ipBlock
        IngressServiceBackend: name port
        HTTPIngressRuleValue: paths
        IngressLoadBalancerIngress: ip hostname @4 ports
        IPBlock: cidr except
        ServiceBackendPort: name number
        HTTPIngressPath: path backend pathType?
        IngressPortStatus: port protocol error?
        Pod: metadata spec status
        PodSpec: volumes containers restartPolicy terminationGracePeriodSeconds? activeDeadlineSeconds? dnsPolicy nodeSelector
          serviceAccountName serviceAccount nodeName hostNetwork hostPID hostIPC securityContext imagePullSecrets hostname
          subdomain affinity schedulerName initContainers automountServiceAccountToken? tolerations hostAliases
          priorityClassName priority? dnsConfig shareProcessNamespace? readinessGates runtimeClassName? enableServiceLinks?
          preemptionPolicy? overhead topologySpreadConstraints ephemeralContainers setHostnameAsFQDN? os hostUsers?
          schedulingGates resourceClaims resources hostnameOverride? @43 schedulingGroup
        PodStatus: phase conditions message reason hostIP podIP startTime containerStatuses qosClass initContainerStatuses
          nominatedNodeName podIPs ephemeralContainerStatuses resize resourceClaimStatuses hostIPs observedGeneration
          extendedResourceClaimStatus allocatedResources resources nodeAllocatableResourceClaimStatuses
        ContainerImage: names sizeBytes
        Affinity: nodeAffinity podAffinity podAntiAffinity
        Container: name image command args workingDir ports env resources volumeMounts livenessProbe readinessProbe lifecycle
          terminationMessagePath imagePullPolicy securityContext stdin stdinOnce tty envFrom terminationMessagePolicy
          volumeDevices startupProbe resizePolicy restartPolicy? restartPolicyRules
        PodDNSConfig: nameservers searches options
        EphemeralContainer: +EphemeralContainerCommon targetContainerName
        HostAlias: ip hostnames
        PodOS: name
        PodReadinessGate: conditionType
        PodResourceClaim: name @3 resourceClaimName? resourceClaimTemplateName?
        ResourceRequirements: limits requests claims
        PodSchedulingGate: name
        PodSchedulingGroup: podGroupName?
        PodSecurityContext: seLinuxOptions runAsUser? runAsNonRoot? supplementalGroups fsGroup? runAsGroup? sysctls
          windowsOptions fsGroupChangePolicy? seccompProfile appArmorProfile supplementalGroupsPolicy? seLinuxChangePolicy?
        Toleration: key operator value effect tolerationSeconds?
        TopologySpreadConstraint: maxSkew topologyKey whenUnsatisfiable labelSelector minDomains? nodeAffinityPolicy?
          nodeTaintsPolicy? matchLabelKeys
        PodCondition: type status lastProbeTime lastTransitionTime reason message observedGeneration
        ContainerStatus: name state lastState ready restartCount image imageID containerID started? allocatedResources
          resources volumeMounts user allocatedResourcesStatus stopSignal?
        PodExtendedResourceClaimStatus: requestMappings resourceClaimName
        HostIP: ip
        PodIP: ip
        PodResourceClaimStatus: name resourceClaimName?
        SessionAffinityConfig: clientIP
        PodTemplateSpec: metadata spec
        NodeAffinity: requiredDuringSchedulingIgnoredDuringExecution preferredDuringSchedulingIgnoredDuringExecution
        PodAffinity: requiredDuringSchedulingIgnoredDuringExecution preferredDuringSchedulingIgnoredDuringExecution
        PodAntiAffinity: requiredDuringSchedulingIgnoredDuringExecution preferredDuringSchedulingIgnoredDuringExecution
        EnvVar: name value valueFrom
        EnvFromSource: prefix configMapRef secretRef
        Lifecycle: postStart preStop stopSignal?
        Probe: +ProbeHandler initialDelaySeconds timeoutSeconds periodSeconds successThreshold failureThreshold
          terminationGracePeriodSeconds?
        ContainerPort: name hostPort containerPort protocol hostIP
        ContainerResizePolicy: resourceName restartPolicy
        ContainerRestartRule: action exitCodes
        SecurityContext: capabilities privileged? seLinuxOptions runAsUser? runAsNonRoot? readOnlyRootFilesystem?
          allowPrivilegeEscalation? runAsGroup? procMount? windowsOptions seccompProfile appArmorProfile
        VolumeDevice: name devicePath
        VolumeMount: name readOnly mountPath subPath mountPropagation? subPathExpr recursiveReadOnly?
        PodDNSConfigOption: name value?
        ResourceClaim: name request
        AppArmorProfile: type localhostProfile?
        SELinuxOptions: user role type level
        SeccompProfile: type localhostProfile?
        Sysctl: name value
        WindowsSecurityContextOptions: gmsaCredentialSpecName? gmsaCredentialSpec? runAsUserName? hostProcess?
        ResourceStatus: name resources
        ContainerState: waiting running terminated
        ContainerUser: linux
        VolumeMountStatus: name mountPath readOnly recursiveReadOnly? volumeStatus
        ContainerExtendedResourceRequest: containerName resourceName requestName
        PreferredSchedulingTerm: weight preference
        NodeSelector: nodeSelectorTerms
        WeightedPodAffinityTerm: weight podAffinityTerm
        PodAffinityTerm: labelSelector namespaces topologyKey namespaceSelector matchLabelKeys mismatchLabelKeys
        EnvVarSource: fieldRef resourceFieldRef configMapKeyRef secretKeyRef fileKeyRef
        ConfigMapEnvSource: +LocalObjectReference optional?
        SecretEnvSource: +LocalObjectReference optional?
        LifecycleHandler: exec httpGet tcpSocket sleep
        ExecAction: command
        GRPCAction: port service?
        HTTPGetAction: path port host scheme httpHeaders
        TCPSocketAction: port host
        ContainerRestartRuleOnExitCodes: operator values
        Capabilities: add drop
        ResourceHealth: resourceID health @6 message?
        ContainerStateRunning: startedAt
        ContainerStateTerminated: exitCode signal reason message startedAt finishedAt containerID
        ContainerStateWaiting: reason message
        LinuxContainerUser: uid gid supplementalGroups
        NodeSelectorTerm: matchExpressions matchFields
        ConfigMapKeySelector: +LocalObjectReference key optional?
        FileKeySelector: volumeName path key optional?
        SecretKeySelector: +LocalObjectReference key optional?
        SleepAction: seconds
        HTTPHeader: name value
        NodeSelectorRequirement: key operator values
        Volume: name +VolumeSource
        PersistentVolumeClaim: metadata spec status
        AWSElasticBlockStoreVolumeSource: volumeID fsType partition readOnly
        AzureDiskVolumeSource: diskName diskURI cachingMode? fsType? readOnly? kind?
        AzureFileVolumeSource: secretName shareName readOnly
        CephFSVolumeSource: monitors path user secretFile secretRef readOnly
        CinderVolumeSource: volumeID fsType readOnly secretRef
        ConfigMapVolumeSource: +LocalObjectReference items defaultMode? optional?
        CSIVolumeSource: driver readOnly? fsType? volumeAttributes nodePublishSecretRef
        DownwardAPIVolumeSource: items defaultMode?
        EmptyDirVolumeSource: medium sizeLimit
        EphemeralVolumeSource: volumeClaimTemplate
        FCVolumeSource: targetWWNs lun? fsType readOnly wwids
        FlexVolumeSource: driver fsType secretRef readOnly options
        FlockerVolumeSource: datasetName datasetUUID
        GCEPersistentDiskVolumeSource: pdName fsType partition readOnly
        GitRepoVolumeSource: repository revision directory
        GlusterfsVolumeSource: endpoints path readOnly
        HostPathVolumeSource: path type?
        ImageVolumeSource: reference pullPolicy
        ISCSIVolumeSource: targetPortal iqn lun iscsiInterface fsType readOnly portals chapAuthDiscovery @10 secretRef
          chapAuthSession initiatorName?
        NFSVolumeSource: server path readOnly
        PersistentVolumeClaimVolumeSource: claimName readOnly
        PhotonPersistentDiskVolumeSource: pdID fsType
        PortworxVolumeSource: volumeID fsType readOnly
        ProjectedVolumeSource: sources defaultMode?
        QuobyteVolumeSource: registry volume readOnly user group tenant
        RBDVolumeSource: monitors image fsType pool user keyring secretRef readOnly
        ScaleIOVolumeSource: gateway system secretRef sslEnabled protectionDomain storagePool storageMode volumeName fsType
          readOnly
        SecretVolumeSource: secretName items defaultMode? optional?
        StorageOSVolumeSource: volumeName volumeNamespace fsType readOnly secretRef
        VsphereVirtualDiskVolumeSource: volumePath fsType storagePolicyName storagePolicyID
        PersistentVolumeClaimSpec: accessModes resources volumeName selector storageClassName? volumeMode? dataSource
          dataSourceRef volumeAttributesClassName?
        PersistentVolumeClaimStatus: phase accessModes capacity conditions allocatedResources @7 allocatedResourceStatuses
          currentVolumeAttributesClassName? modifyVolumeStatus
        TypedLocalObjectReference: apiGroup? kind name
        KeyToPath: key path mode?
        DownwardAPIVolumeFile: path fieldRef resourceFieldRef mode?
        PersistentVolumeClaimTemplate: metadata spec
        VolumeProjection: secret downwardAPI configMap serviceAccountToken clusterTrustBundle podCertificate
        VolumeStatus: image
        TypedObjectReference: apiGroup? kind name namespace?
        VolumeResourceRequirements: limits requests
        PersistentVolumeClaimCondition: type status lastProbeTime lastTransitionTime reason message
        ModifyVolumeStatus: targetVolumeAttributesClassName status
        ObjectFieldSelector: apiVersion fieldPath
        ResourceFieldSelector: containerName resource divisor
        ClusterTrustBundleProjection: name? signerName? labelSelector path optional?
        ConfigMapProjection: +LocalObjectReference items @4 optional?
        DownwardAPIProjection: items
        PodCertificateProjection: signerName keyType maxExpirationSeconds? credentialBundlePath keyPath certificateChainPath
          userAnnotations
        SecretProjection: +LocalObjectReference items @4 optional?
        ServiceAccountTokenProjection: audience expirationSeconds? path
        ImageVolumeStatus: imageRef
        ControllerRevision: metadata data revision
        TokenRequest: metadata spec status
        TokenRequestSpec: audiences @3 boundObjectRef expirationSeconds?
        TokenRequestStatus: token expirationTimestamp
        BoundObjectReference: kind apiVersion name uid
        Eviction: metadata deleteOptions
        IngressRuleValue: http
        ProbeHandler: exec httpGet tcpSocket grpc
        EphemeralContainerCommon: name image command args workingDir ports env resources volumeMounts livenessProbe
          readinessProbe lifecycle terminationMessagePath imagePullPolicy securityContext stdin stdinOnce tty envFrom
          terminationMessagePolicy volumeDevices startupProbe resizePolicy restartPolicy? restartPolicyRules
        VolumeSource: hostPath emptyDir gcePersistentDisk awsElasticBlockStore gitRepo secret nfs iscsi glusterfs
          persistentVolumeClaim rbd flexVolume cinder cephfs flocker downwardAPI fc azureFile configMap vsphereVolume quobyte
          azureDisk photonPersistentDisk portworxVolume scaleIO projected storageos csi ephemeral image
        """#
}
