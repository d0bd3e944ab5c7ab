internal import Addressing
internal import DNS

/// Answers packets on one thread: from the zones, from what is known of the world outside, and by the clients' search lists.
struct Clerk: ~Copyable {
    private var answering = Answering()
    private let outside: (any OutsideNames)?

    init(_ outside: (any OutsideNames)?) { self.outside = outside }

    /// What became of a packet.
    enum Turn {
        /// So many bytes are written.
        case answer(Int)
        case silence
        /// Somebody has to be asked.
        case errand(Errand)
    }

    /// The query that the last packet was; `nil` when it was none that could be read.
    var query: Query? { answering.query }

    mutating func putOff(
        _ packet: Span<UInt8>, _ circumstances: Circumstances, into memory: UnsafeMutableRawBufferPointer
    ) -> Turn {
        guard case .answer(let count) = answering.putOff(packet, circumstances, into: memory) else { return .silence }
        return .answer(count)
    }

    /// The answer when too many wait already.
    mutating func refuse(
        _ errand: Errand, _ refusal: UnderWay.Refusal, _ packet: Span<UInt8>, into memory: UnsafeMutableRawBufferPointer
    ) -> Int {
        let text =
            switch refusal {
            case .full: "too many queries under way"
            case .clientFull: "too many queries of this client under way"
            }
        let error = ExtendedError(rawValue: ExtendedError.other.rawValue, text: text)
        return answering.refuse(errand.reply.query, packet, .serverFailure, error, errand.reply.circumstances, into: memory)
    }

    /// - Parameter client: asked for only when it matters who asks.
    mutating func answer(
        _ packet: Span<UInt8>, from client: @autoclosure () -> IPAddress, _ open: inout Desk.Open,
        _ circumstances: Circumstances, into memory: UnsafeMutableRawBufferPointer
    ) -> Turn {
        switch answering.answer(packet, from: open.names.zones, circumstances, into: memory) {
        case .silence: return .silence
        case .answer(let count):
            guard let clients = open.names.clients, memory.isDenial(after: 0), let query = answering.query,
                let list = clients[client()]?.searchList,
                var course = SearchCourse(query.name(in: packet), list)
            else { return .answer(count) }
            return follow(&course, query, packet, count, &open, circumstances, memory)
        case .outside(let query):
            if let count = outside?.known(query, packet, circumstances, into: memory) { return .answer(count) }
            let reply = OutsideReply(query: query, question: query.question(in: packet), circumstances: circumstances)
            return .errand(Errand(reply: reply, wish: query.wish(reply.question)))
        case .unfinished(let count, let query, let alias):
            return .errand(
                Errand(query, packet, circumstances, written: UnsafeRawBufferPointer(rebasing: memory[..<count]), alias))
        }
    }

    private mutating func follow(
        _ course: inout SearchCourse, _ query: Query, _ packet: Span<UInt8>, _ count: Int, _ open: inout Desk.Open,
        _ circumstances: Circumstances, _ memory: UnsafeMutableRawBufferPointer
    ) -> Turn {
        let denial = Array(memory[..<count])
        switch course.follow(query, packet, open.names.zones, circumstances, &answering, into: memory) {
        case .found(let count):
            open.tally.collapsed += 1
            return .answer(count)
        case .nowhere:
            memory.copyBytes(from: denial)
            return .answer(count)
        case .outside(let count, let alias, let isStep):
            open.tally.collapsed += 1
            let written = UnsafeRawBufferPointer(rebasing: memory[..<count])
            var errand = Errand(query, packet, circumstances, written: written, alias)
            if isStep {
                errand.round = Errand.Round(
                    course: course, packet: packet.withUnsafeBytes { Array($0) }, zones: open.names.zones, denial: denial)
            }
            return .errand(errand)
        }
    }
}

extension SearchCourse {
    /// How a stretch of the course through the zones ended.
    enum Stretch {
        /// An answer of so many bytes is written.
        case found(Int)
        /// So many bytes are written, which end with an alias of this name, that is to be asked for outside.
        ///
        /// `isStep`: it is the course's own; else the step exists, and is an alias itself.
        case outside(Int, DomainName, isStep: Bool)
        case nowhere
    }

    /// Goes on until a name exists, or somebody outside has to be asked.
    mutating func follow(
        _ query: Query, _ packet: Span<UInt8>, _ zones: Zones, _ circumstances: Circumstances, _ answering: inout Answering,
        into memory: UnsafeMutableRawBufferPointer
    ) -> Stretch {
        while let step = next() {
            // Nobody knows names outside.
            if !circumstances.forwards, !zones.covers(step) { continue }
            let outcome = answering.answer(
                query, packet, asAliasOf: step, ttl: Self.ttl, from: zones, circumstances, into: memory)
            switch outcome {
            case .answer(let count):
                if memory.isDenial(after: 1) { continue }
                return memory[3] & 0xF == 0 ? .found(count) : .nowhere
            case .unfinished(let count, _, let alias): return .outside(count, alias, isStep: alias == step)
            case .silence, .outside: return .nowhere
            }
        }
        return .nowhere
    }
}

extension UnsafeMutableRawBufferPointer {
    /// Whether the answer that is written here says "no such name" after so many aliases.
    @inline(__always)
    fileprivate func isDenial(after aliases: Int) -> Bool {
        self[3] & 0xF == 3 && Int(self[6]) << 8 | Int(self[7]) == aliases
    }
}
