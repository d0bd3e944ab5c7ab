import KubeAPI

extension Validation {
    /// A binding is of one role for good: whom it gives to somebody else is to be made anew.
    static func binding(_ top: inout Checker, _ old: JSONValue?, _ kind: String) {
        top.require("roleRef")
        top.inside("roleRef") { role in
            role.word("apiGroup", ["rbac.authorization.k8s.io"])
            role.require("kind")
            role.word("kind", kind == "RoleBinding" ? ["ClusterRole", "Role"] : ["ClusterRole"])
            role.require("name")
        }
        top.keep("roleRef", from: old, "cannot change roleRef")
    }
}
