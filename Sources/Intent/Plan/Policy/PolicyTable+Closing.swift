public import Addressing
import Cluster
import KubeAPI
public import NFTables

extension PolicyTable {
    /// A table with these addresses closed in it, and everything else as it was found: for who lets pods come before anything is
    /// known of policies.
    ///
    /// - Parameter observed: what is there; `nil` when there is none.
    /// - Returns: what was found, when none of the addresses is of the family.
    public static func closing(_ addresses: [IPAddress], _ family: IPFamily, in observed: Table?) -> Table? {
        // An index that was told nothing closes whoever is attached.
        var index = PolicyIndex(node: "")
        index.attach(addresses.filter { $0.family == family }, to: ObjectKey(Pod.resource.kind, namespace: "", name: ""))
        guard let wanted = PolicyTable(family, index).table(index) else { return observed }
        guard var table = observed else { return wanted }
        for (name, chain) in wanted.chains where table.chains[name] == nil { table.chains[name] = chain }
        for (name, set) in wanted.sets { table.sets[name, default: NamedSet(set.shape)].elements.merge(set.elements) { $1 } }
        return table
    }

    /// A table without these addresses, and everything else as it was found: what ``closing(_:_:in:)`` did is undone.
    ///
    /// - Returns: `nil` when nobody else is isolated.
    public static func releasing(_ addresses: [IPAddress], _ family: IPFamily, in observed: Table?) -> Table? {
        guard var table = observed else { return nil }
        for address in addresses where address.family == family {
            for set in PolicySet.standing + PolicySet.guarding { table.sets[set.name]?.elements[Value(.address(address))] = nil }
            table.sets[PolicySet.selves.name]?.elements[Value(.address(address), .address(address))] = nil
        }
        guard table.sets[PolicySet.isolated.name]?.elements.isEmpty == false else { return nil }
        for way in [PolicyWay.receive, .send] {
            let closed = PolicyClass.ID.closed(way)
            guard table.sets[closed.set.name]?.elements.values.contains(closed.content) == false else { continue }
            table.sets[closed.classes.name]?.elements[Value(.mark(closed.number))] = nil
            table.chains[closed.chain] = nil
        }
        return table
    }
}
