/// The mistakes of a text: the first ones, and how many more there are. Who has thousands has them for one reason.
public struct TextFaults: Hashable, Sendable {
    /// In the order of the text, ``most`` of them.
    public private(set) var first: [ZoneFile.Fault] = []
    /// The one behind them.
    public private(set) var next: ZoneFile.Fault?
    /// How many there are from that one on.
    public private(set) var more = 0

    public static let most = 10

    public init() {}

    public var isEmpty: Bool { first.isEmpty }

    /// How many more there are than those that are told, in words.
    public static func rest(_ count: Int) -> String { "\(count) more \(count == 1 ? "mistake" : "mistakes") from here on" }

    mutating func append(_ fault: @autoclosure () -> ZoneFile.Fault) {
        if first.count < Self.most { return first.append(fault()) }
        if more == 0 { next = fault() }
        more += 1
    }
}
