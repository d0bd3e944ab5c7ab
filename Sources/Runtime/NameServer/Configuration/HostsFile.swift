public import Addressing
public import DNS

/// Names and addresses as `/etc/hosts` has them (hosts(5)): an address, then its names; the first is the one that the address is
/// told to have.
public struct HostsFile: Hashable, Sendable {
    public struct Line: Hashable, Sendable {
        public var address: IPAddress
        public var names: [DomainName]
    }

    /// A line that cannot be read.
    public struct Fault: Error, Hashable, Sendable {
        /// From 1.
        public var line: Int
        /// From 1.
        public var column: Int
        public var reason: String
    }

    public var lines: [Line]

    public init(_ lines: [Line] = []) { self.lines = lines }

    /// Reads a text.
    ///
    /// - Parameter faults: what cannot be read is added; the other lines are read.
    public init(_ text: String, _ faults: inout [Fault]) {
        lines = []
        for (index, whole) in text.lines.enumerated() {
            let line = whole.prefix { $0 != "#" }
            let words = line.split { $0 == " " || $0 == "\t" || $0 == "\r" }
            guard let first = words.first else { continue }
            func fault(_ word: Substring, _ reason: String) {
                let column = line.distance(from: line.startIndex, to: word.startIndex) + 1
                faults.append(Fault(line: index + 1, column: column, reason: reason))
            }
            guard let address = IPAddress(String(first)) else {
                fault(first, "\(first) is no address; a line is an address and then its names")
                continue
            }
            if words.count == 1 { fault(first, "no name stands behind \(first)") }
            var names: [DomainName] = []
            for word in words.dropFirst() {
                if let name = DomainName(String(word)), !name.isRoot {
                    names.append(name)
                } else {
                    fault(word, "\(word) is no name")
                }
            }
            if !names.isEmpty { lines.append(Line(address: address, names: names)) }
        }
    }

    /// The addresses of each name, in the order of the lines.
    public func records(ttl: TimeToLive) -> [Record] {
        lines.flatMap { line in line.names.map { Record($0, .address(line.address), ttl: ttl) } }
    }

    /// The first name of each address.
    public func reverseRecords(ttl: TimeToLive) -> [Record] {
        var seen: Set<IPAddress> = []
        return lines.compactMap { line -> Record? in
            guard let name = line.names.first, seen.insert(line.address).inserted else { return nil }
            return Record(DomainName(reversing: line.address), .ptr(name), ttl: ttl)
        }
    }
}
