internal import DNS

/// What one thread, or the connections of one address, have counted.
struct Tally: Sendable {
    private var types = InlineArray<17, UInt64>(repeating: 0)
    private var codes = InlineArray<25, UInt64>(repeating: 0)
    private var requestSizes = InlineArray<15, UInt64>(repeating: 0)
    private var responseSizes = InlineArray<15, UInt64>(repeating: 0)
    private var durations = InlineArray<17, UInt64>(repeating: 0)
    private var requestBytes: UInt64 = 0
    private var responseBytes: UInt64 = 0
    private var nanoseconds: UInt64 = 0
    var silences: UInt64 = 0
    var kept: UInt64 = 0
    var slipped: UInt64 = 0
    var overflows: UInt64 = 0
    var clientOverflows: UInt64 = 0
    var collapsed: UInt64 = 0
    var unsent: UInt64 = 0

    /// - Parameters:
    ///   - type: `nil` when the query could not be read.
    ///   - bytes: of the packet.
    @inline(__always)
    mutating func asked(_ type: RecordType?, bytes: Int) {
        types[Self.index(of: type)] += 1
        requestSizes[Self.sizeIndex(bytes)] += 1
        requestBytes += UInt64(bytes)
    }

    @inline(__always)
    mutating func answered(_ code: ResponseCode, bytes: Int) {
        codes[min(Int(code.rawValue), Self.otherCode)] += 1
        responseSizes[Self.sizeIndex(bytes)] += 1
        responseBytes += UInt64(bytes)
    }

    mutating func refused(_ refusal: UnderWay.Refusal) {
        switch refusal {
        case .full: overflows += 1
        case .clientFull: clientOverflows += 1
        }
    }

    /// So many answers took so long.
    mutating func took(_ duration: UInt64, times: Int) {
        var (index, bound) = (0, Self.firstDuration)
        while index < 16, duration > bound { (index, bound) = (index + 1, bound * 2) }
        durations[index] += UInt64(times)
        nanoseconds += duration * UInt64(times)
    }
}

// MARK: - Buckets

extension Tally {
    /// The types that CoreDNS counts by their names, in the order of the counters.
    private static let namedTypes: [RecordType] = [
        .a, .aaaa, .cname, .ptr, .srv, .txt, .soa, .ns, .mx, .https, .svcb, .ds, .dnskey, .rrsig, .nsec, .nsec3,
    ]
    private static let otherType = 16
    private static let otherCode = 24
    /// In nanoseconds.
    private static let firstDuration: UInt64 = 250_000

    @inline(__always)
    private static func index(of type: RecordType?) -> Int {
        guard let type else { return otherType }
        if type == .a { return 0 }
        if type == .aaaa { return 1 }
        return namedTypes.firstIndex(of: type) ?? otherType
    }

    @inline(__always)
    private static func sizeIndex(_ bytes: Int) -> Int {
        switch bytes {
        case ...0: 0
        case ...100: 1
        case ...200: 2
        case ...300: 3
        case ...400: 4
        case ...511: 5
        case ...1023: 6
        case ...2047: 7
        case ...4095: 8
        case ...8291: 9
        case ...16000: 10
        case ...32000: 11
        case ...48000: 12
        case ...64000: 13
        default: 14
        }
    }
}

// MARK: - Sum

extension Tally {
    func add(to figures: inout NameServerFigures, _ transport: NameServerFigures.Transport) {
        for (index, count) in types.entries where count > 0 {
            let type = index == Self.otherType ? nil : Self.namedTypes[index]
            figures.requests[.init(transport: transport, type: type), default: 0] += count
        }
        for (index, count) in codes.entries where count > 0 {
            let code = index == Self.otherCode ? nil : ResponseCode(rawValue: UInt16(index))
            figures.responses[.init(transport: transport, code: code), default: 0] += count
        }
        let empty = NameServerFigures.Spread(bounds: NameServerFigures.Spread.sizes)
        figures.requestSizes[transport, default: empty].add(requestSizes.entries, sum: Double(requestBytes))
        figures.responseSizes[transport, default: empty].add(responseSizes.entries, sum: Double(responseBytes))
        figures.durations.add(durations.entries, sum: Double(nanoseconds) / 1e9)
        figures.silences += silences
        figures.kept += kept
        figures.slipped += slipped
        figures.overflows += overflows
        figures.clientOverflows += clientOverflows
        figures.collapsed += collapsed
        figures.unsent += unsent
    }
}

extension InlineArray where Element == UInt64 {
    fileprivate var entries: [(Int, UInt64)] { indices.map { ($0, self[$0]) } }
}

extension NameServerFigures.Spread {
    fileprivate mutating func add(_ entries: [(Int, UInt64)], sum: Double) {
        for (index, count) in entries { counts[index] += count }
        self.sum += sum
    }
}
