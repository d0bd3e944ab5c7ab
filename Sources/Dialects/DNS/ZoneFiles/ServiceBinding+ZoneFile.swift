internal import Addressing

/// Service parameters as people write them (RFC 9460 §2.1 and appendix A).
extension ServiceBinding {
    init(_ words: inout ZoneFileWords, _ origin: DomainName) throws(ZoneFile.Fault) {
        let priority: UInt16 = try words.takeNumber("a priority")
        self.init(priority: priority, target: try words.takeName(origin))
        while words.peek != nil {
            let word = try words.take("a parameter")
            let parameter = try Parameter(word)
            guard !parameters.contains(where: { $0.key == parameter.key }) else {
                throw word.fault("this parameter is there twice")
            }
            parameters.append(parameter)
        }
        parameters.sort { $0.key < $1.key }
    }
}

extension ServiceBinding.Parameter {
    private static let keys: [String: UInt16] = [
        "mandatory": 0, "alpn": 1, "no-default-alpn": 2, "port": 3, "ipv4hint": 4, "ech": 5, "ipv6hint": 6,
    ]

    fileprivate init(_ word: ZoneFileEntry.Word) throws(ZoneFile.Fault) {
        let parts = word.text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard let key = Self.key(String(parts[0])) else {
            throw word.fault("\(parts[0]) is no parameter; one without a name is written as key123")
        }
        var rest = word
        rest.text = parts.count == 2 ? String(parts[1]) : ""
        let value = try rest.bytes()
        let isKnown = Self.keys.values.contains(key) && !parts[0].hasPrefix("key")
        self.init(key: key, value: isKnown ? try Self.value(key, value, word) : value)
    }

    private static func key(_ text: String) -> UInt16? {
        if let known = keys[text] { return known }
        guard text.hasPrefix("key"), let number = UInt16(text.dropFirst(3)), text == "key\(number)" else { return nil }
        return number
    }

    private static func value(_ key: UInt16, _ bytes: [UInt8], _ word: ZoneFileEntry.Word) throws(ZoneFile.Fault) -> [UInt8] {
        // RFC 9460 appendix A.1: a comma that belongs to an item has a backslash, which is no other than this list's own.
        let items = list(bytes)
        let texts = items.map { String(decoding: $0, as: UTF8.self) }
        switch key {
        case 0:
            let numbers = texts.compactMap(Self.key).sorted()
            guard !items.isEmpty, numbers.count == items.count else { throw word.fault("mandatory lists parameters") }
            return numbers.flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] }
        case 1:
            guard !items.isEmpty, items.allSatisfy({ (1...255).contains($0.count) }) else {
                throw word.fault("alpn lists protocols of 1 to 255 characters, such as h2,h3")
            }
            return items.flatMap { [UInt8($0.count)] + $0 }
        case 2:
            guard bytes.isEmpty else { throw word.fault("no-default-alpn has no value") }
            return []
        case 3:
            guard let port = UInt16(String(decoding: bytes, as: UTF8.self)) else {
                throw word.fault("port is a number up to 65535")
            }
            return [UInt8(port >> 8), UInt8(port & 255)]
        case 4, 6:
            let addresses = texts.compactMap(IPAddress.init).filter { ($0.family == .v4) == (key == 4) }
            guard !items.isEmpty, addresses.count == items.count else { throw word.fault("a hint lists addresses of its family") }
            return addresses.flatMap(\.bytes)
        default:
            throw word.fault("ech is written as key5 with its bytes")
        }
    }

    private static func list(_ bytes: [UInt8]) -> [[UInt8]] {
        guard !bytes.isEmpty else { return [] }
        var (items, isEscaped): ([[UInt8]], Bool) = ([[]], false)
        for byte in bytes {
            if !isEscaped, byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else if !isEscaped, byte == UInt8(ascii: ",") {
                items.append([])
            } else {
                items[items.count - 1].append(byte)
                isEscaped = false
            }
        }
        return items
    }
}
