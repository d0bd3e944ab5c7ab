public import Addressing
internal import CLinux
public import DNS
internal import Glibc
public import Logging
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// Serves names over UDP and TCP, from ``start()`` to ``stop()``; one server starts once.
///
/// ```swift
/// let server = DNSServer(NameServerSettings(addresses: [.any(.v4), .any(.v6)], now: now), outside: nil, logger: logger)
/// server.serve(ServedNames(zones: Zones([zone])))
/// try server.start()
/// ```
public final class DNSServer: Sendable {
    private let settings: NameServerSettings
    private let outside: (any OutsideNames)?
    private let logger: Logger
    private let underWay: UnderWay
    private let crowd: Crowd
    private let state = Mutex(State())

    private struct State {
        var names = ServedNames()
        var desks: [Desk] = []
        var datagrams: [DatagramServing] = []
        var streams: [StreamServing] = []
        var threads: NIOThreadPool?
        var port: UInt16?
    }

    /// - Parameter outside: names that are in no zone; `nil`: they are refused.
    public init(_ settings: NameServerSettings, outside: (any OutsideNames)?, logger: Logger) {
        (self.settings, self.outside, self.logger) = (settings, outside, logger)
        underWay = UnderWay(most: settings.mostUnderWay, mostOfClient: settings.mostOfClient)
        crowd = Crowd(settings.streams)
    }

    deinit { stop() }

    /// Every query that is taken from now on is answered from these names. Any thread may call it, before ``start()`` too.
    public func serve(_ names: ServedNames) { change { $0 = names } }

    /// Changes what is served; when it returns, the change is in force.
    public func change(_ body: (inout ServedNames) -> Void) {
        state.withLock { state in
            body(&state.names)
            for desk in state.desks { desk.serve(state.names) }
        }
    }

    /// Where it listens, while it does: with the port that the kernel chose.
    public var addresses: [Addressing.SocketAddress] {
        state.withLock { state in state.port.map { port in settings.addresses.map { SocketAddress($0, port) } } ?? [] }
    }

    /// What was done since ``start()``; it stays after ``stop()``.
    public var figures: NameServerFigures {
        let desks = state.withLock { $0.desks }
        var figures = NameServerFigures()
        for desk in desks { desk.count(&figures) }
        (figures.connections, figures.refusedConnections) = crowd.counts
        figures.underWay = underWay.now
        return figures
    }
}

// MARK: - Without a socket

extension DNSServer {
    /// Answers a query as if it had come over TCP from this client; it is neither counted nor logged.
    ///
    /// - Parameter answered: called once, on any thread, perhaps before this returns; with `nil` for what nobody answers.
    public func answer(_ packet: [UInt8], from client: IPAddress, _ answered: @escaping @Sendable ([UInt8]?) -> Void) {
        var clerk = Clerk(outside)
        var open = Desk.Open(state.withLock { $0.names })
        var said: (bytes: [UInt8]?, errand: Errand?)
        withUnsafeTemporaryAllocation(byteCount: Int(UInt16.max), alignment: 8) { memory in
            let circumstances = Circumstances(.tcp, forwards: outside != nil && open.names.forwards, truncation: .records)
            switch clerk.answer(packet.span, from: client, &open, circumstances, into: memory) {
            case .answer(let count): said.bytes = Array(memory[..<count])
            case .errand(let errand): said.errand = errand
            case .silence: break
            }
        }
        guard let errand = said.errand, let outside else { return answered(said.bytes) }
        errand.run(outside, { [self] in state.withLock { $0.names.zones } }) { answered($0) }
    }
}

// MARK: - Start and stop

extension DNSServer {
    /// Opens the sockets, in the network namespace of the calling thread, and serves. Not to be called on an event loop.
    ///
    /// - Throws: ``NameServerFailure``; then nothing is open.
    public func start() throws {
        try state.withLock { state in
            precondition(state.desks.isEmpty, "a name server starts once")
            let places = try open()
            state.port = places.first?.port
            var servings: [DatagramServing] = []
            for place in places {
                for socket in place.datagrams {
                    let desk = Desk(.init(.udp, place.address.family), state.names)
                    state.desks.append(desk)
                    servings.append(
                        DatagramServing(socket, desk, settings, outside: outside, underWay, logger: logger))
                }
                let desk = Desk(.init(.tcp, place.address.family), state.names)
                state.desks.append(desk)
                do {
                    state.streams.append(try StreamServing(place.takeStream(), desk, settings, outside: outside, underWay, crowd))
                } catch {
                    for stream in state.streams { stream.stop() }
                    (state.streams, state.desks, state.port) = ([], [], nil)
                    throw NameServerFailure(
                        SocketAddress(place.address, place.port), .tcp, errno: (error as? IOError)?.errnoCode ?? 0)
                }
            }
            let threads = NIOThreadPool(numberOfThreads: max(1, servings.count))
            threads.start()
            for serving in servings { threads.submit { _ in serving.run() } }
            (state.threads, state.datagrams) = (threads, servings)
        }
    }

