public import Addressing

/// Connections that have to be ended, because what they were translated to is no longer so. Only protocols without an end of their
/// own need it: a UDP client that goes on sending would reach a dead endpoint for as long as it sends.
public struct ServiceFlow: Hashable, Sendable {
    public var family: IPFamily
    public var transport: TransportProtocol
    /// Where the client sends to; `nil`: to any address of the node.
    public var address: IPAddress?
    public var port: UInt16
    public var answerer: Answerer

    /// Who answers, as things were.
    public enum Answerer: Hashable, Sendable {
        case anybody
        case endpoint(SocketAddress)
        /// The packets went on as they were: the service was not served yet.
        case untranslated
    }

    public init(
        _ family: IPFamily, _ transport: TransportProtocol, at address: IPAddress?, _ port: UInt16, answeredBy answerer: Answerer
    ) {
        self.family = family
        self.transport = transport
        self.address = address
        self.port = port
        self.answerer = answerer
    }
}

extension ServiceFlow {
    /// What has to be ended when a port was `old` and is `new`; none for TCP.
    ///
    /// - Way gone, or it refuses or drops now: whatever was sent there.
    /// - Way new, or it serves again: what went there untranslated.
    /// - Endpoint gone: what it answered. One that ends and still serves keeps what it has, as pods in Kubernetes expect.
    static func stale(
        _ family: IPFamily, from old: (port: ServedPort, ways: [ServedPort.Way])?,
        to new: (port: ServedPort, ways: [ServedPort.Way])?
    ) -> Set<ServiceFlow> {
        guard let transport = (old ?? new)?.port.transport, transport != .tcp else { return [] }
        let before = Dictionary((old?.ways ?? []).map { ($0.key, $0) }) { first, _ in first }
        let after = Dictionary((new?.ways ?? []).map { ($0.key, $0) }) { first, _ in first }
        var flows: Set<ServiceFlow> = []
        func end(_ way: ServedPort.Way, _ answerer: Answerer) {
            flows.insert(ServiceFlow(family, transport, at: way.address, way.port, answeredBy: answerer))
        }
        let dead = (old?.port.alive ?? []).subtracting(new?.port.alive ?? [])
        for (key, way) in before {
            guard let still = after[key], still.isServed else {
                if way.isServed { end(way, .anybody) }
                continue
            }
            for endpoint in dead { end(way, .endpoint(endpoint)) }
        }
        for (key, way) in after where before[key] == nil { end(way, .untranslated) }
        return flows
    }
}

extension ServedPort.Way {
    var isServed: Bool { classes.contains { if case .balanced = $0 { true } else { false } } }
}
