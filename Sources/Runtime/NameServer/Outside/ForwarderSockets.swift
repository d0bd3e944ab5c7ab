internal import Addressing
internal import CLinux
internal import DNS
internal import Glibc

/// The sockets of questions under way, each for one attempt, and what comes in by them. They belong to one thread.
struct ForwarderSockets: ~Copyable {
    private let epoll: CInt
    private let wakes: CInt
    private var wires: [CInt: Wire] = [:]
    private var byAttempt: [Int: CInt] = [:]

    private struct Wire {
        var owner: Int
        var attempt: Int
        var isTCP: Bool
        /// What is to be sent yet.
        var unsent: [UInt8]
        var framing = StreamFraming()
    }

    enum Event {
        /// Letters are there.
        case wake
        case message([UInt8], owner: Int, attempt: Int)
        case broke(Exchange.Failure.Reason, owner: Int, attempt: Int)
    }

    /// Opens an epoll descriptor that becomes ready when `wakes` is readable; `nil` when the kernel has no more.
    static func epoll(wakes: CInt) -> CInt? {
        let epoll = clinux_epoll()
        guard epoll >= 0 else { return nil }
        if clinux_epoll_add(epoll, wakes, UInt32(CLINUX_READABLE)) == 0 { return epoll }
        _ = Glibc.close(epoll)
        return nil
    }

    /// - Parameters:
    ///   - epoll: from ``epoll(wakes:)``; it is closed here.
    ///   - wakes: it is not.
    init(_ epoll: CInt, wakes: CInt) { (self.epoll, self.wakes) = (epoll, wakes) }

    deinit {
        for descriptor in wires.keys { _ = Glibc.close(descriptor) }
        _ = Glibc.close(epoll)
    }

    var count: Int { wires.count }
}

// MARK: - Asking

extension ForwarderSockets {
    /// Opens a socket of an attempt's own and sends the question.
    ///
    /// - Returns: the error number when that cannot be done.
    mutating func ask(_ attempt: Exchange.Attempt, owner: Int) -> Int32? {
        let (address, port) = (attempt.upstream.address.address.bytes, attempt.upstream.address.port)
        var scope: UInt32 = 0
        if let interface = attempt.upstream.interface {
            scope = if_nametoindex(interface)
            if scope == 0 { return errno }
        }
        let descriptor =
            attempt.isTCP
            ? clinux_connect_stream(address, address.count, port, scope)
            : clinux_connect_datagram(address, address.count, port, scope)
        guard descriptor >= 0 else { return errno }
        if attempt.isTCP {
            let framed = StreamFraming.framed(attempt.message) ?? []
            wires[descriptor] = Wire(owner: owner, attempt: attempt.number, isTCP: true, unsent: framed)
        } else {
            guard clinux_send_now(descriptor, attempt.message, attempt.message.count) >= 0 else {
                defer { _ = Glibc.close(descriptor) }
                return errno
            }
            wires[descriptor] = Wire(owner: owner, attempt: attempt.number, isTCP: false, unsent: [])
        }
        let events = attempt.isTCP ? CLINUX_WRITABLE : CLINUX_READABLE
        guard clinux_epoll_add(epoll, descriptor, UInt32(events)) == 0 else {
            defer { _ = Glibc.close(descriptor) }
            wires[descriptor] = nil
            return errno
        }
        byAttempt[attempt.number] = descriptor
        return nil
    }

    /// Ends an attempt; nothing more is heard of it.
    mutating func close(_ attempt: Int) {
        guard let descriptor = byAttempt.removeValue(forKey: attempt) else { return }
        wires[descriptor] = nil
        // The only descriptor of its socket: that it is closed takes it out of the epoll set.
        _ = Glibc.close(descriptor)
    }
}

// MARK: - Hearing

extension ForwarderSockets {
    /// Waits for what comes, so long at most, and hands it on. Attempts may be begun and ended meanwhile.
    ///
    /// - Parameter milliseconds: -1 waits for ever.
    mutating func wait(_ milliseconds: CInt, _ memory: UnsafeMutableRawBufferPointer) -> [Event] {
        var ready = [clinux_ready](repeating: clinux_ready(), count: 64)
        let count = clinux_epoll_wait(epoll, &ready, CInt(ready.count), milliseconds)
        var events: [Event] = []
        for event in ready.prefix(Int(max(0, count))) {
            if event.descriptor == wakes {
                events.append(.wake)
            } else if let wire = wires[event.descriptor] {
                if wire.isTCP, !wire.unsent.isEmpty {
                    send(event.descriptor, wire, &events)
                } else if wire.isTCP {
                    receiveStream(event.descriptor, wire, memory, &events)
                } else {
                    receiveDatagrams(event.descriptor, wire, memory, &events)
                }
            }
        }
        return events
    }

    /// A connection is there, or has failed.
    private mutating func send(_ descriptor: CInt, _ wire: Wire, _ events: inout [Event]) {
        let error = clinux_socket_error(descriptor)
        guard error == 0 else { return events.append(.broke(.network(error), owner: wire.owner, attempt: wire.attempt)) }
        let sent = clinux_send_now(descriptor, wire.unsent, wire.unsent.count)
        if sent < 0 {
            if errno != EAGAIN { events.append(.broke(.network(errno), owner: wire.owner, attempt: wire.attempt)) }
            return
        }
        wires[descriptor]?.unsent.removeFirst(sent)
        if sent == wire.unsent.count { _ = clinux_epoll_change(epoll, descriptor, UInt32(CLINUX_READABLE)) }
    }

    /// A few at most: whoever floods the port does not hold up the others.
    private func receiveDatagrams(
        _ descriptor: CInt, _ wire: Wire, _ memory: UnsafeMutableRawBufferPointer, _ events: inout [Event]
    ) {
        for _ in 0..<8 {
            let count = clinux_receive_now(descriptor, memory.baseAddress, memory.count)
            guard count >= 0 else {
                // ECONNREFUSED: nobody listens there, as ICMP says.
                if errno != EAGAIN, errno != EINTR {
                    events.append(.broke(.network(errno), owner: wire.owner, attempt: wire.attempt))
                }
                return
            }
            events.append(.message(Array(memory[..<count]), owner: wire.owner, attempt: wire.attempt))
        }
    }

    private mutating func receiveStream(
        _ descriptor: CInt, _ wire: Wire, _ memory: UnsafeMutableRawBufferPointer, _ events: inout [Event]
    ) {
        let count = clinux_receive_now(descriptor, memory.baseAddress, memory.count)
        if count == 0 { return events.append(.broke(.closed, owner: wire.owner, attempt: wire.attempt)) }
        guard count > 0 else {
            if errno != EAGAIN, errno != EINTR {
                events.append(.broke(.network(errno), owner: wire.owner, attempt: wire.attempt))
            }
            return
        }
        wires[descriptor]?.framing.append(memory[..<count])
        // One question, one answer: what comes behind it was not asked for.
        if let message = wires[descriptor]?.framing.next() {
            events.append(.message(message, owner: wire.owner, attempt: wire.attempt))
        }
    }
}
