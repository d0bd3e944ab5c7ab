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
}
