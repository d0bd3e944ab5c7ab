internal import Addressing

/// A reply while it is written: what the header will say, how many records each section has, and where names stand that can be
/// pointed to.
struct Reply {
    private var header: Header
    private let edns: Query.Extension?
    private let udpSize: UInt16
    private let truncation: Truncation
    private let rotation: UInt32
    private var code: ResponseCode = .noError
    private var error: ExtendedError?
    private var counts: (answers: UInt16, authorities: UInt16, additionals: UInt16) = (0, 0, 0)
    /// Where the name stands that the next record is about: the question's, then the aliases' one after the other.
    private var owner = Header.size
    /// The first zone's apex in the question: its wire form in lower case, and where it stands in the message.
    private var apex: (wire: [UInt8], offset: Int) = ([], 0)
    /// The target of the last alias, in its own case.
    private(set) var lastAlias = DomainName.root
    /// Where the last answered set begins.
    private var lastAnswer = Header.size
    /// Nothing of what is written may stay behind the question.
    private var isVoid = false
    private let questionEnd: Int

    /// Bytes of an OPT record without options.
    static let ednsSize = 11

    init(_ query: Query, _ circumstances: Circumstances) {
        header = Self.header(of: query.header, circumstances, .noError)
        edns = query.edns
        udpSize = circumstances.udpSize
        truncation = circumstances.truncation
        rotation = circumstances.rotation
        questionEnd = query.questionEnd
    }

    /// Opcode, RD and CD come back as they were; AD and the reserved bit do not (RFC 4035 §3.1.6).
    static func header(of query: Header, _ circumstances: Circumstances, _ code: ResponseCode) -> Header {
        var header = Header(id: query.id, flags: query.flags & 0x7910)
        header.isResponse = true
        header.isRecursionAvailable = circumstances.forwards
        header.lowResponseCode = code.rawValue
        return header
    }

    /// The question is one for this zone: we speak with authority.
    mutating func enter(_ hold: Zones.Hold, _ key: borrowing NameKey) {
        header.isAuthoritative = true
        apex = (hold.zone.apexKey, Header.size + key.start(depth: hold.zone.apexLabels))
    }

    /// The same where it is for a single name.
    mutating func enter() { header.isAuthoritative = true }

    mutating func fail(_ code: ResponseCode, _ error: ExtendedError? = nil) {
        (self.code, self.error, isVoid) = (code, error, true)
        header.isAuthoritative = false
    }

    /// Nothing but the wish that the client comes again over TCP.
    mutating func putOff() { header.isTruncated = true }
}

// MARK: - Sections

extension Reply {
    /// - Returns: whether all of the set stands in the message.
    @discardableResult
    mutating func answer(_ set: RecordSet, _ writer: inout MessageWriter) -> Bool {
        lastAnswer = writer.count
        let written = write(set, at: owner, [], &writer, truncation)
        counts.answers += UInt16(written)
        if written < set.count { header.isTruncated = true }
        return written == set.count
    }

    mutating func answer(_ address: IPAddress, _ ttl: TimeToLive, _ writer: inout MessageWriter) {
        answer(RecordSet(address.family == .v4 ? .a : .aaaa, ttl: ttl, [address.bytes]), &writer)
    }

    /// Writes an alias; the next records are about its target.
    ///
    /// - Returns: false when it did not fit.
    mutating func alias(_ set: RecordSet, _ writer: inout MessageWriter) -> Bool {
        guard answer(set, &writer) else { return false }
        owner = lastAnswer + Self.recordHead
        lastAlias = DomainName(checked: Array(set.data[(set.start + 2)..<set.end]))
        return true
    }

    /// "No such name" or "nothing of this type", with the zone's SOA (RFC 2308 §2).
    mutating func deny(_ code: ResponseCode, _ hold: Zones.Hold, _ writer: inout MessageWriter) {
        self.code = code
        let place = hold.zone.apexKey == apex.wire ? apex.offset : nil
        let written = write(hold.zone.denial, at: place, hold.zone.apex.wire[...], &writer)
        counts.authorities += UInt16(written)
        if written == 0 { header.isTruncated = true }
    }

    /// "Nothing of this type" at a single name.
    ///
    /// - Parameters:
    ///   - authority: its SOA record.
    ///   - name: in lower case; the next record is about it.
    mutating func deny(_ authority: RecordSet, at name: [UInt8], _ writer: inout MessageWriter) {
        apex = (name, owner)
        let written = write(authority, at: owner, [], &writer)
        counts.authorities += UInt16(written)
        if written == 0 { header.isTruncated = true }
    }

    /// The name belongs to another zone: its name servers, and their addresses where we have them.
    mutating func refer(
        _ servers: RecordSet, _ key: borrowing NameKey, _ depth: Int, _ hold: Zones.Hold, _ writer: inout MessageWriter
    ) {
        let isFirst = owner == Header.size
        if isFirst { header.isAuthoritative = false }
        let place = isFirst ? Header.size + key.start(depth: depth) : nil
        let written = write(servers, at: place, key.suffix(depth: depth)[...], &writer)
        counts.authorities += UInt16(written)
        // Without the addresses below the cut nobody gets there, so a missing one is said (RFC 9471).
        if written == 0 || !addAddresses(of: servers, &writer, { key in hold.addresses(key, key.hash) }) {
            header.isTruncated = true
        }
    }

    /// Addresses of the names that the answer leads to, as far as they are ours and fit (RFC 2181 §9: missing ones are not said).
    mutating func addTargets(of set: RecordSet, _ zones: Zones, _ writer: inout MessageWriter) {
        guard set.targetCount > 0 else { return }
        _ = addAddresses(of: set, &writer) { key in
            var hash: UInt64 = 0
            let hold = zones.hold(key, &hash)
            if let hold, !hold.zone.isComplete { return (nil, nil) }
            if hold?.zone.passesOn ?? true, let host = zones.hosts.host(key, hash) {
                let owner = hold?.owner(key, hash)
                return (host.set(.a, beside: owner), host.set(.aaaa, beside: owner))
            }
            return hold?.addresses(key, hash) ?? (nil, nil)
        }
    }

