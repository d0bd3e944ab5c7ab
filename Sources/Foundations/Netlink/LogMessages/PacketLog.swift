/// Hears of packets that rules log to a group of nfnetlink_log (`NFLOG`).
///
/// One process has a group of a namespace; a second one is refused with `Errno.busy`. What nobody fetches in time the kernel drops.
///
/// ```swift
/// let log = try PacketLog(group: 7, bytes: 128)
/// while case .packets(let packets)? = try log.next(timeout: .seconds(1)) {
///     for packet in packets { print(packet.prefix, packet.payload.count) }
/// }
/// ```
public final class PacketLog {
    public enum Event: Sendable {
        case packets([LoggedPacket])
        /// Packets were lost (`ENOBUFS`), nobody knows how many.
        case overrun
    }

    private let socket: NetlinkSocket
    private let group: UInt16

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
            })
    }

    /// The next packets; `nil` when none came within the timeout.
    public func next(timeout: Duration) throws(KernelError) -> Event? {
        switch try socket.arrival(within: timeout, from: "log group \(group)") {
        case .messages(let messages)?:
            let packets = messages.compactMap(LoggedPacket.init)
            return packets.isEmpty ? nil : .packets(packets)
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

    public init(prefix: String, payload: [UInt8]) { (self.prefix, self.payload) = (prefix, payload) }

    /// `nil` for a message that is none.
    public init?(_ message: Message) {
        // `NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET`; `NFULA_PREFIX` and `NFULA_PAYLOAD`.
        guard message.type == 4 << 8 | 0 else { return nil }
        let facts = message.attributes(after: 4)
        guard let payload = facts[9]?.bytes else { return nil }
        self.init(prefix: facts[10]?.text ?? "", payload: Array(payload))
    }
}
