/// What a runtime asks, as it writes it into `CNI_COMMAND`.
public enum Verb: String, Hashable, Sendable, CaseIterable {
    case add = "ADD"
    case delete = "DEL"
    case check = "CHECK"
    case collectGarbage = "GC"
    case status = "STATUS"
    case version = "VERSION"

    static var list: String { "it is one of \(allCases.map(\.rawValue).joined(separator: ", "))" }

    /// The first specification that has the verb.
    public var since: SpecVersion {
        switch self {
        case .add, .delete, .version: .v0_3_0
        case .check: .v0_4_0
        case .collectGarbage, .status: .v1_1_0
        }
    }
}
