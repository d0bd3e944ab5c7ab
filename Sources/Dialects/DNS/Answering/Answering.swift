/// Answers queries from zones: bytes in, bytes out, by nothing but its arguments.
///
/// Each thread has one of its own, as it keeps memory from one answer to the next; answers do not depend on it.
public struct Answering: ~Copyable {
    private var writer = MessageWriter()
    /// The name that is asked for, then the aliases' targets.
    private var key = NameKey()
    /// The query that the last packet was; `nil` when it was none that could be read.
    public private(set) var query: Query?

    public init() {}

    /// Aliases of aliases are followed so often; then it is a ring, or as good as one.
    static let mostAliases = 16

    /// Answers a packet.
    ///
    /// The answer repeats the question as it came, in its case. It never has more bytes than the transport carries and the client
    /// says it takes; what does not fit is left out, with TC set when it is missed.
    ///
    /// - Parameters:
    ///   - packet: as it came, without the length that goes before it over TCP.
    ///   - memory: at least 512 bytes, for TCP 65,535, else answers are cut to what is there. It may not overlap the packet.
    public mutating func answer(
        _ packet: Span<UInt8>, from zones: Zones, _ circumstances: Circumstances, into memory: UnsafeMutableRawBufferPointer
    ) -> Outcome {
        let query: Query
        do throws(Query.Refusal) {
            query = try read(packet)
        } catch {
            return refuse(error, circumstances, memory)
        }
        begin(query, packet, circumstances, memory)
        var reply = Reply(query, circumstances)
        if let code = Self.objection(to: query) {
            reply.fail(code)
            return .answer(reply.finish(&writer))
        }
        return answer(query, &reply, zones, circumstances)
    }

    /// Answers a query as if its name were an alias of another, and says so with a record of its own: for a server that knows which
    /// name its client will come to in the end.
    ///
    /// ``Outcome/outside(_:)`` does not come: with a target in none of the zones the answer is unfinished.
    ///
    /// - Parameters:
    ///   - query: read from this packet.
    ///   - ttl: of the alias.
    public mutating func answer(
        _ query: Query, _ packet: Span<UInt8>, asAliasOf target: DomainName, ttl: TimeToLive, from zones: Zones,
        _ circumstances: Circumstances, into memory: UnsafeMutableRawBufferPointer
    ) -> Outcome {
        begin(query, packet, circumstances, memory)
        var reply = Reply(query, circumstances)
        guard (try? key.read(packet, at: Header.size)) != nil else {
            reply.fail(.formatError)
            return .answer(reply.finish(&writer))
        }
        var hash: UInt64 = 0
        if let hold = zones.hold(key, &hash) { reply.enter(hold, key) }
        guard reply.alias(RecordSet(.cname, ttl: ttl, [target.wire]), &writer) else { return .answer(reply.finish(&writer)) }
        key.read(target.wire, at: 0)
        return answer(query, &reply, zones, circumstances, after: 1)
    }

    /// Answers a packet without records and with TC set, so that an honest client comes again over TCP.
    public mutating func putOff(
        _ packet: Span<UInt8>, _ circumstances: Circumstances, into memory: UnsafeMutableRawBufferPointer
    ) -> Outcome {
        let query: Query
        do throws(Query.Refusal) {
            query = try read(packet)
        } catch {
            return refuse(error, circumstances, memory)
        }
        begin(query, packet, circumstances, memory)
        var reply = Reply(query, circumstances)
        reply.putOff()
        return .answer(reply.finish(&writer))
    }

    /// Answers a query with a response code and nothing else: what a server says when it could not find out.
    public mutating func refuse(
        _ query: Query, _ packet: Span<UInt8>, _ code: ResponseCode, _ error: ExtendedError? = nil,
        _ circumstances: Circumstances, into memory: UnsafeMutableRawBufferPointer
    ) -> Int {
        begin(query, packet, circumstances, memory)
        var reply = Reply(query, circumstances)
        reply.fail(code, error)
        return reply.finish(&writer)
    }

    /// The same with arrays, for whoever answers a few.
    public mutating func answer(
        _ packet: [UInt8], from zones: Zones, _ circumstances: Circumstances = Circumstances()
    ) -> (Outcome, [UInt8]) {
        withUnsafeTemporaryAllocation(byteCount: Int(UInt16.max), alignment: 8) { memory in
            let outcome = answer(packet.span, from: zones, circumstances, into: memory)
            return (outcome, Array(memory[..<outcome.count]))
        }
    }
}

// MARK: - What is refused whatever the zones hold

extension Answering {
    @inline(__always)
    private mutating func read(_ packet: Span<UInt8>) throws(Query.Refusal) -> Query {
        query = nil
        let read = try Query(reading: packet, &key)
        query = read
        return read
    }

