/// The core group except pods and volumes.
extension TypeTable {
    static let coreTypes = #"""
        package io.k8s.api.core.v1
        Namespace
          metadata ObjectMeta; spec NamespaceSpec; status NamespaceStatus
        Node
          metadata ObjectMeta; spec NodeSpec; status NodeStatus
        Service
          metadata ObjectMeta; spec ServiceSpec; status ServiceStatus
        Endpoints
          metadata ObjectMeta; subsets [EndpointSubset] atomic
        ServiceAccount
          automountServiceAccountToken bool; imagePullSecrets [LocalObjectReference] atomic; metadata ObjectMeta;
          secrets [ObjectReference] merge(name) keys(name)
        ConfigMap
          binaryData {bytes}; data {string}; immutable bool; metadata ObjectMeta
        Secret
          data {bytes}; immutable bool; metadata ObjectMeta; stringData {string}; type string
        Event
          action string; count int32; eventTime microTime; firstTimestamp time; involvedObject! ObjectReference;
          lastTimestamp time; message string; metadata! ObjectMeta; reason string; related ObjectReference;
          reportingComponent string; reportingInstance string; series EventSeries; source EventSource; type string
        Binding
          metadata ObjectMeta; target! ObjectReference
        NamespaceSpec
          finalizers [string] atomic
        NamespaceStatus
          conditions [NamespaceCondition] merge(type) keys(type); phase string
        NodeSpec
          configSource NodeConfigSource; externalID string; podCIDR string; podCIDRs [string] merge set; providerID string;
          taints [Taint] atomic; unschedulable bool
        NodeStatus
          addresses [NodeAddress] merge(type) keys(type); allocatable {quantity}; capacity {quantity};
          conditions [NodeCondition] merge(type) keys(type); config NodeConfigStatus; daemonEndpoints NodeDaemonEndpoints;
          declaredFeatures [string] atomic; features NodeFeatures; images [ContainerImage] atomic; nodeInfo NodeSystemInfo;
          phase string; runtimeHandlers [NodeRuntimeHandler] atomic; volumesAttached [AttachedVolume] atomic;
          volumesInUse [string] atomic
        ServiceSpec
          allocateLoadBalancerNodePorts bool; clusterIP string; clusterIPs [string] atomic; externalIPs [string] atomic;
          externalName string; externalTrafficPolicy string; healthCheckNodePort int32; internalTrafficPolicy string;
          ipFamilies [string] atomic; ipFamilyPolicy string; loadBalancerClass string; loadBalancerIP string;
          loadBalancerSourceRanges [string] atomic; ports [ServicePort] merge(port) keys(port,protocol);
          publishNotReadyAddresses bool; selector {string} atomic; sessionAffinity string;
          sessionAffinityConfig SessionAffinityConfig; trafficDistribution string; type string
        ServiceStatus
          conditions [Condition] merge(type) keys(type); loadBalancer LoadBalancerStatus
        EndpointSubset
          addresses [EndpointAddress] atomic; notReadyAddresses [EndpointAddress] atomic; ports [EndpointPort] atomic
        LocalObjectReference
          name string
        ObjectReference
          apiVersion string; fieldPath string; kind string; name string; namespace string; resourceVersion string; uid string
        EventSeries
          count int32; lastObservedTime microTime
        EventSource
          component string; host string
        NamespaceCondition
          lastTransitionTime time; message string; reason string; status! string; type! string
        NodeConfigSource
          configMap ConfigMapNodeConfigSource
        Taint
          effect! string; key! string; timeAdded time; value string
        NodeAddress
          address! string; type! string
        NodeCondition
          lastHeartbeatTime time; lastTransitionTime time; message string; reason string; status! string; type! string
        NodeConfigStatus
          active NodeConfigSource; assigned NodeConfigSource; error string; lastKnownGood NodeConfigSource
        NodeDaemonEndpoints
          kubeletEndpoint DaemonEndpoint
        NodeFeatures
          supplementalGroupsPolicy bool
        NodeSystemInfo
          architecture! string; bootID! string; containerRuntimeVersion! string; kernelVersion! string;
          kubeProxyVersion! string; kubeletVersion! string; machineID! string; operatingSystem! string; osImage! string;
          swap NodeSwapStatus; systemUUID! string
        NodeRuntimeHandler
          features NodeRuntimeHandlerFeatures; name string
        AttachedVolume
          devicePath! string; name! string
        NodeAllocatableResourceClaimStatus
          containers [string] set; resourceClaimName! string; resources! {quantity}
        ServicePort
          appProtocol string; name string; nodePort int32; port! int32; protocol string; targetPort intOrString
        LoadBalancerStatus
          ingress [LoadBalancerIngress] atomic
        EndpointAddress
          hostname string; ip! string; nodeName string; targetRef ObjectReference
        EndpointPort
          appProtocol string; name string; port! int32; protocol string
        ConfigMapNodeConfigSource
          kubeletConfigKey! string; name! string; namespace! string; resourceVersion string; uid string
        DaemonEndpoint
          Port! int32
        NodeSwapStatus
          capacity int64
        NodeRuntimeHandlerFeatures
          recursiveReadOnlyMounts bool; userNamespaces bool
        ClientIPConfig
          timeoutSeconds int32
        LoadBalancerIngress
          hostname string; ip string; ipMode string; ports [PortStatus] atomic
        PortStatus
          error string; port! int32; protocol! string
        """#
}
