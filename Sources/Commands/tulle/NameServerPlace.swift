import Addressing
import Agent
import DNS
import KubeAPI
import NameServer
import Telemetry

/// Somebody who is asked for a name, and where it says why it answers so.
enum NameServerPlace: CustomStringConvertible {
    /// Over the network; its figures are at a port of their own. 0: it is not asked why.
    case server(Upstream, metricsPort: UInt16)
    /// The agent of this node, by its socket.
    case agent(NodeNames)

    /// What it says of a question.
    struct Answer {
        /// Who said it: `10.96.0.10`.
        let who: String
        let message: Message
        /// From when it was asked to when the answer was there.
        let time: Duration
        /// What was shown of why; `nil`: nothing.
        let explanation: JSONValue?
    }

    /// Who is asked over the network, in this order until one answers.
    ///
    /// - Parameters:
    ///   - server: the only one, if it is given.
    ///   - resolver: else those of this file.
    static func places(
        server: String?, resolver: (path: String, file: ResolverFile), metricsPort: UInt16
    ) throws -> [NameServerPlace] {
        let servers = server.flatMap { Upstream($0) }.map { [$0] } ?? resolver.file.nameServers
        guard !servers.isEmpty else {
            throw AgentUsage("\(resolver.path) names no server; name one with --server ADDRESS")
        }
        return servers.map { .server($0, metricsPort: metricsPort) }
    }

    var description: String {
        switch self {
        case .server(let server, _): server.description
        case .agent(let node): "the agent's socket \(node.socket)"
        }
    }

    /// - Parameter asksWhy: false where it showed nothing before; an agent says why with its answer.
    /// - Returns: `nil` when nobody answers there.
    /// - Throws: why an agent does not.
    func answer(_ question: Question, overTCP isStream: Bool, asksWhy: Bool, now: () -> Duration) throws -> Answer? {
        switch self {
        case .server(let server, _):
            // Asked before: afterwards the answer is always remembered.
            let explanation = asksWhy ? explanation(question) : nil
            let begin = now()
            guard let message = DNSAsker(server).ask(question, overTCP: isStream || server.isTCPOnly) else { return nil }
            return Answer(who: server.description, message: message, time: now() - begin, explanation: explanation)
        case .agent(let node):
            let begin = now()
            let answer = try node.ask(question)
            return Answer(who: answer.who, message: answer.message, time: now() - begin, explanation: answer.explanation)
        }
    }

    /// What the question comes to there: the page `/explain` of one of our servers, beside its figures; `nil` when nobody shows it.
    private func explanation(_ question: Question) -> JSONValue? {
        guard let pages, let text = DNSAsker(pages).page("/explain/\(question.type)/\(HTTPQuestion.part("\(question.name)"))")
        else { return nil }
        return try? JSONReader().value(text)
    }

    /// Where it shows why, if that is another place.
    var pages: Upstream? {
        guard case .server(var place, let port) = self, port != 0 else { return nil }
        (place.address.port, place.isTCPOnly) = (port, false)
        return place
    }
}
