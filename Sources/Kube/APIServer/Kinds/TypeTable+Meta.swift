/// What all objects have, and the bodies of some requests.
extension TypeTable {
    static let metaTypes = #"""
        package io.k8s.apimachinery.pkg.apis.meta.v1
        DeleteOptions
          dryRun [string] atomic; gracePeriodSeconds int64; ignoreStoreReadErrorWithClusterBreakingPotential bool;
          orphanDependents bool; preconditions Preconditions; propagationPolicy string
        ObjectMeta
          annotations {string}; creationTimestamp time; deletionGracePeriodSeconds int64; deletionTimestamp time;
          finalizers [string] merge set; generateName string; generation int64; labels {string};
          managedFields [ManagedFieldsEntry] atomic; name string; namespace string;
          ownerReferences [OwnerReference] merge(uid) keys(uid); resourceVersion string; selfLink string; uid string
        Preconditions
          resourceVersion string; uid string
        ManagedFieldsEntry
          apiVersion string; fieldsType string; fieldsV1 any; manager string; operation string; subresource string; time time
        OwnerReference
          apiVersion! string; blockOwnerDeletion bool; controller bool; kind! string; name! string; uid! string
        Condition
          lastTransitionTime! time; message! string; observedGeneration int64; reason! string; status! string; type! string
        LabelSelector
          matchExpressions [LabelSelectorRequirement] atomic; matchLabels {string}
        LabelSelectorRequirement
          key! string; operator! string; values [string] atomic
        package io.k8s.api.authentication.v1
        TokenRequest
          metadata ObjectMeta; spec! TokenRequestSpec; status TokenRequestStatus
        TokenRequestSpec
          audiences! [string] atomic; boundObjectRef BoundObjectReference; expirationSeconds int64
        TokenRequestStatus
          expirationTimestamp! time; token! string
        BoundObjectReference
          apiVersion string; kind string; name string; uid string
        package io.k8s.api.policy.v1
        Eviction
          deleteOptions DeleteOptions; metadata ObjectMeta
        """#
}
