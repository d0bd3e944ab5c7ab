/// One thing that a source says of one name.
struct ContentPiece {
    let name: DomainName
    /// The name's.
    let hash: UInt64
    let kind: Kind

    enum Kind {
        case record(RecordType, TimeToLive, [UInt8])
        case dashedAddresses(TimeToLive)
        case emptyName
    }
}

extension [ContentPiece] {
    /// What a source says of each of its names, in order of the names' hashes; each name once.
    func shares(_ source: String) -> [(name: DomainName, hash: UInt64, share: Owner.Share)] {
        var shares: [(name: DomainName, hash: UInt64, share: Owner.Share)] = []
        let order = indices.sorted { (self[$0].hash, $0) < (self[$1].hash, $1) }
        var position = 0
        while position < order.count {
            let first = self[order[position]]
            let end = order[position...].firstIndex { self[$0].hash != first.hash } ?? order.endIndex
            var rest = order[position..<end]
            // Several names of one hash are rare, but may be.
            while let next = rest.first.map({ self[$0].name }) {
                shares.append((next, first.hash, share(source, rest.filter { self[$0].name == next })))
                rest.removeAll { self[$0].name == next }
            }
            position = end
        }
        return shares
    }

    private func share(_ source: String, _ places: [Int]) -> Owner.Share {
        var (records, dashed, isNamed): ([(RecordType, TimeToLive, [UInt8])], TimeToLive?, Bool) = ([], nil, false)
        for place in places {
            switch self[place].kind {
            case .record(let type, let ttl, let wire): records.append((type, ttl, wire))
            case .dashedAddresses(let ttl): dashed = ttl
            case .emptyName: isNamed = true
            }
        }
        return Owner.Share(source: source, sets: Self.sets(records), dashedAddresses: dashed, isNamed: isNamed)
    }

    /// In order of the types' numbers, the records of each in the order in which they came.
    private static func sets(_ records: [(type: RecordType, ttl: TimeToLive, wire: [UInt8])]) -> [RecordSet] {
        guard let first = records.first else { return [] }
        func set(_ records: some Collection<(type: RecordType, ttl: TimeToLive, wire: [UInt8])>, _ type: RecordType) -> RecordSet
        {
            RecordSet(type, ttl: records.map(\.ttl).min() ?? 0, records.map(\.wire))
        }
        if records.allSatisfy({ $0.type == first.type }) { return [set(records, first.type)] }
        return Dictionary(grouping: records, by: \.type).sorted { $0.key.rawValue < $1.key.rawValue }
            .map { type, records in set(records, type) }
    }
}
