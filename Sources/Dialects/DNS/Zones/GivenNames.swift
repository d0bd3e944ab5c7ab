/// At which names of a zone a source has something: to know next time what has to go.
///
/// ```
///   hash of a name 8 …
/// ```
/// What it has there stands with the names.
struct GivenNames {
    let packed: Packed

    init(_ packed: Packed) { self.packed = packed }

    init(_ hashes: [UInt64], by source: String) {
        var packed = PackedWriter(Self.hash(source), key: Array(source.utf8))
        for hash in hashes { packed.append(hash) }
        self.packed = packed.finished()
    }

    static func hash(_ source: String) -> UInt64 { UInt64(bitPattern: Int64(source.hashValue)) }

    var hashes: [UInt64] {
        stride(from: packed.valueStart, to: packed.end, by: 8).map { packed.load($0, as: UInt64.self) }
    }
}
