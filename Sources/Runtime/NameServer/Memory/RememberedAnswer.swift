internal import DNS

/// An answer in the form in which it is given again: what stands behind the question in a message, compressed against that
/// question, so that a query with the same name in whatever case gets it by one copy.
///
/// ```
///   bytes:  key | body: answers, authorities | for each record where its TTL stands: 4, the highest bit set where a set begins
/// ```
struct RememberedAnswer {
    let hash: UInt64
    private let bytes: [UInt8]
    private let keyCount: Int
    private let bodyCount: Int
    private let answerCount: Int
    private let recordCount: Int
    /// A set of addresses at the answers' end, in the body, whose records may turn: each has so many bytes.
    private let turning: (range: Range<Int>, record: Int)
    let code: ResponseCode
    private let isAuthentic: Bool
    /// The last alias leads to a name of our own zones, whose records are not here: they change without a word to us.
    let leadsHome: Bool
    /// The number of an extended error, -1 without one.
    private let error: Int32

    /// When it was heard, in milliseconds.
    private(set) var born: Int64
    /// When its time is over.
    private(set) var end: Int64
    /// How long after that it may be given still.
    private(set) var staleEnd: Int64
    /// Until then it is given though its time is over, as nobody could be asked.
    var staleUntil: Int64 = 0
    /// Not before then it is asked for again ahead of its end.
    var nextPrefetch: Int64
    /// How often it was given, as far as is counted.
    var uses: UInt32 = 0
    /// How often the clock's hand passes it by yet.
    var grace: UInt8 = 0

    private static let setStart: UInt32 = 0x8000_0000
    /// What an entry takes beside its bytes: itself, its array's head, its places in the tables.
    private static let overhead = MemoryLayout<RememberedAnswer>.stride + 32 + 16

    var size: Int { bytes.count + Self.overhead }
    /// "No such name", or "nothing of this type".
    var isDenial: Bool { code != .noError || answerCount < recordCount || recordCount == 0 }
    var isFailure: Bool { code != .noError && code != .nameError }
    /// Seconds that it was told to live.
    var lifetime: Int64 { end - born }

    func isFor(_ key: borrowing MemoryKey) -> Bool {
        bytes.withUnsafeBytes { key.isEqual(to: UnsafeRawBufferPointer(rebasing: $0[..<keyCount])) }
    }
}

// MARK: - Making

