import Addressing
import Cluster
import KubeAPI
import Plan
import Synchronization
import Telemetry

/// What the agent shows of itself over HTTP: the last state that was hung out. Whoever asks never waits for a round.
///
/// | | |
/// |---|---|
/// | `/metrics` | the figures |
/// | `/healthz`, `/livez` | 200 while the agent gets through what it does; 503 when it has been at one thing for two minutes |
/// | `/readyz` | 200 once everything was compared with the kernel and carried out as far as it could be |
/// | `/proxyMode` | `nftables`, as kube-proxy says it |
final class StatusBoard: Sendable {
    struct State: Sendable {
        var report = Reconciler.Report()
        var figures = AgentFigures()
        var deserted: [IPFamily: LocalServices.Deserted] = [:]
        var services = 0
        /// The node's.
        var families: Set<IPFamily> = []
        /// Services are served as they were asked for.
        var areServicesRight = true
        /// The node's object neither ends nor is about to be taken away by an autoscaler.
        var isNodeEligible = true
        /// Since when the agent is at what it does now; `nil`: it waits for something to happen.
        var busySince: Duration?
        /// Since when services are not right.
        var wrongSince: Duration?
    }

    private let state = Mutex(State())
    private let parts: String
    private let hasServices: Bool
    /// What others show of themselves.
    private let more: @Sendable (inout Exposition) -> Void
    private let now: @Sendable () -> Duration
    private let date: @Sendable () -> Timestamp

    init(
        _ settings: AgentSettings, now: @escaping @Sendable () -> Duration,
        date: @escaping @Sendable () -> Timestamp = { Timestamp(seconds: 0) },
        more: @escaping @Sendable (inout Exposition) -> Void = { _ in }
    ) {
        self.more = more
        self.date = date
        parts = settings.parts
        hasServices = settings.duties.contains(.services)
        self.now = now
    }

    private static let patience = Duration.seconds(120)

    func begin() { state.withLock { $0.busySince = now() } }

    /// What was done is done.
    func show(_ next: State) {
        state.withLock { state in
            let wrongSince = next.areServicesRight ? nil : state.wrongSince ?? now()
            state = next
            state.wrongSince = wrongSince
        }
    }

    private func isStuck(_ state: State) -> Bool { state.busySince.map { now() - $0 > Self.patience } ?? false }

    /// What a load balancer is told of this node, in kube-proxy's words: 503 when changes to services have not been carried out for a
    /// minute, and, at `/healthz` alone, when the node is about to go.
    func answer(health question: HTTPQuestion) -> HTTPAnswer {
        let state = state.withLock { $0 }
        let isNodeToo = question.path == "/healthz"
        guard isNodeToo || question.path == "/livez" else { return .notFound }
        let isLate = state.wrongSince.map { now() - $0 > .seconds(60) } ?? false
        let isHealthy = !isStuck(state) && !isLate && (state.isNodeEligible || !isNodeToo)
        let current = date()
        // While all is well the last look is now, also where nothing changed.
        let updated = isHealthy ? current : state.figures.lastServiceRound ?? Timestamp(seconds: 0)
        let body =
            #"{"lastUpdated": "\#(Self.words(updated))","currentTime": "\#(Self.words(current))""#
            + (isNodeToo ? #", "nodeEligible": \#(state.isNodeEligible)}"# : "}")
        return HTTPAnswer(
            isHealthy ? 200 : 503, body, contentType: "application/json", headers: [.init("x-content-type-options", "nosniff")])
    }

    /// As Go writes a time: `2026-11-21 23:05:01.250000 +0000 UTC`.
    private static func words(_ time: Timestamp) -> String {
        time.microTime.replacing("T", with: " ").replacing("Z", with: " +0000 UTC")
    }

    func answer(_ question: HTTPQuestion) -> HTTPAnswer {
        let state = state.withLock { $0 }
        switch question.path {
        case "/metrics": return HTTPAnswer(200, page(state).text, contentType: Exposition.contentType)
        case "/healthz", "/livez":
            let busy = state.busySince.map { now() - $0 } ?? .zero
            guard busy > Self.patience else { return HTTPAnswer(200, "ok\n") }
            return HTTPAnswer(503, "at the same thing for \(busy.components.seconds) s\n")
        case "/readyz":
            return state.report.wholeRounds > 0
                ? HTTPAnswer(200, "ok\n") : HTTPAnswer(503, "nothing was compared with the kernel yet\n")
        case "/proxyMode" where hasServices: return HTTPAnswer(200, "nftables")
        default: return .notFound
        }
    }

    private func page(_ state: State) -> Exposition {
        var page = Exposition()
        page.add("tulle_agent_info", .gauge, "Which parts this agent does.", .init(1, ["parts": parts]))
        page.add("tulle_rounds_total", .counter, "Rounds that came to their end.", .init(state.report.rounds))
        page.add(
            "tulle_whole_rounds_total", .counter, "Rounds that compared everything with the kernel.",
            .init(state.report.wholeRounds))
        page.add("tulle_changes_total", .counter, "Steps written to the kernel.", .init(state.report.changes))
        let problems = Dictionary(grouping: state.report.problems, by: \.id)
        page.add(
            "tulle_problems", .gauge, "Problems that stand now, by their id.",
            Problem.ID.allCases.map {
                Exposition.Sample(problems[$0]?.count ?? 0, ["id": $0.rawValue, "severity": $0.severity.rawValue])
            })
        state.figures.add(
            to: &page, hasServices: hasServices, families: state.families, state.deserted, services: state.services)
        more(&page)
        ProcessFigures.add(to: &page)
        return page
    }
}
