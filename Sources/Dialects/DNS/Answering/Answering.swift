/// Answers queries from zones: bytes in, bytes out, by nothing but its arguments.
///
/// Each thread has one of its own, as it keeps memory from one answer to the next; answers do not depend on it.
public struct Answering: ~Copyable {
    private var writer = MessageWriter()
    /// The name that is asked for, then the aliases' targets.
    private var key = NameKey()

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
        do {
            query = try Query(reading: packet, &key)
        } catch {
            guard case .bare(let header, let code) = error else { return .silence }
            writer.start(memory, limit: 512)
            writer.header(Reply.header(of: header, circumstances, code))
            return .answer(writer.count)
        }
        begin(query, packet, circumstances, memory)
        var reply = Reply(query, circumstances)
        if let code = Self.objection(to: query) {
            reply.fail(code)
            return .answer(reply.finish(&writer))
        }
        return answer(query, &reply, zones, circumstances)
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
    private mutating func answer(
        _ query: Query, _ reply: inout Reply, _ zones: Zones, _ circumstances: Circumstances
    ) -> Outcome {
        var hash: UInt64 = 0
        for step in 0...Self.mostAliases {
            guard let hold = zones.hold(key, &hash) else {
                return outside(query, &reply, step, circumstances)
            }
            guard hold.zone.isComplete else {
                reply.fail(.serverFailure, .notReady)
                return .answer(reply.finish(&writer))
            }
            if step == 0 { reply.enter(hold.zone, key) }
            switch hold.zone.find(key, hash, query.type) {
            case .alias(let set):
                guard reply.alias(set, &writer) else { return .answer(reply.finish(&writer)) }
                key.read(set.data, at: set.start + 2)
                continue
            case .nameError where hold.zone.passesOn: return outside(query, &reply, step, circumstances)
            case .nameError: reply.deny(.nameError, hold.zone, &writer)
            case .noData: reply.deny(.noError, hold.zone, &writer)
            case .answer(let set):
                if reply.answer(set, &writer) { reply.addTargets(of: set, zones, &writer) }
            case .dashed(let address, let ttl): reply.answer(address, ttl, &writer)
            case .referral(let servers, let depth): reply.refer(servers, key, depth, hold.zone, &writer)
            }
            return .answer(reply.finish(&writer))
        }
        // RFC 1034 §3.6.2: a ring is an error.
        reply.fail(.serverFailure, .other)
        return .answer(reply.finish(&writer))
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
