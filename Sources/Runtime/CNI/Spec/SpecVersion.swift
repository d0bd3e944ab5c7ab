/// The versions of the CNI specification we speak.
///
/// 0.1.0 and 0.2.0 have another result type, hold one address per family only, and no runtime in use asks for them.
public enum SpecVersion: String, Hashable, Sendable, CaseIterable, Comparable {
    case v0_3_0 = "0.3.0"
    case v0_3_1 = "0.3.1"
    case v0_4_0 = "0.4.0"
    case v1_0_0 = "1.0.0"
    case v1_1_0 = "1.1.0"

    public static let latest = SpecVersion.v1_1_0

    public static func < (a: Self, b: Self) -> Bool { a.order < b.order }

    private var order: Int {
        switch self {
        case .v0_3_0: 0
        case .v0_3_1: 1
        case .v0_4_0: 2
        case .v1_0_0: 3
        case .v1_1_0: 4
        }
    }

    /// The answer to VERSION.
    ///
    /// - Parameter asked: what the runtime wrote as `cniVersion`; it is repeated when we speak it.
    public static func answer(to asked: SpecVersion?) -> SmallJSON {
        [
            "cniVersion": .string((asked ?? .latest).rawValue),
            "supportedVersions": .array(allCases.map { .string($0.rawValue) }),
        ]
    }

    /// The version a configuration asks for, when it can be read at all: what an error is answered in.
    public init?(spokenIn input: [UInt8]) {
        guard let tree = try? SmallJSON(reading: input), let text = tree["cniVersion"]?.string else { return nil }
        self.init(rawValue: text)
    }
}
