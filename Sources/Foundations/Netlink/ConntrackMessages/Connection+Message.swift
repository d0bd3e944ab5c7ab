import Addressing

/// The numbers of `linux/netfilter/nfnetlink_conntrack.h`.
private enum Conntrack {
    /// `NFNL_SUBSYS_CTNETLINK`
    static let subsystem: UInt16 = 1
    /// `IPCTNL_MSG_CT_NEW`, `…GET`, `…DELETE`
    static let (new, get, delete) = (subsystem << 8, subsystem << 8 | 1, subsystem << 8 | 2)
    /// `CTA_TUPLE_ORIG`, `CTA_TUPLE_REPLY`
    static let (original, reply): (UInt16, UInt16) = (1, 2)
    /// `CTA_STATUS`, `CTA_TIMEOUT`, `CTA_ID`, `CTA_ZONE`, `CTA_FILTER`, `CTA_STATUS_MASK`
    static let (status, timeout, id, zone, filter, statusMask): (UInt16, UInt16, UInt16, UInt16, UInt16, UInt16) = (
        3, 7, 12, 18, 25, 26
    )
    /// `CTA_TUPLE_IP`, `CTA_TUPLE_PROTO`
    static let (addresses, transport): (UInt16, UInt16) = (1, 2)
    /// `CTA_PROTO_NUM`, `CTA_PROTO_SRC_PORT`, `CTA_PROTO_DST_PORT`
    static let (number, sourcePort, destinationPort): (UInt16, UInt16, UInt16) = (1, 2, 3)
    /// `CTA_FILTER_ORIG_FLAGS`, `CTA_FILTER_REPLY_FLAGS`
    static let (originalFlags, replyFlags): (UInt16, UInt16) = (1, 2)

    /// `CTA_IP_V4_SRC` … `CTA_IP_V6_DST`
    static func source(_ family: IPFamily) -> UInt16 { family == .v4 ? 1 : 3 }
    static func destination(_ family: IPFamily) -> UInt16 { family == .v4 ? 2 : 4 }

    /// `CTA_FILTER_F_CTA_…` (`net/netfilter/nf_internals.h`): which fields of a tuple count.
    static let (bySource, byDestination, byTransport, bySourcePort, byDestinationPort): (UInt32, UInt32, UInt32, UInt32, UInt32) =
        (
            1 << 0, 1 << 1, 1 << 3, 1 << 4, 1 << 5
        )

    /// `nfgenmsg`: family, version 0, resource id 0. The numbers are `AF_INET` and `AF_INET6`.
    static func header(_ family: IPFamily) -> UInt32 { UInt32(family == .v4 ? 2 : 10).littleEndian }
}

// MARK: - Requests

extension ConnectionFilter {
    /// A dump. The kernel walks through all connections, and copies out those that match: kernels before 5.8 do not filter by
    /// tuple, so ``matches(_:)`` is asked again.
    ///
    /// Addresses of IPv6 are not asked of it: up to 6.18 at least it takes those that differ for those that are the same
    /// (`ctnetlink_filter_match_tuple`), and gives none of those that are meant. Protocol and ports are.
    var request: NetlinkRequest {
        NetlinkRequest(Conntrack.get, operation: "list connections of protocol \(transport)") { writer in
            writer.append(Conntrack.header(family))
            writer.nested(Conntrack.original) { writer in
                if let destination = comparedDestination {
                    writer.nested(Conntrack.addresses) {
                        $0.attribute(Conntrack.destination(family), bytes: destination.bytes)
                    }
                }
                writer.nested(Conntrack.transport) {
                    $0.attribute(Conntrack.number, transport)
                    if let destinationPort { $0.attribute(Conntrack.destinationPort, bigEndian: destinationPort) }
                }
            }
            if let answerer {
                writer.nested(Conntrack.reply) { writer in
                    if family == .v4 {
                        writer.nested(Conntrack.addresses) {
                            $0.attribute(Conntrack.source(family), bytes: answerer.address.bytes)
                        }
                    }
                    writer.nested(Conntrack.transport) {
                        $0.attribute(Conntrack.number, transport)
                        $0.attribute(Conntrack.sourcePort, bigEndian: answerer.port)
                    }
                }
            }
            writer.nested(Conntrack.filter) {
                let original =
                    Conntrack.byTransport | (comparedDestination == nil ? 0 : Conntrack.byDestination)
                    | (destinationPort == nil ? 0 : Conntrack.byDestinationPort)
                $0.attribute(Conntrack.originalFlags, original)
                guard answerer != nil else { return }
                $0.attribute(
                    Conntrack.replyFlags,
                    Conntrack.byTransport | (family == .v4 ? Conntrack.bySource : 0) | Conntrack.bySourcePort)
            }
            if let isTranslated {
                let bit = Connection.Status.destinationTranslated.rawValue
                writer.attribute(Conntrack.status, bigEndian: isTranslated ? bit : 0)
                writer.attribute(Conntrack.statusMask, bigEndian: bit)
            }
        }
    }
}

