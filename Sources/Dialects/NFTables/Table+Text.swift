extension Table {
    /// The table as `nft --stateless list table` prints it: what people already know how to read.
    ///
    /// Sets and chains stand in the order of their names (nft keeps the order of creation), elements in the order of their keys.
    public var text: String {
        let blocks =
            sets.values.sorted { $0.name < $1.name }.map { $0.text }
            + chains.values.sorted { $0.name < $1.name }.map { text(of: $0) }
        return "table \(id) {\n" + (isOwned ? "\tflags owner\n\n" : "") + blocks.joined(separator: "\n") + "}\n"
    }

    private func text(of chain: Chain) -> String {
        var lines = ["\tchain \(chain.name) {"]
        if let base = chain.base {
            let policy = base.dropsByDefault ? "drop" : "accept"
            lines.append(
                "\t\ttype \(base.kind.rawValue) hook \(base.hook) priority \(priorityText(base)); policy \(policy);")
        }
        lines += chain.rules.map { "\t\t" + $0.text(in: self) }
        return lines.joined(separator: "\n") + "\n\t}\n"
    }

    /// nft's names for the usual priorities, and for those within ten of them.
    private func priorityText(_ base: Chain.Base) -> String {
        let priority = Int(base.priority)
        var names: [(String, Int)] = [("raw", -300), ("mangle", -150), ("filter", 0), ("security", 50)]
        if base.hook == .prerouting { names.append(("dstnat", -100)) }
        if base.hook == .postrouting { names.append(("srcnat", 100)) }
        guard let (name, number) = names.min(by: { abs($0.1 - priority) < abs($1.1 - priority) }),
            abs(number - priority) <= 10
        else { return "\(priority)" }
        let offset = priority - number
        return offset == 0 ? name : "\(name) \(offset < 0 ? "-" : "+") \(abs(offset))"
    }
}

extension NamedSet {
    var text: String {
        let types = shape.key.map(\.name).joined(separator: " . ")
        var lines: [String] = []
        switch shape.data {
        case .none:
            lines.append("\tset \(name) {")
            lines.append("\t\ttype \(types)")
        case .verdict:
            lines.append("\tmap \(name) {")
            lines.append("\t\ttype \(types) : verdict")
        case .fields(let data):
            lines.append("\tmap \(name) {")
            lines.append("\t\ttype \(types) : \(data.map(\.name).joined(separator: " . "))")
        }
        if let limit = shape.limit { lines.append("\t\tsize \(limit)") }
        let flags =
            (shape.isDynamic ? ["dynamic"] : []) + (shape.isInterval ? ["interval"] : []) + (shape.hasTimeout ? ["timeout"] : [])
        // A timeout with a default says so by itself.
        if !flags.isEmpty, shape.defaultTimeout == nil || flags != ["timeout"] {
            lines.append("\t\tflags \(flags.joined(separator: ","))")
        }
        if shape.counts { lines.append("\t\tcounter") }
        if let timeout = shape.defaultTimeout { lines.append("\t\ttimeout \(timeText(timeout))") }
        if !elements.isEmpty {
            let entries = elements.sorted { $0.key < $1.key }.map { text(of: $0.key, $0.value) }
            lines.append("\t\telements = { " + entries.joined(separator: ",\n\t\t\t     ") + " }")
        }
        return lines.joined(separator: "\n") + "\n\t}\n"
    }

    private func text(of key: Value, _ content: Content) -> String {
        var text = rangeText(key, content.last) + (shape.counts ? " counter" : "")
        if let timeout = content.timeout { text += " timeout \(timeText(timeout))" }
        switch content.data {
        case .none: break
        case .verdict(let verdict): text += " : \(verdict)"
        case .value(let value):
            if case .fields(let types) = shape.data { text += " : \(concatenationText(value, types))" }
        }
        return text
    }

    private func rangeText(_ key: Value, _ last: Value?) -> String {
        guard let last, let from = key.split(shape.key), let to = last.split(shape.key) else {
            return concatenationText(key, shape.key)
        }
        return zip(shape.key, zip(from, to)).map { type, ends in
            if ends.0 == ends.1 { return fieldText(ends.0, type) }
            if let length = prefixLength(ends.0, ends.1), type == .ipv4Address || type == .ipv6Address {
                return "\(fieldText(ends.0, type))/\(length)"
            }
            return "\(fieldText(ends.0, type))-\(fieldText(ends.1, type))"
        }.joined(separator: " . ")
    }
}

/// The length of the prefix that spans exactly these first and last addresses; `nil` when none does.
private func prefixLength(_ first: [UInt8], _ last: [UInt8]) -> Int? {
    let number = { (bytes: [UInt8]) in bytes.reduce(UInt128(0)) { $0 << 8 | UInt128($1) } }
    let host = number(first) ^ number(last)
    guard host & (host &+ 1) == 0, number(first) & host == 0 else { return nil }
    return first.count * 8 - (128 - host.leadingZeroBitCount)
}