    /// Nobody waits for an answer of it, and no connection is open.
    public var isIdle: Bool { underWay.now == 0 && crowd.counts.open == 0 }

    /// What was received is answered, now or when the world outside has answered; then the sockets are closed. Queries that come
    /// meanwhile go to another server at the address, if there is one. Twice is once.
    public func stop() {
        let (datagrams, streams, threads) = state.withLock { state in
            defer { (state.datagrams, state.streams, state.threads, state.port) = ([], [], nil, nil) }
            return (state.datagrams, state.streams, state.threads)
        }
        for stream in streams { stream.stop() }
        for serving in datagrams { serving.stop() }
        // Waits for the threads to return; what it could throw is that it was called twice.
        try? threads?.syncShutdownGracefully()
    }

    /// All sockets of one address.
    private final class Place {
        let address: IPAddress
        let port: UInt16
        let datagrams: [DatagramSocket]
        private var stream: Int32?

        init(_ address: IPAddress, _ port: UInt16, _ datagrams: [DatagramSocket], stream: Int32) {
            (self.address, self.port, self.datagrams, self.stream) = (address, port, datagrams, stream)
        }

        deinit { if let stream { close(stream) } }

        func takeStream() -> Int32 {
            defer { stream = nil }
            guard let stream else { preconditionFailure("a socket is given away once") }
            return stream
        }
    }

    /// With port 0 all addresses take the port that the kernel gives to the first; where it is not free for TCP or another address,
    /// another is tried.
    private func open() throws(NameServerFailure) -> [Place] {
        var attempts = settings.port == 0 ? 16 : 1
        while true {
            attempts -= 1
            do {
                var places: [Place] = []
                for address in settings.addresses { places.append(try open(address, places.first?.port ?? settings.port)) }
                return places
            } catch {
                if error.errno != EADDRINUSE || attempts == 0 { throw error }
            }
        }
    }

    private func open(_ address: IPAddress, _ wanted: UInt16) throws(NameServerFailure) -> Place {
        let isWildcard = address == .any(address.family)
        let flags = isWildcard ? CLINUX_BOUND_TELLS : settings.mayBindAbsent ? CLINUX_BOUND_EARLY : 0
        func bound(_ port: UInt16, _ more: Int, _ transport: Circumstances.Transport) throws(NameServerFailure) -> Int32 {
            var place = clinux_place(address, port: port)
            let descriptor = clinux_bound_socket(&place, Int32(flags | more))
            if descriptor < 0 { throw NameServerFailure(SocketAddress(address, port), transport, errno: errno) }
            return descriptor
        }
        var sockets = [DatagramSocket(owning: try bound(wanted, 0, .udp))]
        let port = UInt16(exactly: clinux_bound_port(sockets[0].descriptor)) ?? wanted
        for _ in 1..<max(settings.threads, 1) { sockets.append(DatagramSocket(owning: try bound(port, 0, .udp))) }
        return Place(address, port, sockets, stream: try bound(port, CLINUX_BOUND_STREAM, .tcp))
    }
}

/// Why a name server does not listen.
public struct NameServerFailure: Error, CustomStringConvertible {
    public let address: Addressing.SocketAddress
    public let transport: Circumstances.Transport
    /// The kernel's number for it.
    public let errno: Int32

    init(_ address: Addressing.SocketAddress, _ transport: Circumstances.Transport, errno: Int32) {
        (self.address, self.transport, self.errno) = (address, transport, errno)
    }

    public var description: String {
        let reason = String(cString: strerror(errno))
        let remedy =
            switch errno {
            case EADDRINUSE: ": another name server is there; end it, or listen at other addresses"
            case EADDRNOTAVAIL: ": the node has no such address"
            case EACCES: ": ports below 1024 need CAP_NET_BIND_SERVICE"
            default: ""
            }
        return
            "serve names at \(address.address) port \(address.port) over \(transport == .udp ? "UDP" : "TCP"): \(reason)\(remedy)"
    }
}
