extension Rule {
    /// The rule as `nft --stateless list` prints it.
    ///
    /// Runs the instructions over registers that hold words instead of bytes: what is loaded is remembered as text and written
    /// out where it is used. Works for any rule found in the kernel; what has no words is shown in angle brackets.
    public func text(in table: Table) -> String {
        var reader = RuleReader(table: table)
        for expression in expressions { reader.read(expression) }
        reader.flush()
        if let comment { reader.words.append("comment \"\(comment)\"") }
        return reader.words.joined(separator: " ")
    }
}

private struct RuleReader {
    let table: Table
    var words: [String] = []
    private var registers: [Register: Symbol] = [:]
    /// `meta l4proto tcp` says nothing of its own before `tcp dport 80`: held back until it is known to stand alone.
    private var pending: (text: String, transport: String)?

    init(table: Table) { self.table = table }

    struct Symbol {
        var text: String
        var type: FieldType?
        var size: Int
        var mask: UInt32?
        var xor: UInt32 = 0
        var isTransport = false
        var isNumberOfTransport = false
        var isFlagsOfTCP = false
        /// There is something, or not.
        var isPresence = false
    }

    mutating func flush() {
        if let pending { words.append(pending.text) }
        pending = nil
    }

    mutating func read(_ expression: Expression) {
        switch expression {
        case .meta(let key, let register): registers[register] = symbol(key)
        case .payload(let base, let offset, let length, let register):
            registers[register] = symbol(base, offset, length)
        case .conntrack(let key, let direction, let register): registers[register] = symbol(key, direction)
        case .fib(let result, let flags, let register): registers[register] = symbol(result, flags)
        case .numgen(let mode, let modulus, let offset, let register):
            let tail = offset == 0 ? "" : " offset \(offset)"
            registers[register] = Symbol(
                text: "numgen \(mode == .random ? "random" : "inc") mod \(modulus)\(tail)", type: .integer, size: 4)
        case .load(let value, let register):
            registers[register] = Symbol(text: value.description, type: nil, size: value.count)
        case .bitwise(let from, let into, let mask, let xor): readBitwise(from, into, mask, xor)
        case .compare(let register, let comparison, let value): readComparison(register, comparison, value)
        case .lookup(let set, let key, let target, let isInverted): readLookup(set, key, target, isInverted)
        default: readStatement(expression)
        }
    }

    private mutating func readStatement(_ expression: Expression) {
        // Only TCP can be reset: nft leaves the protocol out.
        if expression == .reject(.tcpReset), pending?.transport == "tcp" { pending = nil }
        flush()
        switch expression {
        case .setMeta(let key, let register):
            words.append("\(symbol(key).text) set \(markText(registers[register]))")
        case .verdict(let verdict): words.append(verdict.description)
        case .limit(let rate, let unit, let burst):
            words.append("limit rate \(rate)/\(unit == .seconds(1) ? "second" : timeText(unit)) burst \(burst) packets")
        case .log(let group, let prefix): words.append("log prefix \"\(prefix)\" group \(group)")
        case .update(let set, let key, let data, let timeout):
            let keyText = self.key(of: set, at: key)
            let tail = timeout.map { " timeout \(timeText($0))" } ?? ""
            let dataText = data.map { " : \(datum(of: set, at: $0))" } ?? ""
            words.append("update @\(set) { \(keyText)\(tail)\(dataText) }")
        case .forget(let set, let key, let data):
            let dataText = data.map { " : \(datum(of: set, at: $0))" } ?? ""
            words.append("delete @\(set) { \(self.key(of: set, at: key))\(dataText) }")
        case .nat(let kind, let family, let address, let port):
            let target = [address, port].compactMap { $0.flatMap { registers[$0]?.text } }
            let unique = target.count == 2 && target[0] == target[1] ? [target[0]] : target
            // nft names the family where it is not plain from the address: in inet tables, and before a map.
            let familyText = table.id.family == .inet || unique.first?.contains(" map @") == true ? " \(family.name)" : ""
            words.append("\(kind == .destination ? "dnat" : "snat")\(familyText) to \(unique.joined(separator: ":"))")
        case .masquerade(let flags):
            let names = (flags.contains(.random) ? ["random"] : []) + (flags.contains(.fullyRandom) ? ["fully-random"] : [])
            words.append((["masquerade"] + (names.isEmpty ? [] : [names.joined(separator: ",")])).joined(separator: " "))
        case .reject(let rejection): words.append(text(of: rejection))
        case .counter: words.append("counter")
        case .untrack: words.append("notrack")
        case .unknown(let name, let bytes): words.append("<\(name) \(Value(bytes.prefix(64)))>")
        default: break
        }
    }

    private mutating func readBitwise(_ from: Register, _ into: Register, _ mask: Value, _ xor: Value) {
        guard var symbol = registers[from], mask.count == 4 || symbol.isFlagsOfTCP else { return }
        if symbol.isFlagsOfTCP {
            symbol.mask = mask.bytes.first.map(UInt32.init)
            registers[into] = symbol
            return
        }
        symbol.mask = hostNumber(mask.bytes)
        symbol.xor = hostNumber(xor.bytes)
        registers[into] = symbol
    }

