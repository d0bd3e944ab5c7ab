/// One resource record.
public struct Record: Hashable, Sendable {
    public var name: DomainName
    public var recordClass: RecordClass
    public var ttl: TimeToLive
    public var data: RecordData

    public init(_ name: DomainName, _ data: RecordData, ttl: TimeToLive = 5, recordClass: RecordClass = .internet) {
        (self.name, self.data, self.ttl, self.recordClass) = (name, data, ttl, recordClass)
    }

    public var type: RecordType { data.type }
}

extension Record: CustomStringConvertible {
    /// A line of a master file (RFC 1035 §5.1, RFC 3597 §5): `svc1.default. 5 IN A 192.0.2.1`.
    public var description: String { "\(name) \(ttl) \(recordClass) \(type) \(data)" }
}

/// What is asked.
public struct Question: Hashable, Sendable {
    public var name: DomainName
    public var type: RecordType
    public var recordClass: RecordClass

    public init(_ name: DomainName, _ type: RecordType, recordClass: RecordClass = .internet) {
        (self.name, self.type, self.recordClass) = (name, type, recordClass)
    }
}

extension Question: CustomStringConvertible {
    public var description: String { "\(name) \(recordClass) \(type)" }
}
