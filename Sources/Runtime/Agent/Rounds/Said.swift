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
    /// As the keys that make them say, without the elements that others add.
    private(set) var frames: [Table.ID: Table] = [:]
    private(set) var elements: [NodePlan.Part.Place: [Value: NamedSet.Content]] = [:]
    /// Of the parts that have any.
    private(set) var problems: [NodePlan.Key: [Problem]] = [:]
    /// Whose each pod's link is.
    private(set) var owners: [String: Attachment.ID] = [:]
    /// Whose each entry on the bridge is.
    private(set) var holders: [IPAddress: Attachment.ID] = [:]

    init(_ parts: [NodePlan.Key: NodePlan.Part] = [:]) {
        self.parts.reserveCapacity(parts.count)
        objects.reserveCapacity(parts.values.reduce(0) { $0 + $1.network.count })
        for (key, part) in parts { self[key] = part }
    }

    subscript(key: NodePlan.Key) -> NodePlan.Part? {
        get { parts[key] }
        set {
            if let old = newValue.map({ parts.updateValue($0, forKey: key) }) ?? parts.removeValue(forKey: key) {
                forget(old)
                if !old.problems.isEmpty { problems[key] = nil }
            }
            for (key, object) in newValue?.network.objects ?? [:] { objects[key] = object }
            frames.merge(newValue?.tables ?? [:]) { _, new in new }
            for (place, added) in newValue?.elements ?? [:] { elements[place, default: [:]].merge(added) { $1 } }
            if let newValue, !newValue.problems.isEmpty { problems[key] = newValue.problems }
            if case .attachment(let id) = key {
                owners[id.link] = newValue == nil ? nil : id
                for object in newValue?.network.objects.values ?? [:].values {
                    if let address = object.podAddressOnBridge { holders[address] = id }
                }
            }
        }
    }

    /// A table with everything in it: costs a look at all of it.
    func table(_ id: Table.ID) -> Table? {
        guard var table = frames[id] else { return nil }
        for (place, added) in elements where place.table == id {
            // Mostly the frame has none of its own, and nothing is copied.
            let own = table.sets[place.shape.name] ?? NamedSet(place.shape)
            let all = own.elements.isEmpty ? added : own.elements.merging(added) { $1 }
            table.sets[place.shape.name] = NamedSet(own.shape, all)
        }
        return table
    }

    private mutating func forget(_ part: NodePlan.Part) {
        for (key, object) in part.network.objects {
            objects[key] = nil
            if let address = object.podAddressOnBridge { holders[address] = nil }
        }
        for id in part.tables.keys { frames[id] = nil }
        for (place, added) in part.elements {
            for key in added.keys { elements[place]?[key] = nil }
            if elements[place]?.isEmpty == true { elements[place] = nil }
        }
    }
}

/// Elements of sets, added and taken away.
struct ElementChanges {
    private var old: [NodePlan.Part.Place: [Value: NamedSet.Content]] = [:]
    private var new: [NodePlan.Part.Place: [Value: NamedSet.Content]] = [:]

    mutating func take(from before: NodePlan.Part?, to after: NodePlan.Part?) {
        guard before?.elements != after?.elements else { return }
        for (place, elements) in before?.elements ?? [:] { old[place, default: [:]].merge(elements) { $1 } }
        for (place, elements) in after?.elements ?? [:] { new[place, default: [:]].merge(elements) { $1 } }
    }

    /// The tables they are in, in order.
    var tables: [Table.ID] { Set(old.keys.map(\.table)).union(new.keys.map(\.table)).sorted() }

    /// The steps for one table. What goes from one node to another stays.
    func changes(of table: Table.ID) -> [NFTables.Change] {
        let places = Set(old.keys).union(new.keys).filter { $0.table == table }.sorted { $0.shape.name < $1.shape.name }
        return places.flatMap { place in
            let (from, to) = (NamedSet(place.shape, old[place] ?? [:]), NamedSet(place.shape, new[place] ?? [:]))
            return elementChanges(table, from: from, to: to)
        }
    }
}