extension ConnectionFilter {
    fileprivate var comparedDestination: IPAddress? { family == .v4 ? destination : nil }
}

extension Connection {
    /// Ends this one. Another with the same tuples that began meanwhile stays where the kernel gave it another id.
    var deletion: NetlinkRequest {
        NetlinkRequest(Conntrack.delete, operation: "end connection \(self)") {
            $0.append(Conntrack.header(original.source.family))
            $0.write(Conntrack.original, original)
            if zone != 0 { $0.attribute(Conntrack.zone, bigEndian: zone) }
            if let id { $0.attribute(Conntrack.id, bigEndian: id) }
        }
    }

    /// Makes one, as if its packets had been seen.
    var creation: NetlinkRequest {
        NetlinkRequest(Conntrack.new, flags: [.create, .exclusive], operation: "make connection \(self)") {
            $0.append(Conntrack.header(original.source.family))
            $0.write(Conntrack.original, original)
            $0.write(Conntrack.reply, reply)
            $0.attribute(Conntrack.timeout, bigEndian: timeout)
            if status.contains(.answered) {
                // `IPS_CONFIRMED`: the kernel has set it already, and refuses that it be taken away.
                $0.attribute(Conntrack.status, bigEndian: Status.answered.rawValue | 8)
            }
            if zone != 0 { $0.attribute(Conntrack.zone, bigEndian: zone) }
        }
    }
}

extension MessageWriter {
    fileprivate mutating func write(_ type: UInt16, _ tuple: Connection.Tuple) {
        let family = tuple.source.family
        nested(type) { writer in
            writer.nested(Conntrack.addresses) {
                $0.attribute(Conntrack.source(family), bytes: tuple.source.bytes)
                $0.attribute(Conntrack.destination(family), bytes: tuple.destination.bytes)
            }
            writer.nested(Conntrack.transport) {
                $0.attribute(Conntrack.number, tuple.transport)
                $0.attribute(Conntrack.sourcePort, bigEndian: tuple.sourcePort)
                $0.attribute(Conntrack.destinationPort, bigEndian: tuple.destinationPort)
            }
        }
    }
}

// MARK: - Answers

extension Connection {
    /// Reads `IPCTNL_MSG_CT_NEW`; `nil` for anything else.
    init?(_ message: Message) {
        guard message.type == Conntrack.new else { return nil }
        var (original, reply): (Tuple?, Tuple?) = (nil, nil)
        var (status, zone, id, timeout): (Status, UInt16, UInt32?, UInt32) = ([], 0, nil, 0)
        for attribute in message.attributes(after: 4) {
            switch attribute.type {
            case Conntrack.original: original = Tuple(attribute.nested)
            case Conntrack.reply: reply = Tuple(attribute.nested)
            case Conntrack.status: status = Status(rawValue: attribute.bigEndian() ?? 0)
            case Conntrack.zone: zone = attribute.bigEndian() ?? 0
            case Conntrack.id: id = attribute.bigEndian()
            case Conntrack.timeout: timeout = attribute.bigEndian() ?? 0
            default: break
            }
        }
        guard let original, let reply else { return nil }
        self.init(original: original, reply: reply, status: status, zone: zone, id: id, timeout: timeout)
    }
}

