public import Addressing

/// A connection as the kernel tracks it (`struct nf_conn`): what the client sends, and what it gets.
///
/// Without translation each is the other turned round. Ports are those of TCP, UDP, SCTP and the like; zero for what has none.
public struct Connection: Hashable, Sendable {
    /// As the first packet was sent.
    public var original: Tuple
    /// As answers come.
    public var reply: Tuple
    public var status: Status
    /// `CTA_ZONE`: connections of different zones may have the same tuples.
    public var zone: UInt16
    /// `CTA_ID`: tells this connection from a later one with the same tuples; `nil` in what is made.
    public var id: UInt32?
    /// Time to live, seconds.
    public var timeout: UInt32

    public struct Tuple: Hashable, Sendable {
        public var source: IPAddress
        public var destination: IPAddress
        /// IANA's number.
        public var transport: UInt8
        public var sourcePort: UInt16
        public var destinationPort: UInt16

        public init(
            _ transport: UInt8, from source: IPAddress, _ sourcePort: UInt16 = 0, to destination: IPAddress,
            _ destinationPort: UInt16 = 0
        ) {
            self.transport = transport
            self.source = source
            self.destination = destination
            self.sourcePort = sourcePort
            self.destinationPort = destinationPort
        }
    }

    /// `enum ip_conntrack_status`
    public struct Status: OptionSet, Hashable, Sendable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }

        /// `IPS_SEEN_REPLY`
        public static let answered = Status(rawValue: 2)
        /// `IPS_SRC_NAT`
        public static let sourceTranslated = Status(rawValue: 16)
        /// `IPS_DST_NAT`
        public static let destinationTranslated = Status(rawValue: 32)
    }

    public init(
        original: Tuple, reply: Tuple, status: Status = [], zone: UInt16 = 0, id: UInt32? = nil, timeout: UInt32 = 30
    ) {
        self.original = original
        self.reply = reply
        self.status = status
        self.zone = zone
        self.id = id
        self.timeout = timeout
    }
}

extension Connection: CustomStringConvertible {
    public var description: String {
        let (asked, answered) = (
            SocketAddress(original.destination, original.destinationPort), SocketAddress(reply.source, reply.sourcePort)
        )
        let client = SocketAddress(original.source, original.sourcePort)
        return "protocol \(original.transport) \(client) → \(asked)" + (asked == answered ? "" : " (\(answered))")
    }
}

/// Which connections are meant. What is `nil` is not looked at.
public struct ConnectionFilter: Hashable, Sendable {
    public var family: IPFamily
    /// IANA's number.
    public var transport: UInt8
    /// Where the client sends to.
    public var destination: IPAddress?
    public var destinationPort: UInt16?
    /// Who answers.
    public var answerer: SocketAddress?
    /// Whether the destination is translated.
    public var isTranslated: Bool?

    public init(
        _ family: IPFamily, _ transport: UInt8, to destination: IPAddress? = nil, _ destinationPort: UInt16? = nil,
        answeredBy answerer: SocketAddress? = nil, isTranslated: Bool? = nil
    ) {
        self.family = family
        self.transport = transport
        self.destination = destination
        self.destinationPort = destinationPort
        self.answerer = answerer
        self.isTranslated = isTranslated
    }

    public func matches(_ connection: Connection) -> Bool {
        let (original, reply) = (connection.original, connection.reply)
        return original.source.family == family && original.transport == transport
            && destination.map { $0 == original.destination } ?? true
            && destinationPort.map { $0 == original.destinationPort } ?? true
            && answerer.map { $0 == SocketAddress(reply.source, reply.sourcePort) } ?? true
            && isTranslated.map { $0 == connection.status.contains(.destinationTranslated) } ?? true
    }
}
