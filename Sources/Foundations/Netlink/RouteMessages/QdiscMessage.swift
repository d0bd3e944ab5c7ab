/// What decides when a link's packets leave: `RTM_NEWQDISC`, struct `tcmsg`.
public struct QdiscMessage: RouteObject {
    /// `RTM_NEWQDISC`
    public static var newType: UInt16 { 36 }

    /// `tcm_ifindex`
    public var link: Int32
    /// `tcm_handle`; zero for one that the kernel put there by itself.
    public var handle: UInt32
    /// `tcm_parent`; `TC_H_ROOT` for the one that the link's packets meet first.
    public var parent: UInt32
    /// `TCA_KIND`
    public var kind: String?
    /// `TCA_OPTIONS` of the kind `tbf`.
    public var bucket: TokenBucketOptions?

    /// `TC_H_ROOT`
    public static let root: UInt32 = .max

    public init(link: Int32, handle: UInt32 = 0, parent: UInt32 = QdiscMessage.root) {
        self.link = link
        self.handle = handle
        self.parent = parent
    }
}

/// A token bucket: tokens come at a rate, the bucket holds a burst of them, and packets wait for theirs.
public struct TokenBucketOptions: Hashable, Sendable {
    /// Bytes a second.
    public var rate: UInt64
    /// Bytes.
    public var burst: UInt32
    /// Bytes that wait at most.
    public var limit: UInt32

    public init(rate: UInt64, burst: UInt32, limit: UInt32) {
        self.rate = rate
        self.burst = burst
        self.limit = limit
    }
}

extension QdiscMessage {
    static let structSize = 20

    public init?(_ message: Message) {
        guard message.type == Self.newType, message.payload.count >= Self.structSize else { return nil }
        link = message.read(Int32.self, at: 4)
        handle = message.read(UInt32.self, at: 8)
        parent = message.read(UInt32.self, at: 12)
        let attributes = message.attributes(after: Self.structSize)
        kind = attributes[Name.kind]?.text
        if kind == "tbf" { bucket = attributes[Name.options].flatMap { TokenBucketOptions($0.nested) } }
    }

    public func write(into writer: inout MessageWriter) {
        writer.append(UInt32(0))  // family and padding
        writer.append(link)
        writer.append(handle)
        writer.append(parent)
        writer.append(UInt32(0))  // info
        writer.attribute(Name.kind, kind)
        if let bucket { writer.nested(Name.options, bucket.write) }
    }

    /// A filter: those of every link. The kernel compares nothing here.
    public static let all = QdiscMessage(link: 0, parent: 0)

    private enum Name: UInt16, AttributeName {
        /// `TCA_KIND`
        case kind = 1
        /// `TCA_OPTIONS`
        case options = 2
    }
}

extension TokenBucketOptions {
    /// `TC_LINKLAYER_ETHERNET`: without it the kernel wants a table of how long each size takes.
    private static let ethernet: UInt8 = 1
    /// The kernel counts times in units of 64 nanoseconds (`PSCHED_SHIFT`).
    private static let tick: UInt64 = 64

    /// How long the bucket takes to fill, as the kernel is told and tells.
    private var ticks: UInt32 {
        UInt32(clamping: (UInt64(burst) * 1_000_000_000 / max(rate, 1)) / Self.tick)
    }

    func write(into writer: inout MessageWriter) {
        writer.attribute(Name.parameters.rawValue) {
            // `tc_tbf_qopt`: the rate, no peak rate, and three numbers.
            $0.append(UInt8(0))
            $0.append(Self.ethernet)
            $0.append(UInt16(0))
            $0.append(UInt32(0))
            $0.append(UInt32(clamping: rate))
            for _ in 0..<3 { $0.append(UInt32(0)) }
            $0.append(limit)
            $0.append(ticks)
            $0.append(UInt32(0))
        }
        if rate > UInt32.max { writer.attribute(Name.rate.rawValue, rate) }
        // In bytes: from the time alone the kernel would work it out again, and lose some.
        writer.attribute(Name.burst.rawValue, burst)
    }

    /// The kernel tells how long the bucket takes to fill, and not how much it holds.
    init?(_ attributes: Attributes) {
        guard let parameters = attributes[Name.parameters]?.bytes, parameters.count >= 36 else { return nil }
        func number(_ offset: Int) -> UInt32 {
            parameters.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: UInt32.self) }
        }
        rate = attributes[Name.rate]?.number() ?? UInt64(number(8))
        limit = number(24)
        let nanoseconds = UInt64(number(28)) * Self.tick
        burst = UInt32(clamping: (UInt128(nanoseconds) * UInt128(rate) + 500_000_000) / 1_000_000_000)
    }

    private enum Name: UInt16, AttributeName {
        /// `TCA_TBF_PARMS`
        case parameters = 1
        /// `TCA_TBF_RATE64`
        case rate = 4
        /// `TCA_TBF_BURST`
        case burst = 6
    }
}