extension RememberedAnswer {
    /// - Parameters:
    ///   - answer: its records' TTLs are those that are given, of one set all the same.
    ///   - now: and what follows in milliseconds.
    /// - Returns: `nil` for what does not fit a message.
    init?(
        _ answer: OutsideAnswer, to wish: OutsideWish, _ key: borrowing MemoryKey, now: Int64, lifetime: Int64, stale: Int64
    ) {
        let message = Message(
            Header(id: 0), questions: [wish.question], answers: answer.answers, authorities: answer.authorities)
        let whole = message.bytes()
        let start = Header.size + key.nameCount + 4
        // The flags' third byte holds TC.
        guard whole.count >= start, whole[2] & 0x02 == 0 else { return nil }
        let body = whole[start...]
        guard let places = Self.places(whole, from: start, count: answer.answers.count + answer.authorities.count) else {
            return nil
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(key.count + body.count + 4 * places.count)
        key.withBytes { bytes.append(contentsOf: $0) }
        bytes.append(contentsOf: body)
        let records = answer.answers + answer.authorities
        for (index, place) in places.enumerated() {
            let isStart = index == 0 || index == answer.answers.count || !records[index].isOfSet(of: records[index - 1])
            let word = UInt32(place.ttl - start) | (isStart ? Self.setStart : 0)
            withUnsafeBytes(of: word.littleEndian) { bytes.append(contentsOf: $0) }
        }
        self.bytes = bytes
        hash = key.hash
        (keyCount, bodyCount) = (key.count, body.count)
        (answerCount, recordCount) = (answer.answers.count, places.count)
        turning = Self.turning(answer.answers, places, start)
        (code, isAuthentic, leadsHome) = (answer.code, answer.isAuthentic, answer.rest != nil)
        error = answer.error.map { Int32($0.rawValue) } ?? -1
        (born, end, staleEnd, nextPrefetch) = (now, now + lifetime, now + lifetime + stale, now)
    }

    /// Where in a message each record begins, and where its TTL stands.
    private static func places(_ message: [UInt8], from start: Int, count: Int) -> [Place]? {
        var (position, places) = (start, [Place]())
        for _ in 0..<count {
            let begin = position
            while position < message.count, message[position] != 0, message[position] < 0xC0 {
                position += 1 + Int(message[position])
            }
            guard position < message.count else { return nil }
            position += message[position] == 0 ? 5 : 6
            guard position + 6 <= message.count else { return nil }
            places.append((begin, position))
            position += 6 + (Int(message[position + 4]) << 8 | Int(message[position + 5]))
        }
        return position == message.count ? places : nil
    }

    /// The last set, when it is one of several addresses whose records look the same but for the address.
    private static func turning(_ answers: [Record], _ places: [Place], _ start: Int) -> (Range<Int>, Int) {
        guard let last = answers.last, last.type == .a || last.type == .aaaa else { return (0..<0, 0) }
        let first = (answers.lastIndex { !$0.isOfSet(of: last) } ?? -1) + 1
        let count = answers.count - first
        // The owner of each is a pointer of two bytes: only then one can stand in the place of another.
        let size = last.type == .a ? 16 : 28
        guard count > 1, places[first...].allSatisfy({ $0.ttl == $0.begin + 6 }) else { return (0..<0, 0) }
        let begin = places[first].begin - start
        return (begin..<(begin + size * count), size)
    }

    private typealias Place = (begin: Int, ttl: Int)
}

extension [Record] {
    /// What the last alias leads to.
    fileprivate var lastTarget: DomainName? {
        for record in reversed() { if case .cname(let target) = record.data { return target } }
        return nil
    }
}

extension Record {
    /// Records of one owner, class and type are one set (RFC 2181 §5).
    func isOfSet(of other: Record) -> Bool {
        type == other.type && recordClass == other.recordClass && name == other.name
    }
}

// MARK: - Giving

extension RememberedAnswer {
    /// Writes a message for a query whose key this is.
    ///
    /// - Parameter now: in milliseconds. Behind the answer's end it is given with the TTL of stale answers and says what it is.
    /// - Returns: bytes written; `nil` when the memory holds no message.
    func write(
        to query: Query, _ packet: Span<UInt8>, _ circumstances: Circumstances, now: Int64,
        into memory: UnsafeMutableRawBufferPointer
    ) -> Int? {
        let isStale = now >= end
        let error = isStale ? Int32(ExtendedError.staleAnswer.rawValue) : error
        let questionEnd = Header.size + keyCount - MemoryKey.tail + 4
        var limit = min(Int(UInt16.max), memory.count)
        if circumstances.transport == .udp {
            limit = min(limit, max(Int(query.edns?.udpSize ?? 512), 512), Int(circumstances.udpSize))
        }
        let ednsSize = query.edns == nil ? 0 : error < 0 ? 11 : 17
        guard questionEnd + ednsSize <= limit, questionEnd <= packet.count else { return nil }
        packet.bytes.extracting(0..<questionEnd).withUnsafeBytes { memory.copyMemory(from: $0) }
        let part =
            questionEnd + bodyCount + ednsSize <= limit ? whole : part(limit - questionEnd - ednsSize, circumstances.truncation)
        copyBody(part.bytes, circumstances.rotation, into: UnsafeMutableRawBufferPointer(rebasing: memory[questionEnd...]))
        age(part.records, by: (now - born) / 1000, isStale: isStale, at: questionEnd, memory)

        var header = Header(id: query.header.id, flags: query.header.flags & 0x7910)
        header.isResponse = true
        header.isRecursionAvailable = circumstances.forwards
        header.isTruncated = part.records < recordCount
        // RFC 6840 §5.8: only to those who know what it means.
        header.isAuthenticData =
            isAuthentic && !isStale && (query.edns?.isDNSSECWanted ?? false || query.header.isAuthenticData)
        header.flags |= code.rawValue & 0xF
        memory.store(header.flags, at: 2)
        memory.store(1, at: 4)
        memory.store(UInt16(min(part.records, answerCount)), at: 6)
        memory.store(UInt16(max(0, part.records - answerCount)), at: 8)
        memory.store(query.edns == nil ? 0 : 1, at: 10)
        let count = questionEnd + part.bytes
        if let edns = query.edns { writeEDNS(edns, circumstances, error, at: count, memory) }
        return count + ednsSize
    }

    private var whole: (bytes: Int, records: Int) { (bodyCount, recordCount) }

    /// As much as fits: whole sets, or single records where that is wanted and they are answers.
    private func part(_ room: Int, _ truncation: Truncation) -> (bytes: Int, records: Int) {
        var (fitting, setStart, setBytes, end) = ((bytes: 0, records: 0), 0, 0, 0)
        for index in 0..<recordCount {
            let place = place(index)
            if place.isSetStart { (setStart, setBytes) = (index, end) }
            end = place.offset + 6 + Int(bodyByte(place.offset + 4)) << 8 + Int(bodyByte(place.offset + 5))
            guard end <= room else {
                return truncation == .records && index < answerCount ? fitting : (setBytes, setStart)
            }
            fitting = (end, index + 1)
        }
        return fitting
    }

