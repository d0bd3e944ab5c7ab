public import KubeAPI

/// A story about a cluster: what is done to it, and what must be so then.
///
/// A scenario is a text file (`docs/scenarios.md` has its grammar), read by ``init(text:path:)`` and played by ``ScenarioRun`` on a
/// lab of its own. Steps are done one after the other; one that asks something of the cluster waits until it holds, or until
/// its patience is over.
public struct Scenario: Hashable, Sendable {
    /// The file it was read from, as errors name it.
    public var path: String
    /// What it shows, in a line.
    public var title: String
    /// How many nodes its lab has.
    public var nodes = 2
    /// What it asks of the lab beyond that: words for `tulle lab up`.
    public var options: [String] = []
    /// What else it asks of the lab, one of each list at a time: ``variants`` has a scenario for every combination.
    public var choices: [[[String]]] = []
    /// Which of the choices this one is; empty when there were none.
    public internal(set) var variation: [String] = []
    public var steps: [Step] = []

    public struct Step: Hashable, Sendable {
        /// Where it stands, from 1.
        public var line: Int
        /// As it was written, without what is indented below it.
        public var text: String
        public var action: Action
        /// It is done only in labs whose options hold all words of one of these, in their order; always, when there are none.
        public var conditions: [[String]] = []
        /// How long what it asks for may take to come true.
        public var patience: Duration
    }

    public enum Action: Hashable, Sendable {
        /// Creates the objects, or changes those that are there to what is said (a merge patch); in this namespace where they name
        /// none.
        case apply([JSONValue], namespace: String)
        case patch(Name, JSONValue)
        case delete(Name)
        case expect(Name, Condition)
        /// So many objects of a kind, with these labels.
        case count(word: String, namespace: String, labels: String, Int)
        case reach(from: Place, to: Place, Probe, isExpected: Bool)
        /// The other end answers, and sees the question come from an address of this place.
        case seen(from: Place, to: Place, Probe, as: Place)
        /// Every running pod reaches every other by ICMP, over each family.
        case reachAll
        case run(Place, [String], [Expectation])
        /// `kill -9`.
        case kill(Part)
        /// The agent of a node stands still (SIGSTOP), or goes on.
        case pause(node: String, isPaused: Bool)
        /// The node's power goes off, or comes back.
        case power(node: String, isOn: Bool)
        /// A node more, or one less; a step is done when an added one is Ready.
        case add(node: String)
        case remove(node: String)
        /// The node gets other addresses.
        case renumber(node: String)
        /// Every agent is started again with another backend: words for `tulle lab backend`.
        case backend([String])
        /// Begins to ask from one place to another, steadily, until the lab ends.
        case stream(from: Place, to: Place, Probe)
        /// All streams go on, and have lost nothing since they began.
        case unbroken
        /// Keeps in mind what is on every node: links, addresses, routes, rules, processes.
        case remember
        /// What is on every node is what was kept in mind.
        case unchanged
    }

    /// An object as kubectl names it: `deployment/web`.
    public struct Name: Hashable, Sendable, CustomStringConvertible {
        /// A kind's plural, singular or short name.
        public var word: String
        public var name: String
        public var namespace: String

        public var description: String { "\(word)/\(name)" }
    }

    public enum Condition: Hashable, Sendable {
        case exists
        case isGone
        case field(FieldQuery, isEqual: Bool, String)
    }

    /// Where something is done, or sent to.
    public enum Place: Hashable, Sendable, CustomStringConvertible {
        case node(String)
        case pod(namespace: String, name: String)
        /// At the end of a way: the addresses of a service.
        case service(namespace: String, name: String)
        /// An address, or a name, as it stands.
        case address(String)
        /// The machine that the lab runs on, for kubectl.
        case host

        public var description: String {
            switch self {
            case .node(let name): "node/\(name)"
            case .pod(_, let name): "pod/\(name)"
            case .service(_, let name): "service/\(name)"
            case .address(let text): text
            case .host: "host"
            }
        }
    }

    public enum Probe: Hashable, Sendable, CustomStringConvertible {
        /// ICMP echo.
        case ping
        case tcp(UInt16)
        case udp(UInt16)

        public var description: String {
            switch self {
            case .ping: " ping"
            case .tcp(let port): " tcp \(port)"
            case .udp(let port): " udp \(port)"
            }
        }
    }

    /// What a command's answer must be.
    public enum Expectation: Hashable, Sendable, CustomStringConvertible {
        case contains(String)
        case lacks(String)
        /// A regular expression that some line matches.
        case matches(String)
        /// Without one the command must end with 0.
        case exit(Int)

        public var description: String {
            switch self {
            case .contains(let text): "contains \(text)"
            case .lacks(let text): "lacks \(text)"
            case .matches(let pattern): "matches \(pattern)"
            case .exit(let code): "exit \(code)"
            }
        }
    }

    /// A process of the lab that can die.
    public enum Part: Hashable, Sendable, CustomStringConvertible {
        case apiServer
        case agent(node: String)

        public var description: String {
            switch self {
            case .apiServer: "api-server"
            case .agent(let node): "agent \(node)"
            }
        }
    }
}
