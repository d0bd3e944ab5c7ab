internal import Addressing

extension MessageWriter {
    /// A record's data, without its length. Names are compressed in the types of RFC 1035 only (RFC 3597 §4).
    mutating func data(_ data: RecordData) {
        switch data {
        case .a(let address): long(address.rawValue)
        case .aaaa(let address):
            for shift in [96, 64, 32, 0] { long(UInt32(truncatingIfNeeded: address.rawValue >> UInt128(shift))) }
        case .ns(let target), .cname(let target), .ptr(let target): name(target)
        case .soa(let soa):
            name(soa.primary)
            name(soa.mailbox)
            for field in [soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum] { long(field) }
        case .mx(let mail):
            short(mail.preference)
            name(mail.exchange)
        case .txt(let strings):
            if strings.isEmpty { byte(0) }
            for bytes in strings { string(bytes) }
        case .srv(let service):
            for field in [service.priority, service.weight, service.port] { short(field) }
            name(service.target, mayPoint: false)
        case .naptr(let rule):
            short(rule.order)
            short(rule.preference)
            for bytes in [rule.flags, rule.services, rule.expression] { string(bytes) }
            name(rule.replacement, mayPoint: false)
        case .caa(let permission):
            byte(permission.flags)
            string(permission.tag)
            run(permission.value)
        case .svcb(let binding), .https(let binding):
            short(binding.priority)
            name(binding.target, mayPoint: false)
            for parameter in binding.parameters {
                short(parameter.key)
                short(UInt16(clamping: parameter.value.count))
                run(parameter.value)
            }
        case .opaque(_, let bytes): run(bytes)
        }
    }

    mutating func record(_ record: Record) {
        name(record.name)
        short(record.type.rawValue)
        short(record.recordClass.rawValue)
        long(record.ttl.seconds)
        let length = count
        short(0)
        data(record.data)
        patch(UInt16(clamping: count - length - 2), at: length)
    }

    mutating func edns(_ edns: EDNS, options: [EDNS.Option]) {
        byte(0)
        short(RecordType.opt.rawValue)
        short(edns.udpSize)
        byte(edns.highResponseCode)
        byte(edns.version)
        short(edns.flags)
        short(UInt16(clamping: options.reduce(0) { $0 + 4 + $1.data.count }))
        for option in options {
            short(option.code.rawValue)
            short(UInt16(clamping: option.data.count))
            run(option.data)
        }
    }
}

extension RecordData {
    /// The data in wire form with names in full; `nil` when it is longer than 65,535 bytes or a string in it than 255.
    public var wire: [UInt8]? {
        switch self {
        case .a(let address): return address.bytes
        case .aaaa(let address): return address.bytes
        case .ns(let name), .cname(let name), .ptr(let name): return name.wire
        case .opaque(_, let bytes): return bytes.count <= UInt16.max ? bytes : nil
        default: break
        }
        return withUnsafeTemporaryAllocation(byteCount: Int(UInt16.max), alignment: 8) { memory in
            var writer = MessageWriter(compresses: false)
            writer.start(memory, limit: memory.count)
            writer.data(self)
            return writer.isFull ? nil : writer.written(Array.init)
        }
    }
}
