import Addressing

/// Which way a packet for a service goes: the datum of the maps of what is asked for, and the key of the map of chains.
///
/// ```
///  0x0000nnnn  one of n endpoints              0x00020000  refuse    0x00020002  ask again, by where the client is
///  0x0001nnnn  one of n endpoints of this node 0x00020001  drop      0x00020003  the same, for chosen clients alone
///  1 r tttttttttttttttttnnnnnnnnnnnnn (bits)   one of n endpoints, of this node when r, the same for t seconds
/// ```
enum ServiceClass: Hashable, Sendable {
    /// - Parameter seconds: how long a client keeps its endpoint; `nil`: not at all.
    case balanced(Reach, count: Int, seconds: Int?)
    case refused
    case dropped
    /// Clients of this node go another way than those from outside.
    case split
    /// Only some sources may ask; then as ``split``.
    case guarded

    /// The most endpoints that a class can tell of.
    static let most = (plain: 0xFFFF, kept: 0x1FFF)
    /// 86,400 is the most the API allows.
    static let longest = 0x1_FFFF

    var mark: UInt32 {
        switch self {
        case .balanced(let reach, let count, nil): UInt32(count) | (reach == .local ? 1 << 16 : 0)
        case .balanced(let reach, let count, let seconds?):
            1 << 31 | (reach == .local ? 1 << 30 : 0) | UInt32(seconds) << 13 | UInt32(count)
        case .refused: 2 << 16
        case .dropped: 2 << 16 | 1
        case .split: 2 << 16 | 2
        case .guarded: 2 << 16 | 3
        }
    }
}

/// Whose endpoints: all that traffic may go to, or those of this node.
enum Reach: Hashable, Sendable, CaseIterable {
    case cluster
    case local
}

/// How a service is asked for: by an address of its own, or by a port of the node's.
enum Door: Hashable, Sendable, CaseIterable {
    case address
    case nodePort

    /// What its sets, maps and chains are called begins so.
    var prefix: String { self == .address ? "" : "node-" }
}
