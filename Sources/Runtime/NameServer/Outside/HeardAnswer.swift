internal import DNS

/// What an upstream's message is worth: the part of it that answers the question, that the upstream may speak of, and nothing else.
///
/// Believed are the records along the chain of aliases that begins with the question's name, as long as the chain stays with names
/// that this upstream is asked for. Where it leaves them, the rest is asked of whoever is asked for the target. So an upstream of a
/// stub cannot answer for the world, nor the world's for a stub, and nobody for our own zones. Of the authority section the SOA
/// record of a denial is taken, with its proofs when DNSSEC is wanted; additional records never.
struct HeardAnswer {
    var code: ResponseCode
    var answers: [Record] = []
    var authorities: [Record] = []
    /// The chain leads out of what the upstream may speak of, or is not followed to its end: this name is to be asked for yet.
    var rest: DomainName?

    /// Longer chains are rings, or as good as ones.
    static let mostAliases = 16
    /// Records of an answer: more fit no message over UDP, and no honest one over TCP.
    static let mostRecords = 2000

    enum Refusal: Error, Hashable {
        /// It says nothing of the question: a referral to others.
        case referral
        case ring
        /// Far more records than anybody needs.
        case tooMany
    }

    /// - Parameters:
    ///   - message: an answer to this wish, whose response code is "no error" or "no such name".
    ///   - mayTellOf: whether the upstream has the word on a name.
    init(_ message: Message, to wish: OutsideWish, mayTellOf: (DomainName) -> Bool) throws(Refusal) {
        guard message.answers.count + message.authorities.count <= Self.mostRecords else { throw .tooMany }
        code = message.responseCode
        var byName: [DomainName: [Record]] = [:]
        for record in message.answers where record.recordClass == wish.question.recordClass {
            byName[record.name, default: []].append(record)
        }
        let type = wish.question.type
        var name = wish.question.name
        var seen: Set<DomainName> = [name]
        while true {
            let here = byName[name] ?? []
            let data = here.filter { $0.type == type || type == .any }
            if !data.isEmpty {
                take(data + (wish.isDNSSECWanted && type != .any ? here.signatures(of: type) : []), at: name)
                return
            }
            guard let alias = here.first(where: { $0.type == .cname }), case .cname(let target) = alias.data else { break }
            if wish.isDNSSECWanted { takeRedirection(above: name, byName, wish) }
            take([alias] + (wish.isDNSSECWanted ? here.signatures(of: .cname) : []), at: name)
            guard seen.insert(target).inserted, seen.count <= Self.mostAliases else { throw .ring }
            name = target
            guard mayTellOf(name) else {
                // What became of the target is not theirs to say.
                (code, rest) = (.noError, name)
                return
            }
        }
        try deny(message, name, wish)
    }

    /// Records of one name, in the case in which it was led to, so that they look like one set.
    private mutating func take(_ records: [Record], at name: DomainName) {
        // RFC 2181 §5: no record of a set is there twice.
        var seen: Set<RecordData> = []
        for record in records where seen.insert(record.data).inserted {
            var record = record
            record.name = name
            answers.append(record)
        }
    }

    /// The DNAME record that an alias was made from (RFC 6672 §3.1): who validates needs it.
    private mutating func takeRedirection(above name: DomainName, _ byName: [DomainName: [Record]], _ wish: OutsideWish) {
        var above = name.parent
        while let owner = above {
            if let records = byName[owner], let redirection = records.first(where: { $0.type == .dname }) {
                answers += [redirection] + records.signatures(of: .dname)
                return
            }
            above = owner.parent
        }
    }

    /// "No such name" or "nothing of this type", of the last name of the chain.
    private mutating func deny(_ message: Message, _ name: DomainName, _ wish: OutsideWish) throws(Refusal) {
        let isAbove: (Record) -> Bool = { $0.recordClass == wish.question.recordClass && name.isInside($0.name) }
        if let authority = message.authorities.first(where: { $0.type == .soa && isAbove($0) }) {
            authorities = [authority]
            if wish.isDNSSECWanted {
                let proofs: [RecordType] = [.nsec, .nsec3, .rrsig]
                authorities += message.authorities.filter {
                    proofs.contains($0.type) && $0.recordClass == authority.recordClass && $0.name.isInside(authority.name)
                }
            }
            return
        }
        guard code == .noError else { return }
        if !answers.isEmpty {
            // The chain was not followed to its end, as by servers that look nothing up for others.
            rest = name
            return
        }
        guard !message.header.isAuthoritative else { return }
        if message.authorities.contains(where: { $0.type == .ns }) { throw .referral }
    }
}

extension [Record] {
    /// RRSIG records over a type (RFC 4034 §3.1.1: it stands in their first two bytes).
    fileprivate func signatures(of type: RecordType) -> [Record] {
        filter { record in
            guard case .opaque(.rrsig, let bytes) = record.data, bytes.count >= 2 else { return false }
            return UInt16(bytes[0]) << 8 | UInt16(bytes[1]) == type.rawValue
        }
    }
}
