/// Hears of packets that rules log to a group of nfnetlink_log (`NFLOG`).
///
/// One process has a group of a namespace; a second one is refused with `Errno.busy`. What nobody fetches in time the kernel drops,
/// and says how much that was with the next packet that it does not.
///
/// ```swift
/// let log = try PacketLog(group: 7, bytes: 128)
/// while case .packets(let packets, let lost)? = try log.next(timeout: .seconds(1)) {
///     for packet in packets { print(packet.prefix, packet.payload.count) }
///     if lost > 0 { print("\(lost) were lost") }
/// }
/// ```
public final class PacketLog {
    public enum Event: Sendable {
        /// - Parameter lost: how many the kernel dropped before and between these.
        case packets([LoggedPacket], lost: Int)
        /// Packets were lost (`ENOBUFS`): the next event says how many.
        case overrun
    }

    private let socket: NetlinkSocket
    private let group: UInt16
    private var sequence = LogSequence()

    /// - Parameter bytes: how much of each packet is wanted, from its network header on.
    public init(group: UInt16, bytes: UInt32, in namespace: NetworkNamespace? = nil) throws(KernelError) {
        self.group = group
        socket = try NetlinkSocket(.netfilter, in: namespace)
        try socket.perform(Self.configuration(of: group, "bind to log group \(group)") { $0.attribute(Code.command, Code.bind) })
        try socket.perform(
            Self.configuration(of: group, "ask for the packets of log group \(group)") {
                // `struct nfulnl_msg_config_mode`: how much, how, and a byte for nothing.
                let size = withUnsafeBytes(of: bytes.bigEndian) { Array($0) }
                $0.attribute(Code.mode, bytes: size + [Code.copyPacket, 0])
                // One by one: the kernel would wait for a hundred, or a second.
                $0.attribute(Code.threshold, bigEndian: UInt32(1))
                $0.attribute(Code.flags, bigEndian: Code.numbered)
            })
    }

    /// The next packets; `nil` when none came within the timeout.
    public func next(timeout: Duration) throws(KernelError) -> Event? {
        switch try socket.arrival(within: timeout, from: "log group \(group)") {
        case .messages(let messages)?:
            let packets = messages.compactMap(LoggedPacket.init)
            return packets.isEmpty ? nil : .packets(packets, lost: sequence.lost(before: packets))
        case .overrun?: return .overrun
        case nil: return nil
        }
    }

    private static func configuration(
        of group: UInt16, _ operation: String, _ body: (inout MessageWriter) -> Void
    ) -> NetlinkRequest {
        NetlinkRequest(Code.configure, operation: operation) {
            // `struct nfgenmsg`: no family, version 0, the group.
            $0.append(bytes: [0, 0, UInt8(group >> 8), UInt8(group & 255)])
            body(&$0)
        }
    }

    /// `linux/netfilter/nfnetlink_log.h`
    private enum Code {
        /// `NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG`
        static let configure: UInt16 = 4 << 8 | 1
        /// `NFULA_CFG_CMD`, `NFULA_CFG_MODE`, `NFULA_CFG_QTHRESH`
        static let (command, mode, threshold): (UInt16, UInt16, UInt16) = (1, 2, 5)
        /// `NFULA_CFG_FLAGS`, `NFULNL_CFG_F_SEQ`
        static let (flags, numbered): (UInt16, UInt16) = (6, 1)
        /// `NFULNL_CFG_CMD_BIND`
        static let bind: UInt8 = 1
        /// `NFULNL_COPY_PACKET`
        static let copyPacket: UInt8 = 2
    }
}

/// A packet that a rule logged.
public struct LoggedPacket: Hashable, Sendable {
    /// What the rule says of it.
    public var prefix: String
    /// From the network header on, as much as was asked for.
    public var payload: [UInt8]
    /// Which of its log it is, from 0 and round; `nil` where the kernel does not say.
    var number: UInt32?

    public init(prefix: String, payload: [UInt8]) { (self.prefix, self.payload) = (prefix, payload) }

    /// `nil` for a message that is none.
    public init?(_ message: Message) {
        // `NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET`; `NFULA_PAYLOAD`, `NFULA_PREFIX` and `NFULA_SEQ`.
        guard message.type == 4 << 8 | 0 else { return nil }
        let facts = message.attributes(after: 4)
        guard let payload = facts[9]?.bytes else { return nil }
        self.init(prefix: facts[10]?.text ?? "", payload: Array(payload))
        number = facts[12]?.bigEndian(UInt32.self)
    }
}

/// Counts what is missing among the numbers of a log's packets.
struct LogSequence {
    /// Of the next packet, when none is lost.
    private var next: UInt32 = 0

    mutating func lost(before packets: [LoggedPacket]) -> Int {
        var lost = 0
        for case let number? in packets.map(\.number) {
            lost += Int(number &- next)
            next = number &+ 1
        }
        return lost
    }
}
