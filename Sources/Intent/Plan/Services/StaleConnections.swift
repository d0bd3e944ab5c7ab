public import Addressing
public import NFTables

/// The connections that services as they are now would not make: what became stale while nobody ended it, because no agent ran, a
/// commit was refused or the table was gone for a while.
///
/// ``ServiceTable/Update/flows`` says the same of one change, and costs what the change costs; this is asked about every connection
/// of ``transports``.
public struct StaleConnections: Sendable {
    public let family: IPFamily
    /// The protocols to look at: those without an end of their own that are served, or were.
    public private(set) var transports: Set<TransportProtocol> = []
    private var fronts: [Value: Front] = [:]
    private let former: Set<Value>
    private let nodePortRanges: [(first: IPAddress, last: IPAddress)]

    private struct Front {
        /// Packets are sent to somebody: they are not refused or dropped.
        var isServed: Bool
        var alive: Set<SocketAddress>

        /// Where nobody is, or everything is translated, what goes on untranslated began before.
        func isStale(_ answerer: SocketAddress, _ isTranslated: Bool) -> Bool {
            !isServed || !isTranslated || !alive.contains(answerer)
        }
    }

    fileprivate init(_ table: ServiceTable, _ ports: [(port: ServedPort, ways: [ServedPort.Way])], formerly former: Set<Value>) {
        family = table.family
        nodePortRanges = table.facts.nodePortRanges(table.family)
        for (port, ways) in ports where !ways.isEmpty {
            transports.insert(port.transport)
            for way in ways { fronts[way.key] = Front(isServed: way.isServed, alive: port.alive) }
        }
        self.former = former
        transports.formUnion(former.compactMap(\.endlessTransport))
    }

    /// - Parameters:
    ///   - asked: where the client sends to.
    ///   - answerer: who answers, once translated.
    ///   - isOwn: `asked` is an address of this node.
    public func contains(
        _ transport: TransportProtocol, to asked: SocketAddress, isOwn: Bool, answeredBy answerer: SocketAddress,
        isTranslated: Bool
    ) -> Bool {
        let key = Value(fields: [.address(asked.address), .transport(transport), .port(asked.port)])
        if let front = fronts[key] { return front.isStale(answerer, isTranslated) }
        // Who else translates there is none of ours.
        if former.contains(key) { return isTranslated }
        guard isOwn, nodePortRanges.contains(where: { $0.first <= asked.address && asked.address <= $0.last }) else {
            return false
        }
        let nodeKey = Value(fields: [.transport(transport), .port(asked.port)])
        return fronts[nodeKey].map { $0.isStale(answerer, isTranslated) } ?? (former.contains(nodeKey) && isTranslated)
    }
}

extension ServiceTable {
    /// - Parameter fronts: what was asked for once, and may not be any more: keys of the maps of fronts.
    public func staleConnections(formerly fronts: Set<Value>) -> StaleConnections {
        StaleConnections(self, endlessPorts, formerly: fronts)
    }

    /// The keys of everything that a table as it was found has of protocols without an end of their own.
    public static func endlessFronts(in table: Table) -> Set<Value> {
        Door.allCases.reduce(into: []) { keys, door in
            let elements = table.sets[ServiceSet.fronts(door).name]?.elements ?? [:]
            keys.formUnion(elements.keys.lazy.filter { $0.endlessTransport != nil })
        }
    }
}

extension ServiceFlow {
    /// The key of what was asked for.
    public var front: Value { Value(fields: (address.map { [.address($0)] } ?? []) + [.transport(transport), .port(port)]) }
}

extension Value {
    /// Of a key of a map of fronts: its protocol and its port stand at its end, each padded to four bytes. `nil` for TCP.
    fileprivate var endlessTransport: TransportProtocol? {
        withBytes { bytes in
            guard bytes.count >= 8 else { return nil }
            return TransportProtocol.allCases.first { $0 != .tcp && $0.number == bytes[bytes.count - 8] }
        }
    }
}
