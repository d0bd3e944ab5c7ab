public import Addressing
internal import Glibc

/// Where a name server listens, with how many threads, and what it lets others use up.
public struct NameServerSettings: Sendable {
    /// Each with sockets of its own; an unspecified address means all of its family, and answers leave from the one that was asked.
    public var addresses: [IPAddress]
    /// 0: one that the kernel chooses, the same for all addresses.
    public var port: UInt16
    /// Threads that serve UDP, for each address.
    public var threads: Int
    /// The largest message over UDP, in bytes: see ``Circumstances/udpSize``.
    public var udpSize: UInt16
    /// An address may come to the node after the server.
    ///
    /// The C name is `IP_FREEBIND`.
    public var mayBindAbsent: Bool
    public var streams: StreamLimits
    /// Queries that wait for the world outside at one time; more get SERVFAIL.
    public var mostUnderWay: Int
    /// Those of one client among them; more get SERVFAIL. A quarter of what a ``Forwarder`` asks at one time as usual, so that one
    /// client whose names nobody answers leaves the others their places.
    public var mostOfClient: Int
    /// A clock that only goes forward: how long answers take, and what a second is.
    public var now: @Sendable () -> Duration
    /// Hears of every query while ``ServedNames/isLogged`` says so: after the answer was sent, on the threads that serve, so it must
    /// not block.
    public var report: (@Sendable (QueryReport) -> Void)?

    public init(
        addresses: [IPAddress], port: UInt16 = 53, threads: Int = NameServerSettings.usualThreads, udpSize: UInt16 = 1232,
        mayBindAbsent: Bool = false, streams: StreamLimits = StreamLimits(), mostUnderWay: Int = 4096,
        mostOfClient: Int = 128, now: @escaping @Sendable () -> Duration, report: (@Sendable (QueryReport) -> Void)? = nil
    ) {
        (self.addresses, self.port, self.threads, self.udpSize) = (addresses, port, max(1, threads), min(max(udpSize, 512), 4096))
        (self.mayBindAbsent, self.streams, self.mostUnderWay) = (mayBindAbsent, streams, mostUnderWay)
        self.mostOfClient = mostOfClient
        (self.now, self.report) = (now, report)
    }

    /// As many as there are processors for us, and no more than four, of which each answers more than a hundred thousand queries a second.
    public static var usualThreads: Int { min(max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))), 4) }
}

/// What connections over TCP may use up.
public struct StreamLimits: Hashable, Sendable {
    /// A connection on which for so long no whole query came and no answer could be written is closed (RFC 7766 §6.2.3).
    public var idle: Duration
    /// Connections at one time; more are closed at once.
    public var most: Int
    /// Connections of one address at one time.
    public var mostOfClient: Int
    /// Queries of one connection that are answered at one time; the next are read when one of them is done.
    public var mostUnderWay: Int

    public init(idle: Duration = .seconds(10), most: Int = 1024, mostOfClient: Int = 64, mostUnderWay: Int = 128) {
        (self.idle, self.most, self.mostOfClient, self.mostUnderWay) = (idle, most, mostOfClient, mostUnderWay)
    }
}
