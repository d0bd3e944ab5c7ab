internal import DNS

/// A query for whose answer somebody outside has to be asked, with all that the answer will need.
struct Errand: Sendable {
    var reply: OutsideReply
    var wish: OutsideWish
    /// What is to be done when the name that is asked for does not exist; `nil`: that is the answer.
    var round: Round?
    /// How often the way led through names of ours so far.
    private var returns = 0

    /// The rest of a search list's course.
    struct Round: Sendable {
        var course: SearchCourse
        var packet: [UInt8]
        /// Those that the query began with.
        var zones: Zones
        /// The answer to the first step, as it was written.
        var denial: [UInt8]
    }

    init(reply: OutsideReply, wish: OutsideWish) { (self.reply, self.wish) = (reply, wish) }

    /// The way on from an answer that ends with an alias of a name outside.
    init(
        _ query: Query, _ packet: Span<UInt8>, _ circumstances: Circumstances, written: UnsafeRawBufferPointer,
        _ alias: DomainName
    ) {
        let question = query.question(in: packet)
        reply = OutsideReply(query: query, question: question, circumstances: circumstances)
        // Our own writing; it can be read.
        reply.aliases = (try? Message(Array(written)))?.answers ?? []
        wish = query.wish(Question(alias, question.type, recordClass: question.recordClass))
    }

    /// Asks, and answers in the end: once, on any thread, perhaps before this returns.
    ///
    /// - Parameter zones: our own as they are when it is called, for aliases that lead into them.
    func run(
        _ outside: any OutsideNames, _ zones: @escaping @Sendable () -> Zones, _ answered: @escaping @Sendable ([UInt8]) -> Void
    ) {
        outside.resolve(wish) { heard in
            switch next(heard, zones) {
            case .done(let bytes): answered(bytes)
            case .again(let errand): errand.run(outside, zones, answered)
            }
        }
    }

    private enum Next {
        case done([UInt8])
        case again(Errand)
    }

    private func next(_ heard: OutsideAnswer, _ zones: () -> Zones) -> Next {
        guard let rest = heard.rest else { return next(heard) }
        switch completed(heard, rest, zones()) {
        case .whole(let answer): return next(answer)
        case .leadsOut(let errand): return .again(errand)
        }
    }

    private func next(_ heard: OutsideAnswer) -> Next {
        guard let round else { return .done(reply.bytes(heard)) }
        switch heard.code {
        case .noError: return .done(reply.bytes(heard))
        case .nameError: return next(round)
        default: return .done(round.denial)
        }
    }

    private func next(_ round: Round) -> Next {
        var course = round.course
        var answering = Answering()
        return withUnsafeTemporaryAllocation(byteCount: reply.query.sizeLimit(reply.circumstances), alignment: 8) { memory in
            let stretch = course.follow(
                reply.query, round.packet.span, round.zones, reply.circumstances, &answering, into: memory)
            switch stretch {
            case .found(let count): return .done(Array(memory[..<count]))
            case .nowhere: return .done(round.denial)
            case .outside(let count, let alias, let isStep):
                let written = UnsafeRawBufferPointer(rebasing: memory[..<count])
                var errand = Errand(reply.query, round.packet.span, reply.circumstances, written: written, alias)
                if isStep {
                    errand.round = round
                    errand.round?.course = course
                }
                return .again(errand)
            }
        }
    }
}

// MARK: - Aliases that lead to us

extension Errand {
    private enum Completion {
        case whole(OutsideAnswer)
        /// Our name is an alias itself, of one outside.
        case leadsOut(Errand)
    }

    /// How often the way may lead through names of ours.
    private static let mostReturns = 8

    /// What was heard, and behind it what our zones have of the name that it leads to.
    private func completed(_ heard: OutsideAnswer, _ rest: DomainName, _ zones: Zones) -> Completion {
        var question = wish.question
        question.name = rest
        var circumstances = reply.circumstances
        // Whatever the client's transport carries: the whole is cut later.
        circumstances.transport = .tcp
        let edns = EDNS(udpSize: circumstances.udpSize, isDNSSECWanted: wish.isDNSSECWanted)
        var answering = Answering()
        let (outcome, bytes) = answering.answer(Message.query(question, id: 0, edns: edns).bytes(), from: zones, circumstances)
        guard let own = try? Message(bytes) else {
            // In none of our zones now: told as far as it is known.
            return .whole(heard)
        }
        switch outcome {
        case .answer:
            let error = own.edns?.options.compactMap(\.extendedError).first ?? heard.error
            return .whole(
                OutsideAnswer(own.responseCode, answers: heard.answers + own.answers, authorities: own.authorities, error: error))
        case .unfinished(_, _, let alias):
            guard returns < Self.mostReturns else {
                return .whole(.failure(.other, "aliases lead in and out of our zones without an end, at \(alias)"))
            }
            var errand = self
            errand.returns += 1
            errand.reply.way += heard.answers + own.answers
            errand.wish.question.name = alias
            return .leadsOut(errand)
        case .outside, .silence: return .whole(heard)
        }
    }
}
