import Addressing
import Agent
import DNS
import KubeAPI
import NameServer

/// Somebody who is asked for a name, and where it says why it answers so.
struct NameServerPlace: CustomStringConvertible {
    let server: Upstream
    /// The port of its figures; 0: it is not asked why.
    let metricsPort: UInt16

    /// Who is asked, in this order until one answers.
    ///
    /// - Parameters:
    ///   - server: the only one, if it is given.
    ///   - resolver: else those of this file.
    static func places(
        server: String?, resolver: (path: String, file: ResolverFile), metricsPort: UInt16
    ) throws -> [NameServerPlace] {
        let servers = server.flatMap { Upstream($0) }.map { [$0] } ?? resolver.file.nameServers
        guard !servers.isEmpty else {
            throw AgentUsage("\(resolver.path) names no server; name one with --server, such as --server 10.96.0.10")
        }
        return servers.map { NameServerPlace(server: $0, metricsPort: metricsPort) }
    }

    var description: String { server.description }

    /// What it says; `nil` when nobody answers there.
    func ask(_ question: Question, overTCP isStream: Bool) -> Message? {
        DNSAsker(server).ask(question, overTCP: isStream || server.isTCPOnly)
    }

    /// What the question comes to there: the page `/explain` of one of our servers, beside its figures; `nil` when nobody shows it.
    func explanation(_ question: Question) -> JSONValue? {
        guard let pages, let text = DNSAsker(pages).page("/explain/\(question.type)/\(question.name)") else { return nil }
        return try? JSONReader().value(text)
    }

    /// Where it shows why.
    var pages: Upstream? {
        guard metricsPort != 0 else { return nil }
        var place = server
        (place.address.port, place.isTCPOnly) = (metricsPort, false)
        return place
    }
}
