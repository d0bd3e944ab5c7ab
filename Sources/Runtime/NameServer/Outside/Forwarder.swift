internal import Addressing
internal import CLinux
public import DNS
public import Logging
internal import NIOPosix
internal import Synchronization

/// Asks resolvers for the names of the world outside, and remembers what they say.
///
/// One thread has all sockets; each question has a fresh one, connected, from a port that the kernel chooses at random. Whoever asks
/// for what somebody else has asked for already waits for the same answer. Every wish is answered within the settings' patience:
/// with what was heard, with an answer of the past whose time is over (RFC 8767), or with SERVFAIL and the reason.
public final class Forwarder: OutsideNames {
    public let memory: AnswerMemory
    private let inbox: ForwarderInbox
    private let now: @Sendable () -> Duration
    private let random: @Sendable () -> UInt64
    private let logger: Logger
    private let life = Mutex(Life.begins)
    private let report: @Sendable (ForwardingTrouble) -> Void

    private enum Life {
        case begins
        /// In this thread.
        case runs(NIOThreadPool)
        case ended
    }

    /// - Parameters:
    ///   - now: since some moment, never going back.
    ///   - random: unpredictable, as what it gives keeps forgers out; called on any thread.
    ///   - report: called when something is wrong with an upstream, and when it is well again.
    public init(
        _ settings: ForwardingSettings, memory: AnswerMemory = AnswerMemory(), now: @escaping @Sendable () -> Duration,
        random: @escaping @Sendable () -> UInt64, logger: Logger,
        report: @escaping @Sendable (ForwardingTrouble) -> Void = { _ in }
    ) {
        (self.memory, self.now, self.random, self.logger, self.report) = (memory, now, random, logger, report)
        inbox = ForwarderInbox(settings)
    }

    /// Opens what it needs, in the network namespace of the calling thread; what was wished for before is asked now.
    ///
    /// - Throws: when the kernel has no descriptors left.
    public func start() throws(ForwarderError) {
        let wakes = try inbox.open()
        guard let epoll = ForwarderSockets.epoll(wakes: wakes) else { throw ForwarderError() }
        // Its thread is in the namespace of this one.
        let pool = NIOThreadPool(numberOfThreads: 1)
        pool.start()
        let (inbox, memory, now, random, logger, report) = (inbox, memory, now, random, logger, report)
        pool.submit { _ in
            clinux_name_thread("names-forward")
            let loop = ForwarderLoop(
                ForwarderSockets(epoll, wakes: wakes), inbox, memory, now: now, dice: Dice(random: random), logger, report)
            loop.run()
        }
        life.withLock { $0 = .runs(pool) }
    }

    /// Whoever waits is told that nobody was asked, and the sockets are closed. It is not started again.
    public func stop() {
        let before = life.withLock { life in
            defer { life = .ended }
            return life
        }
        switch before {
        case .begins: inbox.close()
        case .runs(let pool):
            inbox.put(.stop)
            pool.shutdownGracefully { _ in }
        // Its thread has not read yet that it is to end, perhaps: the inbox is its own to close.
        case .ended: break
        }
    }

    deinit { stop() }

    /// Asks as these settings say from now on; what is under way is answered as it was begun. What is remembered stays.
    public func use(_ settings: ForwardingSettings) { inbox.put(.use(settings)) }

    public var figures: ForwarderFigures {
        var figures = inbox.figures
        figures.memory = memory.figures
        return figures
    }

    /// Who is asked for a name that is in none of our zones, in the order of the settings, and how they do.
    public func upstreams(of name: DomainName) -> [ForwarderFigures.Peer] {
        let (settings, peers) = (inbox.settings, inbox.figures.upstreams)
        return settings.upstreams(settings.route(of: name, isAsked: true)).map { upstream in
            peers.first { $0.upstream == upstream } ?? ForwarderFigures.Peer(upstream)
        }
    }
}

// MARK: - Names

extension Forwarder {
    public func known(
        _ query: Query, _ packet: Span<UInt8>, _ circumstances: Circumstances, into memory: UnsafeMutableRawBufferPointer
    ) -> Int? {
        guard let hit = self.memory.answer(query, packet, circumstances, now: now(), into: memory) else { return nil }
        if hit.isRefreshWanted {
            let wish = OutsideWish(
                query.question(in: packet), isDNSSECWanted: query.edns?.isDNSSECWanted ?? false,
                isCheckingDisabled: query.header.isCheckingDisabled)
            inbox.put(.refresh(wish))
        }
        return hit.count
    }

    public func resolve(_ wish: OutsideWish, _ answered: @escaping @Sendable (OutsideAnswer) -> Void) {
        // RFC 8482 §4.2: all types at once are worth nothing to those who ask honestly.
        if wish.question.type == .any {
            let data = RecordData.opaque(.hinfo, [7] + "RFC8482".utf8 + [0])
            return answered(OutsideAnswer(.noError, answers: [Record(wish.question.name, data, ttl: 3600)]))
        }
        inbox.put(.resolve(wish, answered))
    }
}

/// The kernel gives no descriptors.
public struct ForwarderError: Error, CustomStringConvertible {
    public var description: String { "open what a forwarder needs: no descriptors left; raise the limit of open files" }
}

/// What is wrong with whom we ask.
public enum ForwardingTrouble: Hashable, Sendable {
    /// A question that was sent to this upstream came to ourselves: it, or whom it asks, asks us. It is not asked any more.
    case loop(Upstream)
    /// We are this upstream ourselves. It is not asked.
    case ownAddress(Upstream)
    /// Questions do not come back from this upstream any more; it is asked again.
    case loopEnded(Upstream)
    /// Nobody can be asked for this domain; the root's is every other.
    case nobody(DomainName)
}