    /// - Returns: whether all that were found are in the message.
    private mutating func addAddresses(
        of set: RecordSet, _ writer: inout MessageWriter, _ find: (borrowing NameKey) -> (RecordSet?, RecordSet?)
    ) -> Bool {
        var key = NameKey()
        for number in 0..<set.targetCount {
            let target = set.target(number)
            key.read(set.data, at: target.position)
            let (a, aaaa) = find(key)
            // The names of SRV records stand in the answer in full, so they can be pointed to: in front of each record there are
            // ten bytes more than its two of length in the set.
            let place = lastAnswer + (target.index + 1) * (Self.recordHead - 2) + target.position - set.start
            let usable = set.type == .srv && place <= MessageWriter.farthestPointer ? place : nil
            let name = set.data[target.position..<set.endOfName(at: target.position)]
            for addresses in [a, aaaa] {
                guard let addresses else { continue }
                guard write(addresses, at: usable, name, &writer) > 0 else { return false }
                counts.additionals += UInt16(addresses.count)
            }
        }
        return true
    }
}

// MARK: - Records

extension Reply {
    /// Bytes in front of a record's data when its owner is a pointer.
    private static let recordHead = 12

    /// Writes a set, whole or as far as it fits if that is wanted.
    ///
    /// - Parameters:
    ///   - owner: where the owner's name stands in the message; `nil` writes the name.
    /// - Returns: how many records were written.
    private func write(
        _ set: RecordSet, at owner: Int?, _ name: ArraySlice<UInt8> = [], _ writer: inout MessageWriter,
        _ truncation: Truncation = .wholeSets
    ) -> Int {
        var mark = writer.count
        let isAddress = set.type == .a || set.type == .aaaa
        // Only sets of one size of data turn.
        let first = isAddress && set.count > 1 ? Int(rotation) % set.count * (2 + set.length(at: set.start)) : 0
        var position = set.start + first
        for done in 0..<set.count {
            let length = set.length(at: position)
            if let owner { writer.pointer(to: owner) } else { name.withUnsafeBytes { writer.run($0) } }
            writer.short(set.type.rawValue)
            writer.short(RecordClass.internet.rawValue)
            writer.long(set.ttl.seconds)
            if isAddress {
                set.data.withUnsafeBytes { writer.run(UnsafeRawBufferPointer(rebasing: $0[position..<(position + 2 + length)])) }
            } else {
                writeData(set, (position + 2)..<(position + 2 + length), &writer)
            }
            if writer.isFull {
                writer.rollback(to: mark)
                return truncation == .records ? done : 0
            }
            if truncation == .records { mark = writer.count }
            position += 2 + length
            if position == set.end { position = set.start }
        }
        return set.count
    }

    /// Data with its length before it, names shortened where RFC 3597 §4 allows it.
    private func writeData(_ set: RecordSet, _ range: Range<Int>, _ writer: inout MessageWriter) {
        let start = writer.count
        writer.short(0)
        var position = range.lowerBound
        let names =
            switch set.type {
            case .cname, .ns, .ptr: 1
            case .soa: 2
            case .mx: 1
            default: 0
            }
        if set.type == .mx {
            set.data[position..<(position + 2)].withUnsafeBytes { writer.run($0) }
            position += 2
        }
        for _ in 0..<names {
            let end = set.endOfName(at: position)
            writeName(set.data[position..<end], &writer)
            position = end
        }
        set.data[position..<range.upperBound].withUnsafeBytes { writer.run($0) }
        writer.patch(UInt16(truncatingIfNeeded: writer.count - start - 2), at: start)
    }

    /// A name of the first zone ends in a pointer to the zone's name in the question.
    private func writeName(_ name: ArraySlice<UInt8>, _ writer: inout MessageWriter) {
        var position = name.startIndex
        while name.endIndex - position > apex.wire.count { position += 1 + Int(name[position]) }
        guard apex.wire.count > 2, name.endIndex - position == apex.wire.count,
            zip(name[position...], apex.wire).allSatisfy({ lowercased($0) == $1 })
        else { return name.withUnsafeBytes { writer.run($0) } }
        name[..<position].withUnsafeBytes { writer.run($0) }
        writer.pointer(to: apex.offset)
    }
}

// MARK: - The end

extension Reply {
    /// Writes the EDNS part, if the client has one, and what the header has to say.
    ///
    /// - Returns: how many bytes the message has.
    mutating func finish(_ writer: inout MessageWriter) -> Int {
        if isVoid {
            writer.rollback(to: questionEnd)
            counts = (0, 0, 0)
            header.isTruncated = false
        }
        if let edns {
            writer.reserve(-Self.ednsSize)
            var part = EDNS(udpSize: udpSize, isDNSSECWanted: edns.isDNSSECWanted)
            part.highResponseCode = UInt8(truncatingIfNeeded: code.rawValue >> 4)
            let option = error.map { EDNS.Option.extendedError($0) }
            let options = option.map { Self.ednsSize + 4 + $0.data.count <= writer.room ? [$0] : [] } ?? []
            writer.edns(part, options: options)
            counts.additionals += 1
        }
        header.lowResponseCode = code.rawValue
        writer.patch(header.flags, at: 2)
        for (index, count) in [1, counts.answers, counts.authorities, counts.additionals].enumerated() {
            writer.patch(count, at: 4 + 2 * index)
        }
        return writer.count
    }
}
