import Addressing
import Glibc
import HostNetwork
import HostNetworkKernel
import NFTables
import NFTablesKernel
import Netlink
import Plan

/// Takes down everything that agents made in this network namespace: routes and rules of our protocol, our nf_tables, the tunnels'
/// end, pods' links, and the state directory's files.
///
/// ```
///  records in <state>/attachments ──► their links    links without a record: only when asked
///  routes proto 84, table main    ──► gone           settings (forwarding): stay; what they were before, nobody knows
/// ```
/// It works only while no agent does, and a second time it finds nothing. Blocks.
public struct NodeCleaner {
    private let settings: AgentSettings
    private let takesUnknownLinks: Bool

    /// - Parameter takesUnknownLinks: links that look like pods' and have no record, too: all of them, whoever made them.
    public init(_ settings: AgentSettings, takesUnknownLinks: Bool = false) {
        self.settings = settings
        self.takesUnknownLinks = takesUnknownLinks
    }

    /// What came of it, one line for each thing, for people.
    public struct Outcome: Hashable, Sendable {
        public var removed: [String] = []
        /// What is still there, with what can be done about it.
        public var left: [String] = []
    }

    /// - Throws: ``AgentConflict`` while an agent works in the namespace or on the directory.
    public func run() throws -> Outcome {
        let namespace = try NetworkNamespace.current()
        let directory = Disk.isThere(settings.stateDirectory) ? try StateLock(directory: settings.stateDirectory) : nil
        let lock = try NamespaceLock(namespace)
        defer { withExtendedLifetime((directory, lock)) {} }
        let records = try recorded()
        let before = try Scene(namespace)
        try takeDown(before, records, namespace)
        let after = try Scene(namespace)
        var outcome = Outcome(removed: before.lines(records).filter { !after.lines(records).contains($0) })
        outcome.left = after.links.map { link in
            records[link].map { "link \(link) (\($0))" }
                ?? "link \(link), of which no record is in \(settings.stateDirectory): see --clean-unknown-links"
        }
        outcome.left += (after.roads.map(\.description) + after.tables.map { "table \($0)" })
        if Set(after.links).isDisjoint(with: records.keys) { try removeFiles(&outcome) }
        return outcome
    }

    private func takeDown(_ scene: Scene, _ records: [String: String], _ namespace: NetworkNamespace) throws {
        let doomed = scene.links.filter { records[$0] != nil || takesUnknownLinks }
        // Each waits some milliseconds for the kernel. What was refused is found when it is looked at again.
        sideBySide(doomed) { link in
            _ = try? KernelHost(namespace).apply([.remove(.link(Link(link, .veth(peer: nil))))])
        }
        let spared = Set(scene.links).subtracting(doomed)
        // A route on a link that stays is its pod's.
        let routes = scene.routes.filter {
            !($0.device.map(spared.contains) ?? false) && !($0.device.map(doomed.contains) ?? false)
        }
        // So is the bridge, with what is on it.
        let hasPorts = !spared.isDisjoint(with: scene.ports)
        let roads = (routes.map(Object.route) + scene.rules.map(Object.rule) + scene.tunnels.map(Object.link)).filter {
            !hasPorts || !$0.standsOn([PacketPath.podBridge])
        }
        _ = try KernelHost(namespace).apply(roads.sorted(by: >).map { .remove($0) })
        let tables = try KernelTables(in: namespace)
        for id in scene.tables { try tables.apply([.deleteTable(id)]) }
        _ = try LoopbackAddresses(namespace: namespace).hold([])
    }

    /// Whose the links are that something is written down of.
    private func recorded() throws -> [String: String] {
        guard hasState else { return [:] }
        let contents = try AddressStore(directory: settings.stateDirectory).contents()
        var records: [String: String] = [:]
        for record in contents.attached + contents.unanswered {
            let addresses = record.attachment.addresses.map(\.description).joined(separator: ", ")
            records[record.attachment.link] = "\(record.attachment.id), \(addresses)"
        }
        for record in contents.unreadable { records[record.link] = record.path }
        return records
    }

    /// A directory without this one is no state directory, whatever its name.
    private var hasState: Bool { Disk.isThere(settings.stateDirectory + "/attachments") }

    private func removeFiles(_ outcome: inout Outcome) throws {
        guard hasState else { return }
        let directory = settings.stateDirectory
        for folder in [directory + "/attachments", directory + "/resting", settings.queueDirectory] where Disk.isThere(folder) {
            for name in try Disk.names(in: folder) { try Disk.remove("\(folder)/\(name)") }
            rmdir(folder)
        }
        for path in [directory + "/status", directory + "/node", settings.socket, directory + "/lock"] { try Disk.remove(path) }
        // Something of somebody else's may be in it.
        rmdir(directory)
        outcome.removed.append("what was written down in \(directory)")
    }

    /// What is ours in the namespace, by its looks.
    private struct Scene {
        let links: [String]
        /// Those of the links that are ports of the bridge.
        let ports: Set<String>
        let routes: [Route]
        let rules: [HostNetwork.Rule]
        let tunnels: [Link]
        let tables: [NFTables.Table.ID]
        /// Where names were answered.
        let loopback: [Address]

        /// All but pods' links, in the order in which they come to be.
        var roads: [Object] {
            (tunnels.map(Object.link) + routes.map(Object.route) + rules.map(Object.rule) + loopback.map(Object.address)).sorted()
        }

        init(_ namespace: NetworkNamespace) throws {
            let state = try KernelHost(namespace).observe(
                Interest(
                    [.addresses, .routes, .rules], routeProtocols: [PacketPath.routeProtocol], routeTables: PacketPath.routeTables
                ))
            links = state.links.map(\.name).filter(PacketPath.isPodLink).sorted()
            ports = Set(state.links.filter { $0.master == PacketPath.podBridge }.map(\.name))
            routes = state.routes
            loopback = state.addresses.filter { $0.link == LoopbackAddresses.link && $0.proto == PacketPath.addressProtocol }
            let owned = NodePlan.ownership(links: [], in: state)
            rules = state.objects.values.compactMap { if case .rule(let rule) = $0, owned.owns($0) { rule } else { nil } }
            tunnels = state.links.filter { owned.owns(link: $0.name) }
            let there = Set(try KernelTables(in: namespace).tables())
            tables =
                (NodePlan.tables + NodePlan.serviceTables + NodePlan.policyTables + HostPorts.tables + SourceTable.tables
                + NodePlan.nameTables)
                .filter(there.contains)
        }

        func lines(_ records: [String: String]) -> [String] {
            links.map { link in "link \(link)" + (records[link].map { " (\($0))" } ?? "") }
                + roads.map(\.description) + tables.map { "table \($0)" }
        }
    }
}
