internal import DNS

/// A wish under way: who waits for it, and what is known of it so far, from one group of upstreams to the next along a chain of
/// aliases.
struct Inquiry {
    let wish: OutsideWish
    var waiters: [@Sendable (OutsideAnswer) -> Void]
    let begun: Duration
    /// The upstream whose loop this inquiry looks for; `nil` for all others.
    let probed: Upstream?
    private(set) var answers: [Record] = []
    private var isAuthentic = true
    /// The name whose records are still missing.
    private(set) var name: DomainName
    private var names: Set<DomainName>
    var exchange: Exchange?

    init(_ wish: OutsideWish, begun: Duration, probed: Upstream? = nil) {
        (self.wish, self.begun, self.probed, name) = (wish, begun, probed, wish.question.name)
        (waiters, names) = ([], [wish.question.name])
    }

    var question: Question { Question(name, wish.question.type, recordClass: wish.question.recordClass) }

    /// What came of asking for ``name``.
    mutating func add(_ heard: HeardAnswer, isAuthentic: Bool, isOurs: (DomainName) -> Bool) -> Progress {
        answers += heard.answers
        self.isAuthentic = self.isAuthentic && isAuthentic
        var answer = OutsideAnswer(heard.code, answers: answers, authorities: heard.authorities, isAuthentic: self.isAuthentic)
        guard let rest = heard.rest else { return .answered(answer) }
        answer.isAuthentic = false
        if isOurs(rest) {
            answer.rest = rest
            return .answered(answer)
        }
        guard names.insert(rest).inserted, names.count <= HeardAnswer.mostAliases else {
            return .answered(.failure(.other, "aliases lead round in a ring at \(rest)"))
        }
        name = rest
        return .unfinished
    }

    enum Progress {
        case answered(OutsideAnswer)
        /// Another group of upstreams is to be asked for ``name`` now.
        case unfinished
    }
}

extension OutsideAnswer {
    static func failure(_ error: ExtendedError, _ text: String) -> OutsideAnswer {
        OutsideAnswer(.serverFailure, error: ExtendedError(rawValue: error.rawValue, text: text))
    }

    /// Nobody gave an answer: why, of each who was asked.
    static func failure(_ failures: [Exchange.Failure]) -> OutsideAnswer {
        if let own = failures.compactMap(\.error).first { return OutsideAnswer(.serverFailure, error: own) }
        if failures.isEmpty { return .failure(.noReachableAuthority, "there is nobody to ask for this name") }
        let isNetwork = failures.allSatisfy { if case .network = $0.reason { true } else { $0.reason == .closed } }
        let saidSomething = failures.contains { if case .code = $0.reason { true } else { $0.reason == .referral } }
        var told: Set<String> = []
        let texts = failures.map { "\($0.upstream): \($0.reason)" }.filter { told.insert($0).inserted }
        let error: ExtendedError = isNetwork ? .networkError : saidSomething ? .other : .noReachableAuthority
        return .failure(error, texts.joined(separator: ", "))
    }
}
