import Addressing
import Cluster
import HostNetwork
import NFTables
import Plan

/// What was last said to the kernel: by the key it was said for, and by the thing itself.
///
/// Taking a key in costs what the key's part costs, whatever else was said.
struct Said {
    private(set) var parts: [NodePlan.Key: NodePlan.Part] = [:]
    /// The union of the parts.
    private(set) var objects = State()
    private(set) var tables: [Table.ID: Table] = [:]
    /// Of the parts that have any.
    private(set) var problems: [NodePlan.Key: [Problem]] = [:]
    /// Whose each pod's link is.
    private(set) var owners: [String: Attachment.ID] = [:]
    /// Whose each entry on the bridge is.
    private(set) var holders: [IPAddress: Attachment.ID] = [:]

    init(_ parts: [NodePlan.Key: NodePlan.Part] = [:]) {
        for (key, part) in parts { self[key] = part }
    }

    subscript(key: NodePlan.Key) -> NodePlan.Part? {
        get { parts[key] }
        set {
            if let old = parts[key] { forget(old) }
            parts[key] = newValue
            for object in newValue?.network.objects.values ?? [:].values { objects.insert(object) }
            tables.merge(newValue?.tables ?? [:]) { _, new in new }
            problems[key] = newValue.flatMap { $0.problems.isEmpty ? nil : $0.problems }
            if case .attachment(let id) = key {
                owners[id.link] = newValue == nil ? nil : id
                for object in newValue?.network.objects.values ?? [:].values {
                    if let address = object.podAddressOnBridge { holders[address] = id }
                }
            }
        }
    }

    private mutating func forget(_ part: NodePlan.Part) {
        for (key, object) in part.network.objects {
            objects[key] = nil
            if let address = object.podAddressOnBridge { holders[address] = nil }
        }
        for id in part.tables.keys { tables[id] = nil }
    }
}
