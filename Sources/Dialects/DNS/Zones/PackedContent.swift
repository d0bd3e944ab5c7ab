/// What a source gave, as a zone keeps it: to know next time what is the same and what has to go.
///
/// ```
///   records 4 | name's length 1 | name | class 2 | TTL 4 | type 2 | length 4 | data …
///   dashed addresses 4 | name's length 1 | name | TTL 4 …
///   empty names 4 | name's length 1 | name …
/// ```
struct PackedContent {
    let packed: Packed

    init(_ packed: Packed) { self.packed = packed }

    /// Of the records, those that a zone can hold: their data has a wire form.
    init(_ content: ZoneContent, source: String) {
        var packed = Packed(Self.hash(source), key: Array(source.utf8))
        packed.append(UInt32(content.records.count))
        for record in content.records {
            Self.append(record.name, &packed)
            packed.append(record.recordClass.rawValue)
            packed.append(record.ttl.seconds)
            packed.append(record.type.rawValue)
            let wire = record.data.wire ?? []
            packed.append(UInt32(wire.count))
            packed.bytes += wire
        }
        packed.append(UInt32(content.dashedAddresses.count))
        for (name, ttl) in content.dashedAddresses.sorted(by: { $0.key < $1.key }) {
            Self.append(name, &packed)
            packed.append(ttl.seconds)
        }
        packed.append(UInt32(content.emptyNames.count))
        for name in content.emptyNames.sorted() { Self.append(name, &packed) }
        self.packed = packed.fitted
    }

    static func hash(_ source: String) -> UInt64 { UInt64(bitPattern: Int64(source.hashValue)) }

    private static func append(_ name: DomainName, _ packed: inout Packed) {
        packed.append(UInt8(name.wire.count))
        packed.bytes += name.wire
    }

    var content: ZoneContent {
        var reader = PackedReader(bytes: packed.bytes, position: packed.valueStart)
        var content: ZoneContent = []
        for _ in 0..<reader.number(UInt32.self) {
            let name = Self.name(&reader)
            let recordClass = RecordClass(rawValue: UInt16(reader.number(UInt16.self)))
            let ttl = TimeToLive(seconds: UInt32(reader.number(UInt32.self)))
            let type = RecordType(rawValue: UInt16(reader.number(UInt16.self)))
            let wire = reader.run(reader.number(UInt32.self))
            content.records.append(Record(name, RecordData(type, wire: wire), ttl: ttl, recordClass: recordClass))
        }
        for _ in 0..<reader.number(UInt32.self) {
            let name = Self.name(&reader)
            content.dashedAddresses[name] = TimeToLive(seconds: UInt32(reader.number(UInt32.self)))
        }
        for _ in 0..<reader.number(UInt32.self) { content.emptyNames.insert(Self.name(&reader)) }
        return content
    }

    /// The names alone.
    var names: Set<DomainName> {
        var reader = PackedReader(bytes: packed.bytes, position: packed.valueStart)
        var names: Set<DomainName> = []
        for _ in 0..<reader.number(UInt32.self) {
            names.insert(Self.name(&reader))
            reader.position += 8
            reader.position += reader.number(UInt32.self)
        }
        for _ in 0..<reader.number(UInt32.self) {
            names.insert(Self.name(&reader))
            reader.position += 4
        }
        for _ in 0..<reader.number(UInt32.self) { names.insert(Self.name(&reader)) }
        return names
    }

    private static func name(_ reader: inout PackedReader) -> DomainName {
        DomainName(checked: reader.run(reader.number(UInt8.self)))
    }
}

extension RecordData {
    /// Data from its wire form with names in full; opaque when it has not the form of its type.
    init(_ type: RecordType, wire: [UInt8]) {
        var cursor = Cursor(position: 0, end: wire.count)
        self = (try? RecordData(type, &cursor, wire.span)) ?? .opaque(type, wire)
    }
}
