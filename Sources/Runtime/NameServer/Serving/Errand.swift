internal import DNS

/// A query for whose answer somebody outside has to be asked, with all that the answer will need.
struct Errand: Sendable {
    var reply: OutsideReply
    var wish: OutsideWish
    /// What is to be done when the name that is asked for does not exist; `nil`: that is the answer.
    var round: Round?

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
    func run(_ outside: any OutsideNames, _ answered: @escaping @Sendable ([UInt8]) -> Void) {
        outside.resolve(wish) { heard in
            switch next(heard) {
            case .done(let bytes): answered(bytes)
            case .again(let errand): errand.run(outside, answered)
            }
        }
    }

    private enum Next {
        case done([UInt8])
        case again(Errand)
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
