import Agent
import Plan

/// Reads `--parts`.
enum AgentParts {
    static func duties(_ text: String) throws -> Set<Duty> {
        let known = Duty.allCases.map(\.rawValue)
        let names = text.split(separator: ",", omittingEmptySubsequences: false).map {
            String($0.trimmingPrefix(while: \.isWhitespace))
        }
        return try Set(
            names.map { name in
                if let duty = Duty(rawValue: name) { return duty }
                throw AgentUsage("--parts: “\(name)” is no part; there are: \(known.joined(separator: ", "))")
            })
    }
}