    private mutating func readComparison(_ register: Register, _ comparison: Comparison, _ value: Value) {
        guard let symbol = registers[register] else { return words.append("<cmp \(value)>") }
        if symbol.isNumberOfTransport, comparison == .equal, let number = value.bytes.first {
            flush()
            let name = fieldText([number], .transportProtocol)
            pending = ("\(symbol.text) \(name)", name)
            return
        }
        if symbol.isFlagsOfTCP, let mask = symbol.mask, let flags = value.bytes.first, pending?.transport == "tcp" {
            pending = nil
            let (wanted, known) = (flagText(UInt32(flags), TCPFlags.names), flagText(mask, TCPFlags.names))
            return words.append("tcp flags \(comparison.sign)\(wanted) / \(known)")
        }
        let subject = use(symbol)
        let type = symbol.type ?? .integer
        if symbol.isPresence {
            return words.append("\(subject) \(comparison.sign)\(value.bytes.first == 0 ? "missing" : "exists")")
        }
        if type == .interfaceName, symbol.mask == nil, value.count < type.size {
            return words.append("\(subject) \(comparison.sign)\"\(String(decoding: value.bytes, as: UTF8.self))*\"")
        }
        guard let mask = symbol.mask else {
            let text = value.count == type.size ? fieldText(value.bytes, type) : value.description
            return words.append("\(subject) \(comparison.sign)\(text)")
        }
        let flags = type == .conntrackState || type == .conntrackStatus
        if flags, comparison == .notEqual, value.bytes.allSatisfy({ $0 == 0 }) {
            let names = type == .conntrackState ? conntrackStates : conntrackStatuses
            words.append("\(subject) \(flagText(mask, names))")
        } else {
            words.append(
                "\(subject) & 0x\(padded(mask)) \(comparison == .equal ? "==" : comparison.sign.dropLast().description) 0x\(padded(hostNumber(value.bytes)))"
            )
        }
    }

    private mutating func readLookup(_ name: String, _ key: Register, _ target: LookupTarget, _ isInverted: Bool) {
        let subject = self.key(of: name, at: key)
        switch target {
        case .nowhere:
            flush()
            words.append("\(subject) \(isInverted ? "!= " : "")@\(name)")
        case .verdict:
            flush()
            words.append("\(subject) vmap @\(name)")
        case .register(let register):
            var type: FieldType?
            var size = 4
            if let shape = table.sets[name]?.shape, case .fields(let types) = shape.data {
                type = types.count == 1 ? types[0] : nil
                size = shape.dataSize
            }
            let text = "\(subject) map @\(name)"
            registers[register] = Symbol(text: text, type: type, size: size)
            // The parts of the datum are read from the registers behind: they are the same words.
            var next = 4
            while next < size {
                registers[register.after(bytes: next)] = Symbol(text: text, type: nil, size: size - next)
                next += 4
            }
        }
    }

    /// The words for a concatenated key that starts at this register.
    private mutating func key(of set: String, at register: Register) -> String {
        guard let types = table.sets[set]?.shape.key else { return registers[register].map { use($0) } ?? "<register>" }
        var register = register
        var parts: [String] = []
        for type in types {
            parts.append(registers[register].map { use($0) } ?? "<register>")
            register = register.after(bytes: type.size)
        }
        return parts.joined(separator: " . ")
    }

    private mutating func datum(of set: String, at register: Register) -> String {
        registers[register].map { use($0) } ?? "<register>"
    }

    /// The words for something loaded; `th dport` becomes `tcp dport` behind `meta l4proto tcp`.
    private mutating func use(_ symbol: Symbol) -> String {
        guard symbol.isTransport, let known = pending else {
            flush()
            return symbol.text
        }
        pending = nil
        return symbol.text.replacingPrefix("th ", with: known.transport + " ")
    }

    private func markText(_ symbol: Symbol?) -> String {
        guard let symbol else { return "<register>" }
        guard let mask = symbol.mask else { return symbol.text }
        // nft reads `(mark & ~m) ^ v` with v inside m as setting the bits v.
        if symbol.xor != 0, symbol.xor & mask == 0 {
            return "\(symbol.text) & 0x\(padded(mask | symbol.xor)) | 0x\(padded(symbol.xor))"
        }
        return "\(symbol.text) & 0x\(padded(mask))" + (symbol.xor == 0 ? "" : " ^ 0x\(padded(symbol.xor))")
    }
}

// MARK: - Words

extension RuleReader {
    private func symbol(_ key: MetaKey) -> Symbol {
        switch key {
        case .length: Symbol(text: "meta length", type: .integer, size: 4)
        case .mark: Symbol(text: "meta mark", type: .mark, size: 4)
        case .inputInterface: Symbol(text: "iif", type: .interfaceIndex, size: 4)
        case .outputInterface: Symbol(text: "oif", type: .interfaceIndex, size: 4)
        case .inputInterfaceName: Symbol(text: "iifname", type: .interfaceName, size: 16)
        case .outputInterfaceName: Symbol(text: "oifname", type: .interfaceName, size: 16)
        case .networkFamily: Symbol(text: "meta nfproto", type: nil, size: 1)
        case .transportProtocol:
            Symbol(text: "meta l4proto", type: .transportProtocol, size: 1, isNumberOfTransport: true)
        }
    }

