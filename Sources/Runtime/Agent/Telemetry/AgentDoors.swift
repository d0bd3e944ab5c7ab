import Addressing
import Cluster
import KubeAPI
import Logging
import Plan
import Synchronization
import Telemetry

/// Where the agent is asked over HTTP: its figures at one address, the node's health at others, and one port for each service whose
/// load balancer asks.
///
/// A door is opened when it is needed first, and closed when nobody needs it any more. What cannot be opened is a problem, and is
/// tried again when the caller says so.
actor AgentDoors {
    private let node: String
    private let metricsAddress: SocketAddress?
    private let healthAddresses: [SocketAddress]
    /// At which of the node's addresses load balancers may ask; empty: at all.
    private let admitted: [IPPrefix]
    private let board: StatusBoard
    private let logger: Logger

    private var metrics: AnswerServer?
    private var metricsProblem: Problem?
    private var health: [SocketAddress: AnswerServer] = [:]
    private var healthProblems: [SocketAddress: Problem] = [:]
    private var checks: [Place: AnswerServer] = [:]
    private var refused: [Place: Problem] = [:]
    private let counts = Counts()
    private var attempt: Int?

    /// A port in one family.
    private struct Place: Hashable {
        var family: IPFamily
        var port: UInt16
    }

    /// What is answered at each place; read on event loops.
    private final class Counts: Sendable {
        let answers = Mutex<[Place: Answer]>([:])
        struct Answer: Hashable {
            var service: ServiceIndex.Name
            var count: Int
            var isHealthy: Bool
        }
    }

    init(_ settings: AgentSettings, board: StatusBoard, logger: Logger) {
        node = settings.node
        metricsAddress = settings.metricsAddress
        healthAddresses = settings.healthAddresses
        admitted = settings.nodePortAddresses
        (self.board, self.logger) = (board, logger)
    }

    /// Opens and closes what has to be.
    ///
    /// - Parameters:
    ///   - isHealthy: services are served as they were asked for.
    ///   - attempt: what could not be opened is tried again when it is another than before.
    /// - Returns: what cannot be opened now.
    func keep(_ wanted: [LocalServices.HealthCheck], isHealthy: Bool, attempt: Int) async -> [Problem] {
        let isNewAttempt = attempt != self.attempt
        self.attempt = attempt
        if isNewAttempt {
            await openMetrics()
            for address in healthAddresses where health[address] == nil { await openHealth(at: address) }
        }
        var answers: [Place: Counts.Answer] = [:]
        var problems = [metricsProblem].compactMap(\.self) + healthProblems.values
        for check in wanted.sorted(by: { $0.service < $1.service }) {
            var isTold = false
            for (family, count) in check.endpoints.sorted(by: { $0.key.name < $1.key.name }) {
                let place = Place(family: family, port: check.port)
                guard let owner = answers[place] else {
                    answers[place] = Counts.Answer(service: check.service, count: count, isHealthy: isHealthy)
                    continue
                }
                if !isTold { problems.append(problem(check.service, check.port, "it is \(owner.service)'s already")) }
                isTold = true
            }
        }
        if answers != counts.answers.withLock({ $0 }) { counts.answers.withLock { $0 = answers } }
        for place in checks.keys where answers[place] == nil { await checks.removeValue(forKey: place)?.close() }
        refused = refused.filter { answers[$0.key] != nil }
        for (place, answer) in answers where checks[place] == nil && (isNewAttempt || refused[place] == nil) {
            await open(place, for: answer.service)
        }
        return problems + refused.values
    }

    /// Nobody is answered any more.
    func close() async {
        for door in checks.values { await door.close() }
        checks = [:]
        for door in health.values { await door.close() }
        health = [:]
        await metrics?.close()
        metrics = nil
    }

    private func openHealth(at address: SocketAddress) async {
        do {
            health[address] = try await AnswerServer.open(at: address) { [board] in board.answer(health: $0) }
            healthProblems[address] = nil
        } catch {
            // A machine without the family has nobody who could ask there.
            guard (error as? AnswerServerFailure)?.isWithoutFamily != true else { return }
            healthProblems[address] = Problem(.healthAddressTaken, nil, "\(error)")
        }
    }

    private func openMetrics() async {
        guard let metricsAddress, metrics == nil else { return }
        do {
            metrics = try await AnswerServer.open(at: metricsAddress) { [board] in board.answer($0) }
            metricsProblem = nil
            logger.info("figures are shown", metadata: ["at": "\(metricsAddress)"])
        } catch {
            metricsProblem = Problem(.metricsAddressTaken, nil, "\(error)")
        }
    }

    private func open(_ place: Place, for service: ServiceIndex.Name) async {
        do {
            checks[place] = try await AnswerServer.open(
                at: SocketAddress(.any(place.family), place.port),
                admits: { [admitted] address in admitted.isEmpty || admitted.contains { $0.contains(address) } },
                answer: { [counts] _ in Self.answer(counts.answers.withLock { $0[place] }) })
            refused[place] = nil
        } catch {
            // A machine without the family has nobody who could ask there.
            guard (error as? AnswerServerFailure)?.isWithoutFamily != true else { return }
            refused[place] = problem(service, place.port, "\(error)")
        }
    }

    private func problem(_ service: ServiceIndex.Name, _ port: UInt16, _ why: String) -> Problem {
        Problem(
            .healthCheckPortTaken, ObjectKey(Service.resource.kind, namespace: service.namespace, name: service.name),
            "its healthCheckNodePort \(port) cannot be opened on node \(node): \(why)")
    }

    /// As kube-proxy answers, byte by byte: some balancers read it.
    private static func answer(_ answer: Counts.Answer?) -> HTTPAnswer {
        // Closed a moment ago.
        guard let answer else { return .notFound }
        let body = """
            {
            \t"service": {
            \t\t"namespace": "\(answer.service.namespace)",
            \t\t"name": "\(answer.service.name)"
            \t},
            \t"localEndpoints": \(answer.count),
            \t"serviceProxyHealthy": \(answer.isHealthy)
            }
            """
        return HTTPAnswer(
            answer.count > 0 && answer.isHealthy ? 200 : 503, body, contentType: "application/json",
            headers: [
                .init("x-content-type-options", "nosniff"), .init("x-load-balancing-endpoint-weight", "\(answer.count)"),
            ])
    }
}