extension Connection.Tuple {
    fileprivate init?(_ parts: Attributes) {
        guard let addresses = parts[Conntrack.addresses]?.nested, let transport = parts[Conntrack.transport]?.nested,
            let number: UInt8 = transport[Conntrack.number]?.number()
        else { return nil }
        func address(_ attribute: (IPFamily) -> UInt16) -> IPAddress? {
            (addresses[attribute(.v4)] ?? addresses[attribute(.v6)]).flatMap { IPAddress(bytes: $0.bytes) }
        }
        guard let source = address(Conntrack.source), let destination = address(Conntrack.destination) else { return nil }
        self.init(
            number, from: source, transport[Conntrack.sourcePort]?.bigEndian() ?? 0, to: destination,
            transport[Conntrack.destinationPort]?.bigEndian() ?? 0)
    }
}

// MARK: - Calls

extension NetlinkSocket {
    /// The connections that a filter means. On a socket of ``NetlinkSocket/Family/netfilter``.
    ///
    /// - Parameter isMeant: asked about each of them, so that few of many need not all be kept.
    public func connections(
        _ filter: ConnectionFilter, where isMeant: (Connection) -> Bool = { _ in true }
    ) throws(KernelError) -> [Connection] {
        var found: [Connection] = []
        try dump(filter.request, restart: { found = [] }) { message in
            guard let connection = Connection(message), filter.matches(connection), isMeant(connection) else { return }
            found.append(connection)
        }
        return found
    }

    /// Those of all that are meant, of both families and all protocols, by one walk. The kernel looks at every place of a table that
    /// all namespaces share: a walk takes as long as that table is large, however few connections are in it, some 12 ms for 262,144
    /// places.
    public func connections(where isMeant: (Connection) -> Bool) throws(KernelError) -> [Connection] {
        var found: [Connection] = []
        let request = NetlinkRequest(Conntrack.get, operation: "list connections") { $0.append(UInt32(0)) }
        try dump(request, restart: { found = [] }) { message in
            guard let connection = Connection(message), isMeant(connection) else { return }
            found.append(connection)
        }
        return found
    }

    /// The connections that any of the filters means, each once: one walk through all of them where there are many filters.
    public func connections(_ filters: Set<ConnectionFilter>) throws(KernelError) -> Set<Connection> {
        var found: Set<Connection> = []
        guard filters.count > 4 else {
            for filter in filters { found.formUnion(try connections(filter)) }
            return found
        }
        let byWay = Dictionary(grouping: filters) { Way(family: $0.family, transport: $0.transport, port: $0.destinationPort) }
        for whole in Set(filters.map { ConnectionFilter($0.family, $0.transport) }) {
            for connection in try connections(whole) {
                let ways = [connection.original.destinationPort, nil].flatMap {
                    byWay[Way(family: whole.family, transport: whole.transport, port: $0)] ?? []
                }
                if ways.contains(where: { $0.matches(connection) }) { found.insert(connection) }
            }
        }
        return found
    }

    /// Ends connections: their next packet begins a new one. One that is gone already is no error.
    ///
    /// - Returns: how many there were.
    @discardableResult
    public func end(_ connections: some Collection<Connection>) throws(KernelError) -> Int {
        guard !connections.isEmpty else { return 0 }
        var count = 0
        for outcome in try perform(connections.map(\.deletion)) {
            guard let error = outcome else {
                count += 1
                continue
            }
            guard error.code == .noSuchObject else { throw error }
        }
        return count
    }

    /// Makes a connection, as if its packets had been seen: for who takes connections over from elsewhere, and for tests. Of its
    /// status ``Connection/Status/answered`` counts.
    public func make(_ connection: Connection) throws(KernelError) { try perform(connection.creation) }
}

/// What filters are looked up by.
private struct Way: Hashable {
    var family: IPFamily
    var transport: UInt8
    var port: UInt16?
}
