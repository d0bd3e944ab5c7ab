import KubeAPI

/// Time spans as kubectl writes them: the larger the span, the coarser.
enum Age {
    static let unknown = "<unknown>"

    static func text(since moment: JSONValue?, _ now: Timestamp) -> String {
        guard let then = moment?.string.flatMap(Timestamp.init) else { return unknown }
        return text(now.seconds - then.seconds)
    }

    /// `45s`, `3m12s`, `42m`, `5h7m`, `30h`, `3d4h`, `40d`, `3y20d`, `9y`.
    static func text(_ seconds: Int64) -> String {
        // A clock that is a moment ahead of ours is no news.
        if seconds < -1 { return "<invalid>" }
        if seconds < 0 { return "0s" }
        let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400)
        let year: Int64 = 365
        switch seconds {
        case ..<120: return "\(seconds)s"
        case ..<600: return pair(minutes, "m", seconds % 60, "s")
        case ..<10800: return "\(minutes)m"
        case ..<28800: return pair(hours, "h", minutes % 60, "m")
        case ..<172_800: return "\(hours)h"
        case ..<691_200: return pair(days, "d", hours % 24, "h")
        case ..<(2 * year * 86400): return "\(days)d"
        case ..<(8 * year * 86400): return pair(days / year, "y", days % year, "d")
        default: return "\(days / year)y"
        }
    }

    private static func pair(_ a: Int64, _ unitA: String, _ b: Int64, _ unitB: String) -> String {
        b == 0 ? "\(a)\(unitA)" : "\(a)\(unitA)\(b)\(unitB)"
    }
}
