/// Workloads, and the scale of them.
extension TypeTable {
    static let appsTypes = #"""
        package io.k8s.api.apps.v1
        Deployment
          metadata ObjectMeta; spec DeploymentSpec; status DeploymentStatus
        ReplicaSet
          metadata ObjectMeta; spec ReplicaSetSpec; status ReplicaSetStatus
        StatefulSet
          metadata ObjectMeta; spec StatefulSetSpec; status StatefulSetStatus
        DaemonSet
          metadata ObjectMeta; spec DaemonSetSpec; status DaemonSetStatus
        DeploymentSpec
          minReadySeconds int32; paused bool; progressDeadlineSeconds int32; replicas int32; revisionHistoryLimit int32;
          selector! LabelSelector; strategy DeploymentStrategy retainKeys; template! PodTemplateSpec
        DeploymentStatus
          availableReplicas int32; collisionCount int32; conditions [DeploymentCondition] merge(type) keys(type);
          observedGeneration int64; readyReplicas int32; replicas int32; terminatingReplicas int32; unavailableReplicas int32;
          updatedReplicas int32
        ReplicaSetSpec
          minReadySeconds int32; replicas int32; selector! LabelSelector; template PodTemplateSpec
        ReplicaSetStatus
          availableReplicas int32; conditions [ReplicaSetCondition] merge(type) keys(type); fullyLabeledReplicas int32;
          observedGeneration int64; readyReplicas int32; replicas! int32; terminatingReplicas int32
        StatefulSetSpec
          minReadySeconds int32; ordinals StatefulSetOrdinals;
          persistentVolumeClaimRetentionPolicy StatefulSetPersistentVolumeClaimRetentionPolicy; podManagementPolicy string;
          replicas int32; revisionHistoryLimit int32; selector! LabelSelector; serviceName string; template! PodTemplateSpec;
          updateStrategy StatefulSetUpdateStrategy; volumeClaimTemplates [PersistentVolumeClaim] atomic
        StatefulSetStatus
          availableReplicas int32; collisionCount int32; conditions [StatefulSetCondition] merge(type) keys(type);
          currentReplicas int32; currentRevision string; observedGeneration int64; readyReplicas int32; replicas! int32;
          updateRevision string; updatedReplicas int32
        DaemonSetSpec
          minReadySeconds int32; revisionHistoryLimit int32; selector! LabelSelector; template! PodTemplateSpec;
          updateStrategy DaemonSetUpdateStrategy
        DaemonSetStatus
          collisionCount int32; conditions [DaemonSetCondition] merge(type) keys(type); currentNumberScheduled! int32;
          desiredNumberScheduled! int32; numberAvailable int32; numberMisscheduled! int32; numberReady! int32;
          numberUnavailable int32; observedGeneration int64; updatedNumberScheduled int32
        DeploymentStrategy
          rollingUpdate RollingUpdateDeployment; type string
        DeploymentCondition
          lastTransitionTime time; lastUpdateTime time; message string; reason string; status! string; type! string
        ReplicaSetCondition
          lastTransitionTime time; message string; reason string; status! string; type! string
        StatefulSetOrdinals
          start int32
        StatefulSetPersistentVolumeClaimRetentionPolicy
          whenDeleted string; whenScaled string
        StatefulSetUpdateStrategy
          rollingUpdate RollingUpdateStatefulSetStrategy; type string
        StatefulSetCondition
          lastTransitionTime time; message string; reason string; status! string; type! string
        DaemonSetUpdateStrategy
          rollingUpdate RollingUpdateDaemonSet; type string
        DaemonSetCondition
          lastTransitionTime time; message string; reason string; status! string; type! string
        RollingUpdateDeployment
          maxSurge intOrString; maxUnavailable intOrString
        RollingUpdateStatefulSetStrategy
          maxUnavailable intOrString; partition int32
        RollingUpdateDaemonSet
          maxSurge intOrString; maxUnavailable intOrString
        ControllerRevision
          data any; metadata ObjectMeta; revision! int64
        package io.k8s.api.autoscaling.v1
        Scale
          metadata ObjectMeta; spec ScaleSpec; status ScaleStatus
        ScaleSpec
          replicas int32
        ScaleStatus
          replicas! int32; selector string
        """#
}