    private func bodyByte(_ offset: Int) -> UInt8 { bytes[keyCount + offset] }

    @inline(__always)
    private func place(_ index: Int) -> (offset: Int, isSetStart: Bool) {
        let word = bytes.withUnsafeBytes {
            UInt32(littleEndian: $0.loadUnaligned(fromByteOffset: keyCount + bodyCount + 4 * index, as: UInt32.self))
        }
        return (Int(word & ~Self.setStart), word & Self.setStart != 0)
    }

    /// The set at the answers' end begins with another record each time, so that clients that take the first spread.
    private func copyBody(_ count: Int, _ rotation: UInt32, into memory: UnsafeMutableRawBufferPointer) {
        bytes.withUnsafeBytes { bytes in
            let body = bytes[keyCount..<(keyCount + count)]
            memory.copyMemory(from: UnsafeRawBufferPointer(rebasing: body))
            guard !turning.range.isEmpty, turning.range.upperBound <= count else { return }
            let cut = Int(rotation) % (turning.range.count / turning.record) * turning.record
            guard cut > 0 else { return }
            let (start, end) = (keyCount + turning.range.lowerBound, keyCount + turning.range.upperBound)
            let target = UnsafeMutableRawBufferPointer(rebasing: memory[turning.range])
            target.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[(start + cut)..<end]))
            UnsafeMutableRawBufferPointer(rebasing: target[(turning.range.count - cut)...])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[start..<(start + cut)]))
        }
    }

    private func age(
        _ records: Int, by seconds: Int64, isStale: Bool, at start: Int, _ memory: UnsafeMutableRawBufferPointer
    ) {
        for index in 0..<records {
            let offset = start + place(index).offset
            let told = UInt32(bigEndian: memory.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
            let left = isStale ? MemorySettings.staleTTL : UInt32(clamping: Int64(told) - seconds)
            memory.storeBytes(of: left.bigEndian, toByteOffset: offset, as: UInt32.self)
        }
    }

    private func writeEDNS(
        _ edns: Query.Extension, _ circumstances: Circumstances, _ error: Int32, at start: Int,
        _ memory: UnsafeMutableRawBufferPointer
    ) {
        memory[start] = 0
        memory.store(RecordType.opt.rawValue, at: start + 1)
        memory.store(circumstances.udpSize, at: start + 3)
        memory[start + 5] = UInt8(truncatingIfNeeded: code.rawValue >> 4)
        memory[start + 6] = 0
        memory.store(edns.isDNSSECWanted ? 0x8000 : 0, at: start + 7)
        memory.store(error < 0 ? 0 : 6, at: start + 9)
        guard error >= 0 else { return }
        memory.store(EDNS.Code.extendedError.rawValue, at: start + 11)
        memory.store(2, at: start + 13)
        memory.store(UInt16(truncatingIfNeeded: error), at: start + 15)
    }
}

extension UnsafeMutableRawBufferPointer {
    @inline(__always)
    fileprivate func store(_ value: UInt16, at offset: Int) {
        storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt16.self)
    }
}

extension RememberedAnswer {
    /// The records again, with times to live as they are at `now`.
    func answer(now: Int64) -> OutsideAnswer? {
        let nameCount = keyCount - MemoryKey.tail
        var message: [UInt8] = [0, 0, 0x80, 0, 0, 1]
        for count in [answerCount, recordCount - answerCount, 0] { message += [UInt8(count >> 8), UInt8(count & 255)] }
        message += bytes[..<(nameCount + 4)]
        message += bytes[keyCount..<(keyCount + bodyCount)]
        guard let read = try? Message(message) else { return nil }
        let isStale = now >= end
        func aged(_ records: [Record]) -> [Record] {
            records.map { record in
                var record = record
                let left = isStale ? MemorySettings.staleTTL : UInt32(clamping: Int64(record.ttl.seconds) - (now - born) / 1000)
                record.ttl = TimeToLive(seconds: left)
                return record
            }
        }
        return OutsideAnswer(
            code, answers: aged(read.answers), authorities: aged(read.authorities), isAuthentic: isAuthentic && !isStale,
            error: isStale ? .staleAnswer : error < 0 ? nil : ExtendedError(rawValue: UInt16(truncatingIfNeeded: error)),
            rest: leadsHome ? read.answers.lastTarget : nil)
    }
}
