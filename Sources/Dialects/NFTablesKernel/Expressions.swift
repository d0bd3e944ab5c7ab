import CLinux
import NFTables
import Netlink

extension MessageWriter {
    /// One instruction, as `NFTA_LIST_ELEM` with its name and its own attributes.
    mutating func write(_ expression: Expression) {
        switch expression {
        case .meta(let key, let register):
            instruction("meta") {
                $0.attribute(id(NFTA_META_KEY), bigEndian: key.rawValue)
                $0.attribute(id(NFTA_META_DREG), bigEndian: register.kernelNumber)
            }
        case .setMeta(let key, let register):
            instruction("meta") {
                $0.attribute(id(NFTA_META_KEY), bigEndian: key.rawValue)
                $0.attribute(id(NFTA_META_SREG), bigEndian: register.kernelNumber)
            }
        case .payload(let base, let offset, let length, let register):
            instruction("payload") {
                $0.attribute(id(NFTA_PAYLOAD_DREG), bigEndian: register.kernelNumber)
                $0.attribute(id(NFTA_PAYLOAD_BASE), bigEndian: base.rawValue)
                $0.attribute(id(NFTA_PAYLOAD_OFFSET), bigEndian: offset)
                $0.attribute(id(NFTA_PAYLOAD_LEN), bigEndian: length)
            }
        case .conntrack(let key, let direction, let register):
            instruction("ct") {
                $0.attribute(id(NFTA_CT_KEY), bigEndian: key.rawValue)
                $0.attribute(id(NFTA_CT_DREG), bigEndian: register.kernelNumber)
                if let direction { $0.attribute(id(NFTA_CT_DIRECTION), direction.rawValue) }
            }
        case .fib(let result, let flags, let register):
            instruction("fib") {
                $0.attribute(id(NFTA_FIB_DREG), bigEndian: register.kernelNumber)
                $0.attribute(id(NFTA_FIB_RESULT), bigEndian: result.rawValue)
                $0.attribute(id(NFTA_FIB_FLAGS), bigEndian: flags.rawValue)
            }
        case .numgen(let mode, let modulus, let offset, let register):
            instruction("numgen") {
                $0.attribute(id(NFTA_NG_DREG), bigEndian: register.kernelNumber)
                $0.attribute(id(NFTA_NG_MODULUS), bigEndian: modulus)
                $0.attribute(id(NFTA_NG_TYPE), bigEndian: mode.rawValue)
                $0.attribute(id(NFTA_NG_OFFSET), bigEndian: offset)
            }
        default: writeAction(expression)
        }
    }

