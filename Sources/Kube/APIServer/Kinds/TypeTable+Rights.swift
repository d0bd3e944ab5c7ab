/// Who may do what: kept, and not enforced.
extension TypeTable {
    static let rightsTypes = #"""
        package io.k8s.api.rbac.v1
        Role
          metadata ObjectMeta; rules [PolicyRule] atomic
        RoleBinding
          metadata ObjectMeta; roleRef! RoleRef; subjects [Subject] atomic
        ClusterRole
          aggregationRule AggregationRule; metadata ObjectMeta; rules [PolicyRule] atomic
        ClusterRoleBinding
          metadata ObjectMeta; roleRef! RoleRef; subjects [Subject] atomic
        PolicyRule
          apiGroups [string] atomic; nonResourceURLs [string] atomic; resourceNames [string] atomic;
          resources [string] atomic; verbs! [string] atomic
        AggregationRule
          clusterRoleSelectors [LabelSelector] atomic
        RoleRef
          apiGroup! string; kind! string; name! string
        Subject
          apiGroup string; kind! string; name! string; namespace string
        """#
}
