public import Addressing
public import DNS

/// What a server answers from at one moment. A value: it is swapped whole, and a query keeps the one it started with.
public struct ServedNames: Sendable {
    public var zones: Zones
    /// Who asks; `nil`: nobody is known, and no search list is collapsed.
    public var clients: ClientNames?
    /// Whether ``NameServerSettings/report`` hears of every query.
    public var isLogged: Bool
    /// What others than our own clients may cause us to send over UDP; `nil` limits nobody.
    public var responseLimit: ResponseLimit?
    /// Whether names that are in no zone are asked for outside, as far as the server has somebody for it; else they are refused.
    public var forwards: Bool

    public init(
        zones: Zones = Zones(), clients: ClientNames? = nil, isLogged: Bool = false, responseLimit: ResponseLimit? = nil,
        forwards: Bool = true
    ) {
        (self.zones, self.clients, self.isLogged, self.responseLimit) = (zones, clients, isLogged, responseLimit)
        self.forwards = forwards
    }
}

/// How many answers over UDP a network gets, so that nobody can have us flood somebody whose address he writes into his queries.
///
/// Counted for each /24 and /56. Of the answers beyond the rate every second one is sent without records and with TC set, so that
/// an honest client comes again over TCP, where addresses cannot be forged; the others are not sent.
public struct ResponseLimit: Hashable, Sendable {
    /// Answers a second, for a network and a thread of the server.
    public var rate: Int
    /// Networks that are not limited: those of pods and nodes.
    public var exempt: [IPPrefix]

    public init(rate: Int = 100, exempt: [IPPrefix]) { (self.rate, self.exempt) = (max(1, rate), exempt) }

    /// Networks of private use (RFC 1918, RFC 6598, RFC 4193), of links (RFC 3927, RFC 4291), and loopback: pods and nodes mostly have
    /// their addresses there, and the world outside has none.
    public static let privateNetworks = [
        "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7",
        "fe80::/10",
    ].compactMap { IPPrefix($0) }
}