    private func symbol(_ base: PayloadBase, _ offset: UInt32, _ length: UInt32) -> Symbol {
        let family = table.id.family
        switch (base, offset, length, family) {
        case (.network, 12, 4, .ip): return Symbol(text: "ip saddr", type: .ipv4Address, size: 4)
        case (.network, 16, 4, .ip): return Symbol(text: "ip daddr", type: .ipv4Address, size: 4)
        case (.network, 8, 16, .ip6): return Symbol(text: "ip6 saddr", type: .ipv6Address, size: 16)
        case (.network, 24, 16, .ip6): return Symbol(text: "ip6 daddr", type: .ipv6Address, size: 16)
        case (.transport, 0, 2, _): return Symbol(text: "th sport", type: .port, size: 2, isTransport: true)
        case (.transport, 13, 1, _): return Symbol(text: "@th,104,8", type: nil, size: 1, isFlagsOfTCP: true)
        case (.transport, 2, 2, _): return Symbol(text: "th dport", type: .port, size: 2, isTransport: true)
        default:
            let name = ["ll", "nh", "th"][Int(base.rawValue)]
            return Symbol(text: "@\(name),\(offset * 8),\(length * 8)", type: nil, size: Int(length))
        }
    }

    private func symbol(_ key: ConntrackKey, _ direction: ConntrackDirection?) -> Symbol {
        let way = direction.map { $0 == .original ? "original " : "reply " } ?? ""
        return switch key {
        case .state: Symbol(text: "ct \(way)state", type: .conntrackState, size: 4)
        case .direction: Symbol(text: "ct \(way)direction", type: nil, size: 1)
        case .status: Symbol(text: "ct \(way)status", type: .conntrackStatus, size: 4)
        case .mark: Symbol(text: "ct \(way)mark", type: .mark, size: 4)
        case .originalTransport: Symbol(text: "ct \(way)protocol", type: .transportProtocol, size: 1)
        case .sourcePort: Symbol(text: "ct \(way)proto-src", type: .port, size: 2)
        case .destinationPort: Symbol(text: "ct \(way)proto-dst", type: .port, size: 2)
        case .sourceIPv4: Symbol(text: "ct \(way)ip saddr", type: .ipv4Address, size: 4)
        case .destinationIPv4: Symbol(text: "ct \(way)ip daddr", type: .ipv4Address, size: 4)
        case .sourceIPv6: Symbol(text: "ct \(way)ip6 saddr", type: .ipv6Address, size: 16)
        case .destinationIPv6: Symbol(text: "ct \(way)ip6 daddr", type: .ipv6Address, size: 16)
        }
    }

    private func symbol(_ result: FIBResult, _ flags: FIBFlags) -> Symbol {
        let names: [(FIBFlags, String)] = [
            (.source, "saddr"), (.destination, "daddr"), (.mark, "mark"), (.inputInterface, "iif"), (.outputInterface, "oif"),
        ]
        let inputs = names.filter { flags.contains($0.0) }.map(\.1).joined(separator: " . ")
        if flags.contains(.presence), result != .addressType {
            return Symbol(text: "fib \(inputs) \(result == .outputInterface ? "oif" : "oifname")", size: 4, isPresence: true)
        }
        return switch result {
        case .outputInterface: Symbol(text: "fib \(inputs) oif", type: .interfaceIndex, size: 4)
        case .outputInterfaceName: Symbol(text: "fib \(inputs) oifname", type: .interfaceName, size: 16)
        case .addressType: Symbol(text: "fib \(inputs) type", type: .addressType, size: 4)
        }
    }

    private func text(of rejection: Rejection) -> String {
        switch rejection {
        case .tcpReset: return "reject with tcp reset"
        case .unreachable(let code):
            let v4 = [
                0: "net-unreachable", 1: "host-unreachable", 2: "prot-unreachable", 9: "net-prohibited", 10: "host-prohibited",
                13: "admin-prohibited",
            ]
            let v6 = [0: "no-route", 1: "admin-prohibited", 3: "addr-unreachable"]
            if table.id.family == .ip6 {
                return code == 4 ? "reject" : "reject with icmpv6 \(v6[Int(code)] ?? "\(code)")"
            }
            return code == 3 ? "reject" : "reject with icmp \(v4[Int(code)] ?? "\(code)")"
        case .unreachableInet(let code):
            let names = ["no-route", "port-unreachable", "host-unreachable", "admin-prohibited"]
            return code == 1 ? "reject" : "reject with icmpx \(names.indices.contains(Int(code)) ? names[Int(code)] : "\(code)")"
        }
    }
}

extension String {
    fileprivate func replacingPrefix(_ prefix: String, with other: String) -> String {
        hasPrefix(prefix) ? other + dropFirst(prefix.count) : self
    }
}
