public import Addressing
public import DNS

/// Whom the forwarder asks, and how.
public struct ForwardingSettings: Hashable, Sendable {
    /// Asked for every name that no stub is for. None: such names are answered with SERVFAIL.
    public var upstreams: [Upstream]
    /// Domains that others are asked for; the longest domain that a name is inside of counts.
    public var stubs: [Stub]
    public var order: Order
    /// Letters of questions are sent in random case, and the answer must repeat it: some more bits for a forger to guess. Some
    /// servers do not repeat it; they are asked over TCP.
    public var randomizesCase: Bool
    /// Where we listen ourselves: an upstream among them is never asked.
    public var ownAddresses: Set<SocketAddress>
    /// Domains of our own zones: an alias that leads there is told, and what an upstream says of its target is not believed.
    public var ownDomains: [DomainName]
    /// Until then somebody must have answered, or the client hears that nobody did. Clients wait for five seconds.
    public var patience: Duration
    /// How many questions may be under way to upstreams at once; more wait until one is answered.
    public var mostUnderWay: Int
    /// Each upstream is asked, when it is new, for a name that nobody has; if that question comes to us, it is not asked any more.
    public var detectsLoops: Bool

    /// A domain and who is asked for names in it.
    public struct Stub: Hashable, Sendable {
        public var domain: DomainName
        /// None: names in it are answered with SERVFAIL.
        public var upstreams: [Upstream]

        public init(_ domain: DomainName, _ upstreams: [Upstream]) { (self.domain, self.upstreams) = (domain, upstreams) }
    }

    /// Whom of several.
    public enum Order: String, Hashable, Sendable, CaseIterable {
        /// Whoever answers soonest, with a try of another now and then.
        case fastest
        /// The first as long as it answers.
        case sequential
        case random
    }

    public init(
        upstreams: [Upstream] = [], stubs: [Stub] = [], order: Order = .fastest, randomizesCase: Bool = false,
        ownAddresses: Set<SocketAddress> = [], ownDomains: [DomainName] = [], patience: Duration = .seconds(4),
        mostUnderWay: Int = 1000, detectsLoops: Bool = true
    ) {
        (self.upstreams, self.stubs, self.order, self.randomizesCase) = (upstreams, stubs, order, randomizesCase)
        (self.ownAddresses, self.ownDomains) = (ownAddresses, ownDomains)
        (self.patience, self.mostUnderWay, self.detectsLoops) = (patience, mostUnderWay, detectsLoops)
    }
}

/// A name server that is asked.
public struct Upstream: Hashable, Sendable {
    public var address: SocketAddress
    /// Of a link-local address: the interface that it is reached by.
    public var interface: String?
    /// Never asked over UDP.
    public var isTCPOnly: Bool
    /// Its word that it has validated an answer (AD) is passed on.
    public var isTrusted: Bool

    public init(_ address: SocketAddress, interface: String? = nil, isTCPOnly: Bool = false, isTrusted: Bool = false) {
        (self.address, self.interface) = (address, interface)
        (self.isTCPOnly, self.isTrusted) = (isTCPOnly, isTrusted)
    }
}

extension Upstream: LosslessStringConvertible {
    /// Reads `192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1`, `[2001:db8::1]:5353` and `fe80::1%eth0`; the port is 53 unless said.
    /// `tcp://` before it: never over UDP.
    public init?(_ description: String) {
        var text = Substring(description)
        let isTCPOnly = text.hasPrefix("tcp://")
        if isTCPOnly { text = text.dropFirst(6) }
        var interface: String?
        if let percent = text.firstIndex(of: "%") {
            let end = text[percent...].firstIndex(of: "]") ?? text.endIndex
            let name = text[text.index(after: percent)..<end]
            // IFNAMSIZ, its zero left out.
            guard (1...15).contains(name.utf8.count), !name.contains(where: { $0 == "/" || $0.isWhitespace }) else { return nil }
            interface = String(name)
            text.removeSubrange(percent..<end)
        }
        guard let address = IPAddress(String(text)).map({ SocketAddress($0, 53) }) ?? SocketAddress(text: String(text)) else {
            return nil
        }
        guard interface == nil || address.address.family == .v6, address.port != 0 else { return nil }
        self.init(address, interface: interface, isTCPOnly: isTCPOnly)
    }

    public var description: String {
        let scope = interface.map { "%\($0)" } ?? ""
        let host = "\(address.address)\(scope)"
        let place =
            address.port == 53 ? host : address.address.family == .v6 ? "[\(host)]:\(address.port)" : "\(host):\(address.port)"
        return (isTCPOnly ? "tcp://" : "") + place
    }
}

extension ForwardingSettings {
    /// Who has the word on a name.
    ///
    /// - Parameter isAsked: somebody asked for it and none of our zones had it, so that it is looked for elsewhere even inside one.
    func route(of name: DomainName, isAsked: Bool = false) -> Route {
        let stub = stubs.filter { name.isInside($0.domain) }.max { $0.domain.labelCount < $1.domain.labelCount }
        let own = isAsked ? nil : ownDomains.filter { name.isInside($0) }.max { $0.labelCount < $1.labelCount }
        if let own, own.labelCount >= stub?.domain.labelCount ?? 0 { return .ours(own) }
        guard let stub else { return .world }
        return .stub(stub.domain)
    }

    /// Which of the groups of upstreams has the word on a name.
    enum Route: Hashable {
        case world
        case stub(DomainName)
        case ours(DomainName)
    }

    /// Whether we listen there. At all addresses: then also at those of `lo`, whatever others the machine has.
    func isOwn(_ place: SocketAddress) -> Bool {
        if ownAddresses.contains(place) { return true }
        let isLoopback = place.address.family == .v4 ? place.address.number >> 24 == 127 : place.address.number == 1
        return isLoopback
            && ownAddresses.contains {
                $0.address.number == 0 && $0.port == place.port && $0.address.family == place.address.family
            }
    }

    func upstreams(_ route: Route) -> [Upstream] {
        switch route {
        case .world: upstreams
        case .stub(let domain): stubs.first { $0.domain == domain }?.upstreams ?? []
        case .ours: []
        }
    }
}
