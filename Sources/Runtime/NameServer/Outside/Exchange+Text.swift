internal import DNS

extension Exchange.Failure.Reason: CustomStringConvertible {
    var description: String {
        switch self {
        case .late: "no answer in time"
        case .network(let code): ErrorText.of(code)
        case .closed: "closed the connection"
        case .nonsense: "an answer that cannot be used"
        case .code(let code): "\(code)"
        case .referral: "only a referral; it resolves nothing for us"
        }
    }
}