    private mutating func writeAction(_ expression: Expression) {
        switch expression {
        case .load(let value, let register):
            instruction("immediate") {
                $0.attribute(id(NFTA_IMMEDIATE_DREG), bigEndian: register.kernelNumber)
                $0.data(id(NFTA_IMMEDIATE_DATA), value)
            }
        case .verdict(let verdict):
            instruction("immediate") {
                $0.attribute(id(NFTA_IMMEDIATE_DREG), bigEndian: NFT_REG_VERDICT.rawValue)
                $0.nested(id(NFTA_IMMEDIATE_DATA)) { $0.write(verdict) }
            }
        case .compare(let register, let comparison, let value):
            instruction("cmp") {
                $0.attribute(id(NFTA_CMP_SREG), bigEndian: register.kernelNumber)
                $0.attribute(id(NFTA_CMP_OP), bigEndian: comparison.rawValue)
                $0.data(id(NFTA_CMP_DATA), value)
            }
        case .bitwise(let from, let into, let mask, let xor):
            instruction("bitwise") {
                $0.attribute(id(NFTA_BITWISE_SREG), bigEndian: from.kernelNumber)
                $0.attribute(id(NFTA_BITWISE_DREG), bigEndian: into.kernelNumber)
                $0.attribute(id(NFTA_BITWISE_LEN), bigEndian: UInt32(mask.count))
                $0.data(id(NFTA_BITWISE_MASK), mask)
                $0.data(id(NFTA_BITWISE_XOR), xor)
            }
        case .lookup(let set, let key, let target, let isInverted):
            instruction("lookup") {
                $0.attribute(id(NFTA_LOOKUP_SET), set)
                $0.attribute(id(NFTA_LOOKUP_SREG), bigEndian: key.kernelNumber)
                switch target {
                case .nowhere: break
                case .verdict: $0.attribute(id(NFTA_LOOKUP_DREG), bigEndian: NFT_REG_VERDICT.rawValue)
                case .register(let register): $0.attribute(id(NFTA_LOOKUP_DREG), bigEndian: register.kernelNumber)
                }
                if isInverted { $0.attribute(id(NFTA_LOOKUP_FLAGS), bigEndian: NFT_LOOKUP_F_INV.rawValue) }
            }
        case .update(let set, let key, let data, let timeout):
            instruction("dynset") {
                $0.attribute(id(NFTA_DYNSET_SET_NAME), set)
                $0.attribute(id(NFTA_DYNSET_OP), bigEndian: NFT_DYNSET_OP_UPDATE.rawValue)
                $0.attribute(id(NFTA_DYNSET_SREG_KEY), bigEndian: key.kernelNumber)
                if let data { $0.attribute(id(NFTA_DYNSET_SREG_DATA), bigEndian: data.kernelNumber) }
                if let timeout { $0.attribute(id(NFTA_DYNSET_TIMEOUT), bigEndian: milliseconds(timeout)) }
            }
        case .forget(let set, let key, let data):
            instruction("dynset") {
                $0.attribute(id(NFTA_DYNSET_SET_NAME), set)
                $0.attribute(id(NFTA_DYNSET_OP), bigEndian: NFT_DYNSET_OP_DELETE.rawValue)
                $0.attribute(id(NFTA_DYNSET_SREG_KEY), bigEndian: key.kernelNumber)
                if let data { $0.attribute(id(NFTA_DYNSET_SREG_DATA), bigEndian: data.kernelNumber) }
            }
        case .nat(let kind, let family, let address, let port):
            instruction("nat") {
                $0.attribute(id(NFTA_NAT_TYPE), bigEndian: kind.rawValue)
                $0.attribute(id(NFTA_NAT_FAMILY), bigEndian: UInt32(family.rawValue))
                if let address { $0.attribute(id(NFTA_NAT_REG_ADDR_MIN), bigEndian: address.kernelNumber) }
                if let port { $0.attribute(id(NFTA_NAT_REG_PROTO_MIN), bigEndian: port.kernelNumber) }
            }
        case .masquerade(let flags):
            instruction("masq") { if !flags.isEmpty { $0.attribute(id(NFTA_MASQ_FLAGS), bigEndian: flags.rawValue) } }
        case .reject(let rejection):
            let (type, code) = rejection.kernelNumbers
            instruction("reject") {
                $0.attribute(id(NFTA_REJECT_TYPE), bigEndian: type)
                $0.attribute(id(NFTA_REJECT_ICMP_CODE), code)
            }
        case .counter: instruction("counter") { _ in }
        case .limit(let rate, let unit, let burst):
            instruction("limit") {
                $0.attribute(id(NFTA_LIMIT_RATE), bigEndian: rate)
                $0.attribute(id(NFTA_LIMIT_UNIT), bigEndian: UInt64(unit.components.seconds))
                $0.attribute(id(NFTA_LIMIT_BURST), bigEndian: burst)
                $0.attribute(id(NFTA_LIMIT_TYPE), bigEndian: NFT_LIMIT_PKTS.rawValue)
            }
        case .log(let group, let prefix):
            instruction("log") {
                $0.attribute(id(NFTA_LOG_GROUP), bigEndian: group)
                $0.attribute(id(NFTA_LOG_PREFIX), prefix)
            }
        case .untrack: instruction("notrack") { _ in }
        case .unknown(let name, let bytes): instruction(name) { $0.append(bytes: bytes) }
        default: break
        }
    }

    private mutating func instruction(_ name: String, _ body: (inout MessageWriter) -> Void) {
        nested(id(NFTA_LIST_ELEM)) {
            $0.attribute(id(NFTA_EXPR_NAME), name)
            $0.nested(id(NFTA_EXPR_DATA), body)
        }
    }
}

extension Register {
    /// `NFT_REG32_00` and on.
    var kernelNumber: UInt32 { NFT_REG32_00.rawValue + UInt32(rawValue) }

    /// The kernel lists a register that begins a 128-bit one under that one's number (`nft_dump_register`).
    init?(kernelNumber number: UInt32) {
        switch number {
        case NFT_REG_1.rawValue...NFT_REG_4.rawValue: self.init(rawValue: UInt8((number - 1) * 4))
        case NFT_REG32_00.rawValue..<NFT_REG32_00.rawValue + 16: self.init(rawValue: UInt8(number - NFT_REG32_00.rawValue))
        default: return nil
        }
    }
}

extension Rejection {
    var kernelNumbers: (type: UInt32, code: UInt8) {
        switch self {
        case .unreachable(let code): (NFT_REJECT_ICMP_UNREACH.rawValue, code)
        case .tcpReset: (NFT_REJECT_TCP_RST.rawValue, 0)
        case .unreachableInet(let code): (NFT_REJECT_ICMPX_UNREACH.rawValue, code)
        }
    }
}
