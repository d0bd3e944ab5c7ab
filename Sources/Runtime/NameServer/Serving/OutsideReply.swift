internal import DNS

/// The answer to a client out of what was heard outside, and of our own aliases that lead there.
///
/// The one place where such an answer is composed: it keeps the query's id, its question's case and its flags, speaks EDNS when the
/// client does, and is as long as transport and client allow.
struct OutsideReply {
    var query: Query
    var question: Question
    var circumstances: Circumstances
    /// Our own records, which stand first: aliases of which the last one leads outside.
    var aliases: [Record] = []
    /// What stands behind them: the way through names outside and ours, as far as it was gone.
    var way: [Record] = []

    func bytes(_ heard: OutsideAnswer) -> [UInt8] {
        let isFailure = heard.code != .noError && heard.code != .nameError
        // RD, CD and the opcode come back as they were.
        var header = Header(id: query.header.id, flags: query.header.flags & 0x7910)
        header.isResponse = true
        header.isRecursionAvailable = true
        // Of the first name in the answer (RFC 1035 §4.1.1).
        header.isAuthoritative = !aliases.isEmpty && !isFailure
        // RFC 6840 §5.8: for those who ask for it.
        let wantsProof = query.header.isAuthenticData || query.edns?.isDNSSECWanted == true
        header.isAuthenticData = heard.isAuthentic && aliases.isEmpty && way.isEmpty && wantsProof && !isFailure
        var message = Message(header, questions: [question])
        if let edns = query.edns {
            let options = heard.error.map { [EDNS.Option.extendedError($0)] } ?? []
            message.edns = EDNS(udpSize: circumstances.udpSize, isDNSSECWanted: edns.isDNSSECWanted, options: options)
        }
        message.responseCode = heard.code
        if !isFailure {
            message.answers = aliases + (way + heard.answers).map { named($0) }
            message.authorities = heard.authorities
        }
        return message.bytes(limit: query.sizeLimit(circumstances), circumstances.truncation)
    }

    /// Some clients compare the owner's name with their question byte by byte.
    private func named(_ record: Record) -> Record {
        guard record.name == question.name else { return record }
        var record = record
        record.name = question.name
        return record
    }
}

extension Query {
    /// Bytes that an answer to this query may have.
    func sizeLimit(_ circumstances: Circumstances) -> Int {
        guard circumstances.transport == .udp else { return Int(UInt16.max) }
        return min(max(Int(edns?.udpSize ?? 512), 512), Int(circumstances.udpSize))
    }

    /// What has to be found out for it, or for the name that its own is an alias of.
    func wish(_ question: Question) -> OutsideWish {
        OutsideWish(
            question, isDNSSECWanted: edns?.isDNSSECWanted ?? false, isCheckingDisabled: header.isCheckingDisabled)
    }
}
