internal import DNS

/// Questions that are sent only to see whether they come back to us.
struct LoopProbes {
    private var sent: [DomainName: Probe] = [:]

    private struct Probe {
        var upstream: Upstream
        var cameBack = false
    }

    /// A question below a domain that nobody else will ask.
    ///
    /// - Returns: `nil` when the domain's name is too long for another one below it.
    mutating func question(
        for upstream: Upstream, in domain: DomainName, using dice: inout some RandomNumberGenerator
    ) -> Question? {
        let labels = (0..<2).map { _ in String(UInt64.random(in: 0...UInt64.max, using: &dice)) }
        guard let name = domain.child(labels[0])?.child(labels[1]) else { return nil }
        sent[name] = Probe(upstream: upstream)
        // A type that hosts do not ask for.
        return Question(name, .hinfo)
    }

    /// The upstream that a question of ours was sent to, if it is one; it has come back to us.
    mutating func upstream(of question: Question) -> Upstream? {
        guard question.type == .hinfo, !sent.isEmpty, let probe = sent[question.name] else { return nil }
        sent[question.name]?.cameBack = true
        return probe.upstream
    }

    /// The question was answered, or never will be.
    ///
    /// - Returns: whether it came back to us.
    mutating func end(_ question: Question) -> Bool { sent.removeValue(forKey: question.name)?.cameBack ?? false }
}
