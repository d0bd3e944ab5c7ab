/// Pods and what they are made of.
extension TypeTable {
    static let podTypes = #"""
        package io.k8s.api.core.v1
        Pod
          metadata ObjectMeta; spec PodSpec; status PodStatus
        PodSpec
          activeDeadlineSeconds int64; affinity Affinity; automountServiceAccountToken bool;
          containers! [Container] merge(name) keys(name); dnsConfig PodDNSConfig; dnsPolicy string; enableServiceLinks bool;
          ephemeralContainers [EphemeralContainer] merge(name) keys(name); hostAliases [HostAlias] merge(ip) keys(ip);
          hostIPC bool; hostNetwork bool; hostPID bool; hostUsers bool; hostname string; hostnameOverride string;
          imagePullSecrets [LocalObjectReference] merge(name) keys(name); initContainers [Container] merge(name) keys(name);
          nodeName string; nodeSelector {string} atomic; os PodOS; overhead {quantity}; preemptionPolicy string; priority int32;
          priorityClassName string; readinessGates [PodReadinessGate] atomic;
          resourceClaims [PodResourceClaim] merge+retainKeys(name) keys(name); resources ResourceRequirements;
          restartPolicy string; runtimeClassName string; schedulerName string;
          schedulingGates [PodSchedulingGate] merge(name) keys(name); schedulingGroup PodSchedulingGroup;
          securityContext PodSecurityContext; serviceAccount string; serviceAccountName string; setHostnameAsFQDN bool;
          shareProcessNamespace bool; subdomain string; terminationGracePeriodSeconds int64; tolerations [Toleration] atomic;
          topologySpreadConstraints [TopologySpreadConstraint] merge(topologyKey) keys(topologyKey,whenUnsatisfiable);
          volumes [Volume] merge+retainKeys(name) keys(name)
        PodStatus
          allocatedResources {quantity}; conditions [PodCondition] merge(type) keys(type);
          containerStatuses [ContainerStatus] atomic; ephemeralContainerStatuses [ContainerStatus] atomic;
          extendedResourceClaimStatus PodExtendedResourceClaimStatus; hostIP string; hostIPs [HostIP] merge(ip) atomic;
          initContainerStatuses [ContainerStatus] atomic; message string;
          nodeAllocatableResourceClaimStatuses [NodeAllocatableResourceClaimStatus] atomic; nominatedNodeName string;
          observedGeneration int64; phase string; podIP string; podIPs [PodIP] merge(ip) keys(ip); qosClass string;
          reason string; resize string; resourceClaimStatuses [PodResourceClaimStatus] merge+retainKeys(name) keys(name);
          resources ResourceRequirements; startTime time
        ContainerImage
          names [string] atomic; sizeBytes int64
        Affinity
          nodeAffinity NodeAffinity; podAffinity PodAffinity; podAntiAffinity PodAntiAffinity
        Container
          args [string] atomic; command [string] atomic; env [EnvVar] merge(name) keys(name); envFrom [EnvFromSource] atomic;
          image string; imagePullPolicy string; lifecycle Lifecycle; livenessProbe Probe; name! string;
          ports [ContainerPort] merge(containerPort) keys(containerPort,protocol); readinessProbe Probe;
          resizePolicy [ContainerResizePolicy] atomic; resources ResourceRequirements; restartPolicy string;
          restartPolicyRules [ContainerRestartRule] atomic; securityContext SecurityContext; startupProbe Probe; stdin bool;
          stdinOnce bool; terminationMessagePath string; terminationMessagePolicy string; tty bool;
          volumeDevices [VolumeDevice] merge(devicePath) keys(devicePath);
          volumeMounts [VolumeMount] merge(mountPath) keys(mountPath); workingDir string
        PodDNSConfig
          nameservers [string] atomic; options [PodDNSConfigOption] atomic; searches [string] atomic
        EphemeralContainer
          args [string] atomic; command [string] atomic; env [EnvVar] merge(name) keys(name); envFrom [EnvFromSource] atomic;
          image string; imagePullPolicy string; lifecycle Lifecycle; livenessProbe Probe; name! string;
          ports [ContainerPort] merge(containerPort) keys(containerPort,protocol); readinessProbe Probe;
          resizePolicy [ContainerResizePolicy] atomic; resources ResourceRequirements; restartPolicy string;
          restartPolicyRules [ContainerRestartRule] atomic; securityContext SecurityContext; startupProbe Probe; stdin bool;
          stdinOnce bool; targetContainerName string; terminationMessagePath string; terminationMessagePolicy string; tty bool;
          volumeDevices [VolumeDevice] merge(devicePath) keys(devicePath);
          volumeMounts [VolumeMount] merge(mountPath) keys(mountPath); workingDir string
        HostAlias
          hostnames [string] atomic; ip! string
        PodOS
          name! string
        PodReadinessGate
          conditionType! string
        PodResourceClaim
          name! string; resourceClaimName string; resourceClaimTemplateName string
        ResourceRequirements
          claims [ResourceClaim] keys(name); limits {quantity}; requests {quantity}
        PodSchedulingGate
          name! string
        PodSchedulingGroup
          podGroupName string
        PodSecurityContext
          appArmorProfile AppArmorProfile; fsGroup int64; fsGroupChangePolicy string; runAsGroup int64; runAsNonRoot bool;
          runAsUser int64; seLinuxChangePolicy string; seLinuxOptions SELinuxOptions; seccompProfile SeccompProfile;
          supplementalGroups [int64] atomic; supplementalGroupsPolicy string; sysctls [Sysctl] atomic;
          windowsOptions WindowsSecurityContextOptions
        Toleration
          effect string; key string; operator string; tolerationSeconds int64; value string
        TopologySpreadConstraint
          labelSelector LabelSelector; matchLabelKeys [string] atomic; maxSkew! int32; minDomains int32;
          nodeAffinityPolicy string; nodeTaintsPolicy string; topologyKey! string; whenUnsatisfiable! string
        PodCondition
          lastProbeTime time; lastTransitionTime time; message string; observedGeneration int64; reason string; status! string;
          type! string
        ContainerStatus
          allocatedResources {quantity}; allocatedResourcesStatus [ResourceStatus] merge(name) keys(name); containerID string;
          image! string; imageID! string; lastState ContainerState; name! string; ready! bool; resources ResourceRequirements;
          restartCount! int32; started bool; state ContainerState; stopSignal string; user ContainerUser;
          volumeMounts [VolumeMountStatus] merge(mountPath) keys(mountPath)
        PodExtendedResourceClaimStatus
          requestMappings! [ContainerExtendedResourceRequest] atomic; resourceClaimName! string
        HostIP
          ip! string
        PodIP
          ip! string
        PodResourceClaimStatus
          name! string; resourceClaimName string
        SessionAffinityConfig
          clientIP ClientIPConfig
        PodTemplateSpec
          metadata ObjectMeta; spec PodSpec
        NodeAffinity
          preferredDuringSchedulingIgnoredDuringExecution [PreferredSchedulingTerm] atomic;
          requiredDuringSchedulingIgnoredDuringExecution NodeSelector
        PodAffinity
          preferredDuringSchedulingIgnoredDuringExecution [WeightedPodAffinityTerm] atomic;
          requiredDuringSchedulingIgnoredDuringExecution [PodAffinityTerm] atomic
        PodAntiAffinity
          preferredDuringSchedulingIgnoredDuringExecution [WeightedPodAffinityTerm] atomic;
          requiredDuringSchedulingIgnoredDuringExecution [PodAffinityTerm] atomic
        EnvVar
          name! string; value string; valueFrom EnvVarSource
        EnvFromSource
          configMapRef ConfigMapEnvSource; prefix string; secretRef SecretEnvSource
        Lifecycle
          postStart LifecycleHandler; preStop LifecycleHandler; stopSignal string
        Probe
          exec ExecAction; failureThreshold int32; grpc GRPCAction; httpGet HTTPGetAction; initialDelaySeconds int32;
          periodSeconds int32; successThreshold int32; tcpSocket TCPSocketAction; terminationGracePeriodSeconds int64;
          timeoutSeconds int32
        ContainerPort
          containerPort! int32; hostIP string; hostPort int32; name string; protocol string
        ContainerResizePolicy
          resourceName! string; restartPolicy! string
        ContainerRestartRule
          action! string; exitCodes ContainerRestartRuleOnExitCodes
        SecurityContext
          allowPrivilegeEscalation bool; appArmorProfile AppArmorProfile; capabilities Capabilities; privileged bool;
          procMount string; readOnlyRootFilesystem bool; runAsGroup int64; runAsNonRoot bool; runAsUser int64;
          seLinuxOptions SELinuxOptions; seccompProfile SeccompProfile; windowsOptions WindowsSecurityContextOptions
        VolumeDevice
          devicePath! string; name! string
        VolumeMount
          mountPath! string; mountPropagation string; name! string; readOnly bool; recursiveReadOnly string; subPath string;
          subPathExpr string
        PodDNSConfigOption
          name string; value string
        ResourceClaim
          name! string; request string
        AppArmorProfile
          localhostProfile string; type! string
        SELinuxOptions
          level string; role string; type string; user string
        SeccompProfile
          localhostProfile string; type! string
        Sysctl
          name! string; value! string
        WindowsSecurityContextOptions
          gmsaCredentialSpec string; gmsaCredentialSpecName string; hostProcess bool; runAsUserName string
        ResourceStatus
          name! string; resources [ResourceHealth] keys(resourceID)
        ContainerState
          running ContainerStateRunning; terminated ContainerStateTerminated; waiting ContainerStateWaiting
        ContainerUser
          linux LinuxContainerUser
        VolumeMountStatus
          mountPath! string; name! string; readOnly bool; recursiveReadOnly string; volumeStatus VolumeStatus
        ContainerExtendedResourceRequest
          containerName! string; requestName! string; resourceName! string
        PreferredSchedulingTerm
          preference! NodeSelectorTerm; weight! int32
        NodeSelector
          nodeSelectorTerms! [NodeSelectorTerm] atomic
        WeightedPodAffinityTerm
          podAffinityTerm! PodAffinityTerm; weight! int32
        PodAffinityTerm
          labelSelector LabelSelector; matchLabelKeys [string] atomic; mismatchLabelKeys [string] atomic;
          namespaceSelector LabelSelector; namespaces [string] atomic; topologyKey! string
        EnvVarSource
          configMapKeyRef ConfigMapKeySelector; fieldRef ObjectFieldSelector; fileKeyRef FileKeySelector;
          resourceFieldRef ResourceFieldSelector; secretKeyRef SecretKeySelector
        ConfigMapEnvSource
          name string; optional bool
        SecretEnvSource
          name string; optional bool
        LifecycleHandler
          exec ExecAction; httpGet HTTPGetAction; sleep SleepAction; tcpSocket TCPSocketAction
        ExecAction
          command [string] atomic
        GRPCAction
          port! int32; service string
        HTTPGetAction
          host string; httpHeaders [HTTPHeader] atomic; path string; port! intOrString; scheme string
        TCPSocketAction
          host string; port! intOrString
        ContainerRestartRuleOnExitCodes
          operator! string; values [int32] set
        Capabilities
          add [string] atomic; drop [string] atomic
        ResourceHealth
          health string; message string; resourceID! string
        ContainerStateRunning
          startedAt time
        ContainerStateTerminated
          containerID string; exitCode! int32; finishedAt time; message string; reason string; signal int32; startedAt time
        ContainerStateWaiting
          message string; reason string
        LinuxContainerUser
          gid! int64; supplementalGroups [int64] atomic; uid! int64
        NodeSelectorTerm
          matchExpressions [NodeSelectorRequirement] atomic; matchFields [NodeSelectorRequirement] atomic
        ConfigMapKeySelector
          key! string; name string; optional bool
        FileKeySelector
          key! string; optional bool; path! string; volumeName! string
        SecretKeySelector
          key! string; name string; optional bool
        SleepAction
          seconds! int64
        HTTPHeader
          name! string; value! string
        NodeSelectorRequirement
          key! string; operator! string; values [string] atomic
        """#
}
