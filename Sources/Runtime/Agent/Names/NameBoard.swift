import Addressing
import Cluster
import DNS
import KubeAPI
import KubeClient
import NameServer
import Plan
import Synchronization
import Telemetry

/// What a name server shows of itself over HTTP.
///
/// | | |
/// |---|---|
/// | `/health` | 200 while it serves; 503 from when it was asked to stop |
/// | `/ready` | 200 once the cluster's names are known; 503 before |
/// | `/metrics` | the figures, under CoreDNS's names where they have one |
/// | `/explain/<type>/<name>` | the answer that a name gets, and which objects gave it, as JSON |
final class NameBoard: Sendable {
    private let state: Mutex<State>
    private let server: DNSServer
    private let forwarder: Forwarder?
    private let label: String

    private struct State {
        var feed: NameFeed
        var isLeaving = false
        var told: Set<Problem> = []
        var programming = NameProgramming()
    }

    enum Page { case health, ready, metrics, explain }

    /// What events came to.
    struct News {
        var feed: NameFeed
        var isChanged: Bool
        /// The names have become known with them.
        var isFirst: Bool
        /// Those that were not there before.
        var problems: [Problem]
    }

    init(_ feed: NameFeed, _ server: DNSServer, _ forwarder: Forwarder?, label: String) {
        state = Mutex(State(feed: feed))
        (self.server, self.forwarder, self.label) = (server, forwarder, label)
    }

    /// - Returns: the feed with these names.
    func use(_ custom: CustomNames) -> NameFeed {
        state.withLock { state in
            state.feed.use(custom)
            return state.feed
        }
    }

    /// - Returns: `nil` when the events mean nothing.
    func take(_ events: [ObjectEvent]) -> News? {
        state.withLock { state in
            let wasComplete = state.feed.isComplete
            let isChanged = state.feed.take(events)
            let problems = Set(state.feed.problems)
            let new = problems.subtracting(state.told)
            state.told = problems
            guard isChanged || !new.isEmpty else { return nil }
            return News(
                feed: state.feed, isChanged: isChanged, isFirst: !wasComplete && state.feed.isComplete, problems: new.sorted())
        }
    }

    /// These events are in the answers now, so long after they came.
    func observe(_ events: [ObjectEvent], took duration: Duration, at date: Timestamp) {
        state.withLock { $0.programming.observe(events, took: duration, at: date) }
    }

    func leave() { state.withLock { $0.isLeaving = true } }

    /// - Parameter shows: whether a page is shown where it is asked for.
    func answer(_ question: HTTPQuestion, shows: (Page) -> Bool) -> HTTPAnswer {
        switch question.path {
        case "/health" where shows(.health):
            let isLeaving = state.withLock { $0.isLeaving }
            return isLeaving ? HTTPAnswer(503, "it was asked to stop\n") : HTTPAnswer(200, "OK")
        case "/ready" where shows(.ready):
            let isReady = state.withLock { $0.feed.isComplete && !$0.isLeaving }
            return isReady ? HTTPAnswer(200, "OK") : HTTPAnswer(503, "the cluster's names are not known\n")
        case "/metrics" where shows(.metrics): return HTTPAnswer(200, page.text, contentType: Exposition.contentType)
        default:
            let words = question.path.split(separator: "/").map(String.init)
            guard words.count == 3, words[0] == "explain", shows(.explain) else { return .notFound }
            guard let type = RecordType(words[1]), let name = DomainName(words[2]) else {
                return HTTPAnswer(
                    400, "ask for /explain/<type>/<name>, such as /explain/A/kubernetes.default.svc.cluster.local\n")
            }
            return HTTPAnswer(
                200, "\(NameExplanation(Question(name, type), state.withLock { $0.feed.zones }, forwarder).json)\n",
                contentType: "application/json")
        }
    }

    private var page: Exposition {
        let (feed, programming, problems) = state.withLock { ($0.feed, $0.programming, $0.told) }
        var page = Exposition()
        page.add(server.figures, server: label)
        if let forwarder { page.add(forwarder.figures, server: label) }
        page.add("tulle_dns_services", .gauge, "Services that are known.", .init(feed.serviceCount))
        page.add(
            "tulle_dns_names", .gauge, "Names that exist, by zone.",
            feed.zones.all.map { .init($0.nameCount, ["zone": $0.apex.description]) })
        programming.add(to: &page)
        page.add(
            "tulle_problems", .gauge, "Problems that stand now, by their id.",
            Dictionary(grouping: problems, by: \.id).sorted { $0.key.rawValue < $1.key.rawValue }.map {
                .init($0.value.count, ["id": $0.key.rawValue, "severity": $0.key.severity.rawValue])
            })
        ProcessFigures.add(to: &page)
        return page
    }
}
