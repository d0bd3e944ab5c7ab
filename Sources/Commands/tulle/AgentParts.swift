import Agent
import Plan

/// Reads `--parts`.
enum AgentParts {
    /// Names that the design has, and this release does not.
    private static let later = ["dns"]

    static func duties(_ text: String) throws -> Set<Duty> {
        let known = Duty.allCases.map(\.rawValue)
        let names = text.split(separator: ",", omittingEmptySubsequences: false).map {
            String($0.trimmingPrefix(while: \.isWhitespace))
        }
        return try Set(
            names.map { name in
                if let duty = Duty(rawValue: name) { return duty }
                if later.contains(name) {
                    throw AgentUsage("--parts: \(name) is not there yet; there are: \(known.joined(separator: ", "))")
                }
                throw AgentUsage("--parts: “\(name)” is no part; there are: \(known.joined(separator: ", "))")
            })
    }
}