    private mutating func refuse(
        _ refusal: Query.Refusal, _ circumstances: Circumstances, _ memory: UnsafeMutableRawBufferPointer
    ) -> Outcome {
        guard case .bare(let header, let code) = refusal else { return .silence }
        writer.start(memory, limit: 512)
        writer.header(Reply.header(of: header, circumstances, code))
        return .answer(writer.count)
    }

    private static func objection(to query: Query) -> ResponseCode? {
        // RFC 6891 §6.1.3.
        if let edns = query.edns, edns.version > 0 { return .badVersion }
        guard query.recordClass == .internet else { return .refused }
        guard query.type.isMeta, query.type != .any else { return nil }
        return switch query.type {
        // Zones are not given away.
        case .axfr, .ixfr: .refused
        // Not types that one can ask for.
        case .opt, .tsig, .tkey, RecordType(rawValue: 0): .formatError
        default: .notImplemented
        }
    }

    /// Header and question, and room kept for the OPT record.
    private mutating func begin(
        _ query: Query, _ packet: Span<UInt8>, _ circumstances: Circumstances, _ memory: UnsafeMutableRawBufferPointer
    ) {
        var limit = Int(UInt16.max)
        if circumstances.transport == .udp {
            limit = min(max(Int(query.edns?.udpSize ?? 512), 512), Int(circumstances.udpSize))
        }
        writer.start(memory, limit: limit)
        writer.header(Header(id: query.header.id))
        packet.bytes.extracting(Header.size..<query.questionEnd).withUnsafeBytes { writer.run($0) }
        if query.edns != nil { writer.reserve(Reply.ednsSize) }
    }
}

// MARK: - From the zones

extension Answering {
    /// - Parameter aliases: how many are written already.
    private mutating func answer(
        _ query: Query, _ reply: inout Reply, _ zones: Zones, _ circumstances: Circumstances, after aliases: Int = 0
    ) -> Outcome {
        var hash: UInt64 = 0
        for step in aliases...Self.mostAliases {
            let hold = zones.hold(key, &hash)
            if let hold, !hold.zone.isComplete {
                reply.fail(.serverFailure, .notReady)
                return .answer(reply.finish(&writer))
            }
            if step == 0, let hold { reply.enter(hold, key) }
            if hold?.zone.passesOn ?? true, let host = zones.hosts.host(key, hash) {
                if step == 0, hold == nil { reply.enter() }
                answer(query.type, &reply, host, in: hold, hash, zones)
                return .answer(reply.finish(&writer))
            }
            guard let hold else { return outside(query, &reply, step, circumstances) }
            switch hold.find(key, hash, query.type) {
            case .alias(let set):
                guard reply.alias(set, &writer) else { return .answer(reply.finish(&writer)) }
                key.read(set.data, at: set.start + 2)
                continue
            case .nameError where hold.zone.passesOn: return outside(query, &reply, step, circumstances)
            case .nameError: reply.deny(.nameError, hold, &writer)
            case .noData: reply.deny(.noError, hold, &writer)
            case .answer(let set):
                if reply.answer(set, &writer) { reply.addTargets(of: set, zones, &writer) }
            case .dashed(let address, let ttl): reply.answer(address, ttl, &writer)
            case .referral(let servers, let depth): reply.refer(servers, key, depth, hold, &writer)
            }
            return .answer(reply.finish(&writer))
        }
        // RFC 1034 §3.6.2: a ring is an error.
        reply.fail(
            .serverFailure, ExtendedError(rawValue: ExtendedError.other.rawValue, text: "its aliases lead round in a ring"))
        return .answer(reply.finish(&writer))
    }

    /// A single name, in a zone that passes on or in none: there it is a zone of its own.
    private mutating func answer(
        _ type: RecordType, _ reply: inout Reply, _ host: Hosts.Host, in hold: Zones.Hold?, _ hash: UInt64, _ zones: Zones
    ) {
        if let set = host.set(type, beside: hold?.owner(key, hash)) ?? (hold == nil ? host.zoneSet(type, key) : nil) {
            if reply.answer(set, &writer) { reply.addTargets(of: set, zones, &writer) }
        } else if let hold {
            reply.deny(.noError, hold, &writer)
        } else {
            reply.deny(host.denial(key), at: key.suffix(depth: key.labels), &writer)
        }
    }

    /// The name, or what it is an alias of, is not ours.
    private mutating func outside(
        _ query: Query, _ reply: inout Reply, _ step: Int, _ circumstances: Circumstances
    ) -> Outcome {
        if step == 0 {
            if circumstances.forwards { return .outside(query) }
            reply.fail(.refused, .notAuthoritative)
            return .answer(reply.finish(&writer))
        }
        let count = reply.finish(&writer)
        guard circumstances.forwards else { return .answer(count) }
        return .unfinished(count, query, alias: reply.lastAlias)
    }
}
