import CLinux
import NFTables
import Netlink

extension MessageWriter {
    /// One element, as `NFTA_LIST_ELEM`; of an interval set of one field two, the second marking where the interval ends.
    mutating func write(_ element: Change.Element, of shape: NamedSet.Shape) {
        let isTree = shape.isInterval && shape.key.count == 1
        nested(id(NFTA_LIST_ELEM)) {
            $0.data(id(NFTA_SET_ELEM_KEY), element.key)
            if shape.isInterval, !isTree {
                $0.data(id(NFTA_SET_ELEM_KEY_END), element.content.last ?? element.key)
            }
            switch element.content.data {
            case .none: break
            case .value(let value): $0.data(id(NFTA_SET_ELEM_DATA), value)
            case .verdict(let verdict):
                $0.nested(id(NFTA_SET_ELEM_DATA)) { $0.write(verdict) }
            }
            if let timeout = element.content.timeout {
                $0.attribute(id(NFTA_SET_ELEM_TIMEOUT), bigEndian: milliseconds(timeout))
            }
        }
        guard isTree, let end = (element.content.last ?? element.key).successor else { return }
        nested(id(NFTA_LIST_ELEM)) {
            $0.data(id(NFTA_SET_ELEM_KEY), end)
            $0.attribute(id(NFTA_SET_ELEM_FLAGS), bigEndian: UInt32(NFT_SET_ELEM_INTERVAL_END.rawValue))
        }
    }

    /// `NFTA_DATA_VALUE` inside an attribute.
    mutating func data(_ type: UInt16, _ value: Value) {
        nested(type) { writer in
            writer.attribute(id(NFTA_DATA_VALUE)) { writer in value.withBytes { writer.append(bytes: $0) } }
        }
    }

    /// `NFTA_DATA_VERDICT`
    mutating func write(_ verdict: Verdict) {
        nested(id(NFTA_DATA_VERDICT)) {
            $0.attribute(id(NFTA_VERDICT_CODE), bigEndian: verdict.kernelCode)
            if let chain = verdict.chain { $0.attribute(id(NFTA_VERDICT_CHAIN), chain) }
        }
    }
}

extension Verdict {
    var kernelCode: Int32 {
        switch self {
        case .drop: Int32(NF_DROP)
        case .accept: Int32(NF_ACCEPT)
        case .proceed: NFT_CONTINUE.rawValue
        case .jump: NFT_JUMP.rawValue
        case .goto: NFT_GOTO.rawValue
        case .comeBack: NFT_RETURN.rawValue
        }
    }

    init?(_ attributes: Attributes) {
        guard let code: Int32 = attributes[id(NFTA_VERDICT_CODE)]?.bigEndian() else { return nil }
        let chain = attributes[id(NFTA_VERDICT_CHAIN)]?.text ?? ""
        switch code {
        case Int32(NF_DROP): self = .drop
        case Int32(NF_ACCEPT): self = .accept
        case NFT_CONTINUE.rawValue: self = .proceed
        case NFT_JUMP.rawValue: self = .jump(chain)
        case NFT_GOTO.rawValue: self = .goto(chain)
        case NFT_RETURN.rawValue: self = .comeBack
        default: return nil
        }
    }
}

extension Value {
    /// The next key in the order of the bytes; `nil` after the last.
    var successor: Value? { shifted { byte in byte == 255 ? (0, true) : (byte + 1, false) } }

    /// The key before in the order of the bytes; `nil` before the first.
    var predecessor: Value? { shifted { byte in byte == 0 ? (255, true) : (byte - 1, false) } }

    private func shifted(_ step: (UInt8) -> (UInt8, Bool)) -> Value? {
        var bytes = bytes
        for index in bytes.indices.reversed() {
            let (byte, carries) = step(bytes[index])
            bytes[index] = byte
            if !carries { return Value(bytes) }
        }
        return nil
    }
}

/// Elements as the kernel lists them, before the two ends of an interval are joined.
struct ListedElement {
    var key: Value
    var content: NamedSet.Content
    var isEnd: Bool

    init?(_ attributes: Attributes) {
        var key: Value?
        var content = NamedSet.Content()
        var isEnd = false
        for attribute in attributes {
            switch attribute.type {
            case id(NFTA_SET_ELEM_KEY): key = attribute.nested[id(NFTA_DATA_VALUE)].map { Value($0.bytes) }
            case id(NFTA_SET_ELEM_KEY_END): content.last = attribute.nested[id(NFTA_DATA_VALUE)].map { Value($0.bytes) }
            case id(NFTA_SET_ELEM_DATA):
                if let value = attribute.nested[id(NFTA_DATA_VALUE)] {
                    content.data = .value(Value(value.bytes))
                } else if let verdict = attribute.nested[id(NFTA_DATA_VERDICT)].flatMap({ Verdict($0.nested) }) {
                    content.data = .verdict(verdict)
                }
            case id(NFTA_SET_ELEM_FLAGS):
                isEnd = (attribute.bigEndian(UInt32.self) ?? 0) & UInt32(NFT_SET_ELEM_INTERVAL_END.rawValue) != 0
            case id(NFTA_SET_ELEM_TIMEOUT):
                content.timeout = attribute.bigEndian(UInt64.self).map { .milliseconds(Int64(clamping: $0)) }
            default: break
            }
        }
        guard let key else { return nil }
        self.key = key
        self.content = content
        self.isEnd = isEnd
    }
}

extension NamedSet.Shape {
    /// The elements of a set from what the kernel lists.
    func elements(_ listed: [ListedElement]) -> [Value: NamedSet.Content] {
        var elements: [Value: NamedSet.Content] = [:]
        guard isInterval else {
            elements.reserveCapacity(listed.count)
            for element in listed { elements[element.key] = element.content }
            return elements
        }
        guard key.count == 1 else {
            for element in listed {
                var content = element.content
                if content.last == element.key { content.last = nil }
                elements[element.key] = content
            }
            return elements
        }
        // At one key an end sorts before a beginning: it belongs to the interval below.
        let sorted = listed.sorted { $0.key == $1.key ? $0.isEnd && !$1.isEnd : $0.key < $1.key }
        for (index, element) in sorted.enumerated() where !element.isEnd {
            var content = element.content
            let next = index + 1 < sorted.count ? sorted[index + 1] : nil
            let last = next.flatMap(\.key.predecessor) ?? Value(Array(repeating: 255, count: keySize))
            content.last = last == element.key ? nil : last
            elements[element.key] = content
        }
        return elements
    }
}
