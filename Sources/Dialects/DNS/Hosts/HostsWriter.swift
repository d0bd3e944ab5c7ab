public import Addressing

/// Collects names and addresses, and makes a table of them.
public struct HostsWriter: ~Copyable {
    private let ttl: TimeToLive
    private var key = NameKey()
    private var names: [Name] = []
    /// The names' keys, one behind the other.
    private var keys: [UInt8] = []
    /// Of each name, by hash: the lower half of the hash, and its number from 1; zero is empty. Their number is a power of two.
    private var slots = [UInt64](repeating: 0, count: 64)
    private var records: [Piece] = []
    /// The records' data, one behind the other.
    private var data: [UInt8] = []
    /// The last one whose name was asked for: mostly many lines in a row have one address.
    private var lastReversed: IPAddress?

    private struct Name {
        let hash: UInt64
        let start: UInt32
        let count: UInt8
        /// The first and the last of its records, by their numbers from 1.
        var first: UInt32 = 0
        var last: UInt32 = 0
        var hasPointer = false
    }

    private struct Piece {
        let type: RecordType
        let count: UInt16
        let start: UInt32
        /// The next of the same name; 0: none.
        var next: UInt32 = 0
    }

    /// - Parameter ttl: of all records.
    public init(ttl: TimeToLive = 3600) { self.ttl = ttl }

    /// An address has these names. The first name with which it came first is the one that it is told to have.
    public mutating func add(_ address: IPAddress, _ names: [DomainName]) {
        for (index, name) in names.enumerated() { add(address, name.wire, isFirst: index == 0) }
    }

    /// - Parameter isFirst: of the names that came with the address.
    mutating func add(_ address: IPAddress, _ name: [UInt8], isFirst: Bool) {
        key.read(name, at: 0)
        let number = numberOfKey()
        switch address {
        case .v4(let address): append(address.rawValue.bigEndian, .a, to: number)
        case .v6(let address): append(address.rawValue.bigEndian, .aaaa, to: number)
        }
        guard isFirst, address != lastReversed else { return }
        lastReversed = address
        key.read(DomainName(reversing: address).wire, at: 0)
        let reverse = numberOfKey()
        guard !names[reverse].hasPointer else { return }
        names[reverse].hasPointer = true
        let start = data.count
        data += name
        append(.ptr, from: start, to: reverse)
    }

    private mutating func append(_ address: some FixedWidthInteger & BitwiseCopyable, _ type: RecordType, to number: Int) {
        let start = data.count
        withUnsafeBytes(of: address) { data.append(contentsOf: $0) }
        append(type, from: start, to: number)
    }

    /// - Parameter start: where its data begins, which are the last.
    private mutating func append(_ type: RecordType, from start: Int, to number: Int) {
        records.append(Piece(type: type, count: UInt16(data.count - start), start: UInt32(start)))
        let record = UInt32(records.count)
        if names[number].last == 0 {
            names[number].first = record
        } else {
            records[Int(names[number].last) - 1].next = record
        }
        names[number].last = record
    }

    /// Of the name that was read last; it is there from now on.
    private mutating func numberOfKey() -> Int {
        let hash = key.hash
        var index = Int(hash >> 32) & (slots.count - 1)
        while slots[index] != 0 {
            let number = Int(slots[index] & 0xFFFF_FFFF) - 1
            let start = Int(names[number].start)
            if slots[index] >> 32 == hash & 0xFFFF_FFFF,
                key.matches(keys, start..<(start + Int(names[number].count)), from: 0)
            {
                return number
            }
            index = (index + 1) & (slots.count - 1)
        }
        names.append(Name(hash: hash, start: UInt32(keys.count), count: UInt8(key.count)))
        key.append(to: &keys)
        slots[index] = hash << 32 | UInt64(names.count)
        if names.count * 2 > slots.count { grow() }
        return names.count - 1
    }

    private mutating func grow() {
        slots = Array(repeating: 0, count: slots.count * 2)
        for (number, name) in names.enumerated() {
            var index = Int(name.hash >> 32) & (slots.count - 1)
            while slots[index] != 0 { index = (index + 1) & (slots.count - 1) }
            slots[index] = name.hash << 32 | UInt64(number + 1)
        }
    }
}

// MARK: - The table

extension HostsWriter {
    public consuming func finished() -> Hosts {
        if names.isEmpty { return Hosts() }
        var bytes: [UInt8] = [0]
        bytes.reserveCapacity(1 + keys.count + data.count + 2 * names.count + (RecordSet.headSize + 2) * records.count)
        var places: [(hash: UInt64, place: Int)] = []
        places.reserveCapacity(names.count)
        for name in names {
            places.append((name.hash, bytes.count))
            bytes.append(name.count)
            bytes += keys[Int(name.start)..<(Int(name.start) + Int(name.count))]
            writeSets(name, &bytes)
        }
        return Hosts(bytes, places)
    }

    /// In order of the types' numbers, the records of each in the order in which they came, none twice.
    private func writeSets(_ name: Name, _ bytes: inout [UInt8]) {
        if name.first == name.last {
            bytes.append(1)
            return write([records[Int(name.first) - 1]], &bytes)
        }
        var (seen, byType): (Set<[UInt8]>, [RecordType: [Piece]]) = ([], [:])
        var next = Int(name.first)
        while next != 0 {
            let record = records[next - 1]
            // Data of different types differ in length, or are a name beside addresses.
            let kind = [UInt8(truncatingIfNeeded: record.type.rawValue)]
            if seen.insert(kind + data[range(record)]).inserted { byType[record.type, default: []].append(record) }
            next = Int(record.next)
        }
        bytes.append(UInt8(byType.count))
        for (_, records) in byType.sorted(by: { $0.key.rawValue < $1.key.rawValue }) { write(records, &bytes) }
    }

    private func range(_ record: Piece) -> Range<Int> { Int(record.start)..<(Int(record.start) + Int(record.count)) }

    private func write(_ records: [Piece], _ bytes: inout [UInt8]) {
        let size = records.reduce(0) { $0 + 2 + Int($1.count) }
        RecordSet.packHead(records[0].type, ttl: ttl, count: records.count, size: size, into: &bytes)
        for record in records {
            bytes.append(UInt8(record.count >> 8))
            bytes.append(UInt8(record.count & 255))
            bytes += data[range(record)]
        }
    }
}
