/// What an answer depends on besides the question and the zones.
public struct Circumstances: Hashable, Sendable {
    public var transport: Transport
    /// The largest message over UDP that we send, and that we tell others we take, in bytes: 1,232 go unfragmented over any path
    /// of IPv6's least MTU.
    public var udpSize: UInt16
    /// Names outside the zones are asked for elsewhere, and the answer says so (RA).
    public var forwards: Bool
    /// Which of a set's addresses comes first, counted round: another number for each answer spreads clients that take the first.
    public var rotation: UInt32
    /// What becomes of an answer that does not fit.
    public var truncation: Truncation

    public enum Transport: Hashable, Sendable {
        case udp
        /// Or anything else that holds 65,535 bytes.
        case tcp
    }

    public init(
        _ transport: Transport = .udp, udpSize: UInt16 = 1232, forwards: Bool = false, rotation: UInt32 = 0,
        truncation: Truncation = .wholeSets
    ) {
        (self.transport, self.udpSize, self.forwards) = (transport, max(udpSize, 512), forwards)
        (self.rotation, self.truncation) = (rotation, truncation)
    }
}

/// What became of a packet.
public enum Outcome: Sendable {
    /// An answer of so many bytes is written.
    case answer(Int)
    /// Nothing may be said: the packet is no query.
    case silence
    /// The name is in none of the zones, and the server forwards: nothing is written.
    case outside(Query)
    /// An answer of so many bytes is written, which ends with an alias of this name, in none of the zones: a server that forwards
    /// asks for it and adds what it hears.
    case unfinished(Int, Query, alias: DomainName)

    /// Bytes that are written.
    public var count: Int {
        switch self {
        case .answer(let count), .unfinished(let count, _, _): count
        case .silence, .outside: 0
        }
    }
}
