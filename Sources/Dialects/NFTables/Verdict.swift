/// What becomes of a packet.
public enum Verdict: Hashable, Sendable {
    case accept
    case drop
    /// Go on with the next rule (`NFT_CONTINUE`).
    case proceed
    /// Back to the calling chain.
    case comeBack
    case jump(String)
    case goto(String)

    /// The chain it names.
    public var chain: String? {
        switch self {
        case .jump(let chain), .goto(let chain): chain
        case .accept, .drop, .proceed, .comeBack: nil
        }
    }
}

extension Verdict: CustomStringConvertible {
    public var description: String {
        switch self {
        case .accept: "accept"
        case .drop: "drop"
        case .proceed: "continue"
        case .comeBack: "return"
        case .jump(let chain): "jump \(chain)"
        case .goto(let chain): "goto \(chain)"
        }
    }
}
