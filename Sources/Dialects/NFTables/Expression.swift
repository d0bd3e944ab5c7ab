/// One instruction of the kernel's nf_tables machine: a rule is a list of them, run in order until one says no.
///
/// This is the kernel's own vocabulary (`net/netfilter/nft_*.c`), not nft's: what is written is what is read back, so that a rule
/// in the kernel and a rule in a plan compare as values. ``Statement`` is the form to write rules in.
public enum Expression: Hashable, Sendable {
    /// `meta`: a fact about the packet that is not in the packet.
    case meta(MetaKey, into: Register)
    /// `meta` with a source register.
    case setMeta(MetaKey, from: Register)
    /// `payload`: bytes of the packet.
    case payload(PayloadBase, offset: UInt32, length: UInt32, into: Register)
    /// `ct`: a fact about the packet's connection.
    case conntrack(ConntrackKey, ConntrackDirection?, into: Register)
    /// `fib`: a fact the route table knows.
    case fib(FIBResult, FIBFlags, into: Register)
    /// `numgen`: a number below the modulus.
    case numgen(NumgenMode, modulus: UInt32, offset: UInt32, into: Register)
    /// `immediate` with data.
    case load(Value, into: Register)
    /// `immediate` with a verdict.
    case verdict(Verdict)
    /// `cmp`: goes on when it holds.
    case compare(Register, Comparison, Value)
    /// `bitwise`: `(source & mask) ^ xor`.
    case bitwise(from: Register, into: Register, mask: Value, xor: Value)
    /// `lookup`: goes on when the key is in the set (or is not, inverted); a map's datum goes into a register or is the verdict.
    case lookup(set: String, key: Register, into: LookupTarget, isInverted: Bool)
    /// `dynset`: adds or refreshes an element from the packet path.
    case update(set: String, key: Register, data: Register?, timeout: Duration?)
    /// `dynset` that deletes: takes an element out from the packet path, and goes on whether or not it was there. Of a map the
    /// kernel wants a register for the datum all the same, and does not look at it.
    case forget(set: String, key: Register, data: Register?)
    /// `nat`
    case nat(NATKind, TableFamily, address: Register?, port: Register?)
    /// `masq`
    case masquerade(MasqueradeFlags)
    /// `reject`
    case reject(Rejection)
    /// `counter`; its values are the kernel's and no part of the comparison.
    case counter
    /// `limit` of packets: goes on as long as not more than `rate` come in a unit of time, and `burst` at once.
    case limit(rate: UInt64, unit: Duration, burst: UInt32)
    /// `log` to a group of nfnetlink_log. The kernel takes up to 127 bytes of a prefix.
    case log(group: UInt16, prefix: String)
    /// `notrack`
    case untrack
    /// An expression this version does not know, kept so that a foreign rule never compares equal to one of ours.
    case unknown(String, [UInt8])
}

/// One of the sixteen 32-bit registers (`NFT_REG32_00` … `NFT_REG32_15`), by its number 0…15.
public struct Register: RawRepresentable, Hashable, Sendable {
    public var rawValue: UInt8

    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let first = Register(rawValue: 0)
    /// Out of the way of any key.
    public static let last = Register(rawValue: 15)

    /// The register `bytes` further, counted in words of four bytes.
    public func after(bytes: Int) -> Register { Register(rawValue: rawValue + UInt8((bytes + 3) / 4)) }
}

/// `enum nft_meta_keys`
public enum MetaKey: UInt32, Hashable, Sendable, CaseIterable {
    case length = 0
    case mark = 3
    case inputInterface = 4
    case outputInterface = 5
    case inputInterfaceName = 6
    case outputInterfaceName = 7
    case networkFamily = 15
    case transportProtocol = 16
}

/// `enum nft_payload_bases`
public enum PayloadBase: UInt32, Hashable, Sendable, CaseIterable {
    case link = 0
    case network = 1
    case transport = 2
}

/// `enum nft_ct_keys`
public enum ConntrackKey: UInt32, Hashable, Sendable, CaseIterable {
    case state = 0
    case direction = 1
    case status = 2
    case mark = 3
    case originalTransport = 10
    case destinationPort = 12
    case sourcePort = 11
    case sourceIPv4 = 19
    case destinationIPv4 = 20
    case sourceIPv6 = 21
    case destinationIPv6 = 22
}

/// `enum ip_conntrack_dir`
public enum ConntrackDirection: UInt8, Hashable, Sendable {
    case original = 0
    case reply = 1
}

/// `enum nft_fib_result`
public enum FIBResult: UInt32, Hashable, Sendable, CaseIterable {
    case outputInterface = 1
    case outputInterfaceName = 2
    case addressType = 3
}

/// `enum nft_fib_flags`
public struct FIBFlags: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let source = FIBFlags(rawValue: 1)
    public static let destination = FIBFlags(rawValue: 2)
    public static let mark = FIBFlags(rawValue: 4)
    public static let inputInterface = FIBFlags(rawValue: 8)
    public static let outputInterface = FIBFlags(rawValue: 16)
    /// `NFTA_FIB_F_PRESENT`: whether there is a result, and not the result.
    public static let presence = FIBFlags(rawValue: 32)
}

/// `enum nft_ng_types`
public enum NumgenMode: UInt32, Hashable, Sendable, CaseIterable {
    case incremental = 0
    case random = 1
}

/// `enum nft_cmp_ops`
public enum Comparison: UInt32, Hashable, Sendable, CaseIterable {
    case equal = 0
    case notEqual = 1
    case less = 2
    case lessOrEqual = 3
    case greater = 4
    case greaterOrEqual = 5

    var sign: String {
        switch self {
        case .equal: ""
        case .notEqual: "!= "
        case .less: "< "
        case .lessOrEqual: "<= "
        case .greater: "> "
        case .greaterOrEqual: ">= "
        }
    }
}

/// Where a lookup's datum goes.
public enum LookupTarget: Hashable, Sendable {
    /// A set: there is no datum.
    case nowhere
    /// A verdict map: the datum decides.
    case verdict
    case register(Register)
}

/// `enum nft_nat_types`
public enum NATKind: UInt32, Hashable, Sendable, CaseIterable {
    case source = 0
    case destination = 1
}

/// `NF_NAT_RANGE_…`
public struct MasqueradeFlags: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// `NF_NAT_RANGE_PROTO_RANDOM`
    public static let random = MasqueradeFlags(rawValue: 4)
    /// `NF_NAT_RANGE_PROTO_RANDOM_FULLY`
    public static let fullyRandom = MasqueradeFlags(rawValue: 16)
}

/// What the client is told.
public enum Rejection: Hashable, Sendable {
    /// `NFT_REJECT_TCP_RST`
    case tcpReset
    /// `NFT_REJECT_ICMP_UNREACH` with the family's own code number.
    case unreachable(code: UInt8)
    /// `NFT_REJECT_ICMPX_UNREACH`: a code that fits both families (`enum nft_reject_inet_code`).
    case unreachableInet(code: UInt8)
}
