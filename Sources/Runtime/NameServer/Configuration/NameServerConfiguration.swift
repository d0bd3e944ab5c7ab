public import Addressing
public import DNS

/// How names are served, as people write it: `names.yaml`, or a key of that name in a ConfigMap. Every key may be left out.
///
/// `docs/dns.md` shows all keys with their meaning.
public struct NameServerConfiguration: Hashable, Sendable {
    /// What all names of the cluster end with.
    public var clusterDomain: DomainName
    /// `nil`: where the server is told to listen otherwise.
    public var listen: Listen?
    /// How long answers from the cluster's objects may be kept.
    public var ttl: TimeToLive
    public var pods: PodNames
    /// A pod's search list is gone through by the server.
    public var collapsesSearch: Bool
    public var forward: Forward
    public var stubs: [ForwardingSettings.Stub]
    public var custom: CustomNames
    public var cache: MemorySettings
    public var log: Log
    /// Lines of ``log`` in a second.
    public var logRate: Int
    /// `nil`: nobody is limited.
    public var rateLimit: RateLimit?

    public struct Listen: Hashable, Sendable {
        /// None: all of the machine.
        public var addresses: [IPAddress]
        public var port: UInt16
        /// Where the document says it, from 1; it is no part of the place.
        public var line = 1
    }

    /// Names that pods have by their addresses.
    public enum PodNames: String, Hashable, Sendable, CaseIterable {
        case disabled, insecure, verified
    }

    /// Which queries are logged.
    public enum Log: String, Hashable, Sendable, CaseIterable {
        case none, all
    }

    public struct RateLimit: Hashable, Sendable {
        /// Answers over UDP that a network gets in a second.
        public var responsesPerSecond: Int
        /// Networks that are not limited, beside those of the cluster's nodes and their pods.
        public var exempt: [IPPrefix]

        public init(responsesPerSecond: Int = 100, exempt: [IPPrefix] = ResponseLimit.privateNetworks) {
            (self.responsesPerSecond, self.exempt) = (responsesPerSecond, exempt)
        }
    }

    /// Who is asked for names of the world outside.
    public struct Forward: Hashable, Sendable {
        public var upstreams: Upstreams
        public var policy: ForwardingSettings.Order
        public var randomizesCase: Bool
        /// Upstreams' AD is passed on.
        public var isTrusted: Bool
        /// Upstreams are never asked over UDP.
        public var isTCPOnly: Bool
        public var patience: Duration
        public var mostUnderWay: Int

        public enum Upstreams: Hashable, Sendable {
            /// Those of a resolver's file, as it is at each time.
            case file(String)
            /// None: names of the world outside are refused.
            case these([Upstream])
        }
    }

    public init() {
        let settings = ForwardingSettings()
        clusterDomain = DomainName("cluster.local") ?? .root
        (listen, ttl, pods, collapsesSearch) = (nil, 5, .disabled, true)
        forward = Forward(
            upstreams: .file("/etc/resolv.conf"), policy: settings.order, randomizesCase: settings.randomizesCase,
            isTrusted: false,
            isTCPOnly: false, patience: settings.patience, mostUnderWay: settings.mostUnderWay)
        (stubs, custom, cache, rateLimit) = ([], CustomNames(), MemorySettings(), RateLimit())
        (log, logRate) = (.none, QueryLog.usualRate)
    }

    /// What all names of a cluster may end with: a name below the root that leaves room for those of services.
    ///
    /// - Returns: `nil` for any other text.
    public static func clusterDomain(_ text: String) -> DomainName? {
        DomainName(text).flatMap { $0.isRoot || $0.wire.count > 150 ? nil : $0 }
    }
}

extension NameServerConfiguration {
    /// The file of resolvers that is to be followed; `nil` when upstreams are chosen.
    public var resolverFile: String? {
        if case .file(let path) = forward.upstreams { path } else { nil }
    }

    /// False: names that are in no zone are refused.
    public var forwards: Bool { forward.upstreams != .these([]) || !stubs.isEmpty }

    /// What a ``Forwarder`` is to be told.
    ///
    /// - Parameters:
    ///   - resolvers: what stands in ``resolverFile``, as far as it could be read.
    ///   - own: where we listen ourselves.
    ///   - domains: apexes of the zones that are served.
    public func forwarding(_ resolvers: ResolverFile?, listening own: Set<SocketAddress>, domains: [DomainName])
        -> ForwardingSettings
    {
        var settings = ForwardingSettings(
            stubs: stubs, order: forward.policy, randomizesCase: forward.randomizesCase, ownAddresses: own, ownDomains: domains,
            patience: forward.patience, mostUnderWay: forward.mostUnderWay)
        switch forward.upstreams {
        case .file: resolvers?.apply(to: &settings)
        case .these(let upstreams): settings.upstreams = upstreams
        }
        for index in settings.upstreams.indices {
            if forward.isTrusted { settings.upstreams[index].isTrusted = true }
            if forward.isTCPOnly { settings.upstreams[index].isTCPOnly = true }
        }
        return settings
    }
}
