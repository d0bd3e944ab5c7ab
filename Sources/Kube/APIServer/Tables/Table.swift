public import KubeAPI

/// A list of objects as `kubectl get` shows it (`meta.k8s.io/v1` Table): the server decides the columns.
public struct Table: Hashable, Sendable {
    public struct Column: Hashable, Sendable {
        public var name: String
        /// `string`, `integer`, `number`, `boolean` or `date`.
        public var type: String
        public var format: String
        public var description: String
        /// 0 is always shown, 1 with `-o wide`.
        public var priority: Int

        init(_ name: String, _ type: String = "string", format: String = "", _ description: String = "", priority: Int = 0) {
            self.name = name
            self.type = type
            self.format = format
            self.description = description
            self.priority = priority
        }
    }

    public struct Row: Hashable, Sendable {
        public var cells: [JSONValue]
        public var object: JSONValue
    }

    /// How much of each object goes along (`includeObject`).
    public enum Inclusion: String, Hashable, Sendable, CaseIterable {
        case none = "None"
        case metadata = "Metadata"
        case object = "Object"
    }

    public var columns: [Column]
    public var rows: [Row]

    /// - Parameter now: what ages are counted to.
    public init(of objects: [JSONValue], _ kind: ServedKind, now: Timestamp) {
        let printer = Printer(kind)
        columns = printer.columns
        rows = objects.map { Row(cells: printer.cells($0, now), object: $0) }
    }
}

extension Table {
    /// The document.
    ///
    /// - Parameter list: the list's `metadata` (`resourceVersion`, `continue`, `remainingItemCount`).
    public func tree(including inclusion: Inclusion = .metadata, list: JSONObject = [:]) -> JSONValue {
        [
            "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": .object(list),
            "columnDefinitions": .array(columns.map(\.tree)), "rows": .array(rows.map { $0.tree(inclusion) }),
        ]
    }
}

extension Table.Column {
    fileprivate var tree: JSONValue {
        [
            "name": .string(name), "type": .string(type), "format": .string(format), "description": .string(description),
            "priority": .integer(priority),
        ]
    }
}

extension Table.Row {
    fileprivate func tree(_ inclusion: Table.Inclusion) -> JSONValue {
        var row: JSONObject = ["cells": .array(cells)]
        switch inclusion {
        case .none: break
        case .object: row["object"] = object
        case .metadata:
            row["object"] = [
                "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"] ?? [:],
            ]
        }
        return .object(row)
    }
}

/// The columns of a kind, and how an object fills them.
struct Printer {
    let columns: [Table.Column]
    let cells: @Sendable (JSONValue, Timestamp) -> [JSONValue]

    init(_ columns: [Table.Column], _ cells: @escaping @Sendable (JSONValue, Timestamp) -> [JSONValue]) {
        self.columns = [.name] + columns
        self.cells = { object, now in [.string(object.name)] + cells(object, now) }
    }

    /// Columns that do not begin with the name.
    init(bare columns: [Table.Column], _ cells: @escaping @Sendable (JSONValue, Timestamp) -> [JSONValue]) {
        self.columns = columns
        self.cells = cells
    }

    init(_ kind: ServedKind) {
        self = kind.custom.map(Self.custom) ?? Self.builtIn["\(kind.group)/\(kind.kind)"] ?? .plain
    }

    /// Name and age: what every object has.
    static let plain = Printer([.age]) { [.string($0.age($1))] }

    private static let builtIn: [String: Printer] = [
        "/ConfigMap": configMap, "/Endpoints": endpoints, "/Event": event, "events.k8s.io/Event": newEvent,
        "/Namespace": namespace, "/Node": node,
        "/Pod": pod, "/Secret": secret, "/Service": service, "/ServiceAccount": serviceAccount,
        "autoscaling/Scale": scale, "apps/ControllerRevision": controllerRevision, "apps/DaemonSet": daemonSet,
        "apps/Deployment": deployment,
        "apps/ReplicaSet": replicaSet,
        "apps/StatefulSet": statefulSet, "networking.k8s.io/Ingress": ingress, "networking.k8s.io/IngressClass": ingressClass,
        "rbac.authorization.k8s.io/Role": role, "rbac.authorization.k8s.io/ClusterRole": role,
        "rbac.authorization.k8s.io/RoleBinding": roleBinding, "rbac.authorization.k8s.io/ClusterRoleBinding": roleBinding,
        "networking.k8s.io/NetworkPolicy": networkPolicy, "discovery.k8s.io/EndpointSlice": endpointSlice,
        "coordination.k8s.io/Lease": lease, "apiextensions.k8s.io/CustomResourceDefinition": definition,
    ]
}

extension Table.Column {
    static let name = Self("Name", format: "name", "Unique in its namespace.")
    static let age = Self("Age", "string", "Time since the object was made.")
    static func wide(_ name: String, _ type: String = "string") -> Self { Self(name, type, priority: 1) }
    static func integer(_ name: String) -> Self { Self(name, "integer") }

}

extension JSONValue {
    var name: String { at("metadata", "name")?.string ?? "" }
    func age(_ now: Timestamp) -> String { Age.text(since: at("metadata", "creationTimestamp"), now) }
}
