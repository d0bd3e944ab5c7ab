public import KubeAPI

/// What a scenario is played on: a lab, or in tests something that answers like one.
///
/// An error that is thrown ends the scenario; what is only not so yet is an answer, and is asked for again.
public protocol ScenarioStage: Sendable {
    /// The tree of an object; `nil` when there is none.
    func object(_ name: Scenario.Name) async throws -> JSONValue?
    /// The objects of a kind with all of these labels.
    func objects(_ word: String, namespace: String, labels: String) async throws -> [JSONValue]
    /// Creates an object, or merges the tree into the one that is there.
    func apply(_ tree: JSONValue, namespace: String) async throws
    func patch(_ name: Scenario.Name, _ patch: JSONValue) async throws
    /// Asks for an object to go; none is no error.
    func delete(_ name: Scenario.Name) async throws
    /// Sends something to each address of a place. No address yet is an empty answer.
    func reach(from: Scenario.Place, to: Scenario.Place, _ probe: Scenario.Probe) async throws -> [ScenarioReach]
    /// The same of servers that say whom they see.
    func sight(from: Scenario.Place, to: Scenario.Place, _ probe: Scenario.Probe) async throws -> [ScenarioReach]
    /// Where a place is; none when it has no address yet.
    func addresses(of place: Scenario.Place) async throws -> [String]
    /// What of all pairs of pods does not reach each other; `nil` when all do, and there are at least two.
    func reachAll() async throws -> String?
    func run(_ place: Scenario.Place, _ command: [String]) async throws -> ScenarioAnswer
    func kill(_ part: Scenario.Part) async throws
    func pause(agentOf node: String, isPaused: Bool) async throws
    func power(node: String, isOn: Bool) async throws
    func add(node: String) async throws
    func remove(node: String) async throws
    func renumber(node: String) async throws
    func changeBackend(_ words: [String]) async throws
    /// Begins to ask each address of a place again and again.
    func stream(from: Scenario.Place, to: Scenario.Place, _ probe: Scenario.Probe) async throws
    func streams() async throws -> [ScenarioStream]
    /// What is on the nodes, by node: a line for each link, address, route, rule and process of ours.
    func inventory() async throws -> [String: [String]]
}

/// What came of a probe to one address.
public struct ScenarioReach: Hashable, Sendable {
    public var address: String
    /// Why there was no answer; `nil` when there was one.
    public var silence: String?
    /// The address that the other end saw, when it says that.
    public var seen: String?

    public init(address: String, silence: String?, seen: String? = nil) {
        (self.address, self.silence, self.seen) = (address, silence, seen)
    }
}

/// How a stream of questions goes.
public struct ScenarioStream: Hashable, Sendable {
    /// From where to where.
    public var way: String
    public var answered: Int
    public var lost: Int
    /// What became of the first that was lost.
    public var first: String

    public init(way: String, answered: Int, lost: Int = 0, first: String = "") {
        (self.way, self.answered, self.lost, self.first) = (way, answered, lost, first)
    }
}

/// What a command wrote, both streams together, and how it ended.
public struct ScenarioAnswer: Hashable, Sendable {
    public var output: String
    public var code: Int

    public init(output: String, code: Int) {
        (self.output, self.code) = (output, code)
    }
}
