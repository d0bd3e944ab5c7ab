import CLinux
import Glibc

/// A conversation with one part of the kernel in one namespace.
///
/// Calls block until the kernel has answered, which it does within the call for everything but link removals; whoever owns
/// the socket runs on a thread that may block (``SessionExecutor``). One owner at a time: not `Sendable`.
public final class NetlinkSocket {
    /// Which part of the kernel answers.
    public enum Family: CInt, Sendable {
        /// `NETLINK_ROUTE`: links, addresses, routes, rules, neighbours.
        case route = 0
        /// `NETLINK_NETFILTER`: nf_tables, conntrack, logs.
        case netfilter = 12
    }

    public let family: Family
    public let descriptor: Descriptor
    private let port: UInt32
    private var sequence: UInt32 = 0
    /// How many messages came so far: what a look at the kernel costs.
    public private(set) var messageCount = 0
    private var buffer = [UInt8](repeating: 0, count: 64 * 1024)

    /// Opens the socket in a namespace, or in the calling thread's own.
    public init(_ family: Family, in namespace: NetworkNamespace? = nil) throws(KernelError) {
        func open() throws(KernelError) -> (CInt, UInt32) {
            var port: UInt32 = 0
            let descriptor = clinux_netlink_open(family.rawValue, &port)
            guard descriptor >= 0 else { throw KernelError(.current, "open a \(family) netlink socket") }
            return (descriptor, port)
        }
        let opened = if let namespace { try namespace.perform(open) } else { try open() }
        self.family = family
        descriptor = Descriptor(owning: opened.0)
        port = opened.1
        // Extended acknowledgements in words, requests not echoed, dump filters checked strictly.
        for option in [NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK] {
            _ = clinux_set_option(descriptor.rawValue, CLINUX_SOL_NETLINK, option, 1)
        }
        try enlarge(SO_RCVBUFFORCE, or: SO_RCVBUF, to: 4 << 20)
    }

    private func enlarge(_ forced: CInt, or asked: CInt, to bytes: Int) throws(KernelError) {
        let bytes = CInt(clamping: bytes)
        guard
            clinux_set_option(descriptor.rawValue, SOL_SOCKET, forced, bytes) == 0
                || clinux_set_option(descriptor.rawValue, SOL_SOCKET, asked, bytes) == 0
        else { throw KernelError(.current, "enlarge a netlink socket's buffer") }
    }

    /// Makes room for sending this many bytes as one datagram (an nf_tables batch is one).
    public func reserveSending(_ bytes: Int) throws(KernelError) {
        try enlarge(SO_SNDBUFFORCE, or: SO_SNDBUF, to: bytes + 4096)
    }

    /// Reserves `count` sequence numbers and returns the first.
    public func sequences(_ count: Int) -> UInt32 {
        let first = sequence &+ 1
        sequence = sequence &+ UInt32(truncatingIfNeeded: count)
        return first
    }
}

// MARK: - Sending and receiving

extension NetlinkSocket {
    public func send(_ bytes: [UInt8], for operation: @autoclosure () -> String) throws(KernelError) {
        while true {
            let sent = bytes.withUnsafeBytes { clinux_netlink_send(descriptor.rawValue, $0.baseAddress, $0.count) }
            if sent == bytes.count { return }
            let code = Errno.current
            if code == .interrupted { continue }
            throw KernelError(sent < 0 ? code : .messageTooLong, operation())
        }
    }

    /// The next datagram's messages. Blocks; with `wait: false`, an empty list when there is none.
    public func receive(wait: Bool = true, for operation: @autoclosure () -> String) throws(KernelError) -> [Message] {
        while true {
            var sender: UInt32 = 0
            // The size is asked first (MSG_PEEK | MSG_TRUNC): dumps may exceed any buffer chosen before.
            let flags = (wait ? 0 : CInt(MSG_DONTWAIT))
            let size = receive(flags | CInt(MSG_PEEK), &sender)
            if size > buffer.count { buffer = [UInt8](repeating: 0, count: size) }
            let received = size < 0 ? size : receive(flags, &sender)
            guard received >= 0 else {
                let code = Errno.current
                if code == .interrupted { continue }
                if !wait, code == .wouldBlock { return [] }
                throw KernelError(code, operation())
            }
            // Port 0 is the kernel; any process may send to our port.
            guard sender == 0 else { continue }
            // A copy: slices of the buffer that outlive this call would make the next one copy all of it.
            let messages = Message.split(Array(buffer[..<received])[...])
            messageCount += messages.count
            return messages
        }
    }

    private func receive(_ flags: CInt, _ sender: inout UInt32) -> Int {
        buffer.withUnsafeMutableBytes { clinux_netlink_receive(descriptor.rawValue, $0.baseAddress, $0.count, flags, &sender) }
    }
}

// MARK: - Requests

/// One request: what follows the netlink header, and words for the error if the kernel refuses.
public struct NetlinkRequest: Sendable {
    public var type: UInt16
    public var flags: NetlinkFlags
    public var payload: [UInt8]
    private let words: @Sendable () -> String

    /// What this asks for, on which object.
    public var operation: String { words() }

    /// - Parameter operation: put into words only when the request fails.
    public init(
        _ type: UInt16, flags: NetlinkFlags = [], operation: @autoclosure @escaping @Sendable () -> String,
        _ body: (inout MessageWriter) -> Void
    ) {
        var writer = MessageWriter()
        body(&writer)
        self.type = type
        self.flags = flags
        words = operation
        payload = writer.bytes
    }
}

extension NetlinkSocket {
    /// Carries out one request and waits for the kernel's answer.
    public func perform(_ request: NetlinkRequest) throws(KernelError) {
        if let error = try perform([request]).first ?? nil { throw error }
    }

    /// Carries out requests in order, many to a datagram, and returns for each the kernel's refusal, or `nil`.
    ///
    /// rtnetlink goes on after a refused request: later ones are tried, and each refusal is reported for its own request.
    /// Only the last request of a datagram asks for an acknowledgement; refusals are reported without asking.
    ///
    /// - Parameter echo: gets what came of requests with the flag ``NetlinkFlags/echo``, where the kernel says it.
    public func perform(
        _ requests: [NetlinkRequest], echo: (Message) -> Void = { _ in }
    ) throws(KernelError) -> [KernelError?] {
        var outcomes: [KernelError?] = []
        var rest = requests[...]
        while !rest.isEmpty {
            let chunk = rest.prefix(128)
            rest = rest.dropFirst(chunk.count)
            outcomes += try performChunk(Array(chunk), echo)
        }
        return outcomes
    }

    private func performChunk(
        _ requests: [NetlinkRequest], _ echo: (Message) -> Void
    ) throws(KernelError) -> [KernelError?] {
        let first = sequences(requests.count)
        var writer = MessageWriter(capacity: requests.reduce(0) { $0 + $1.payload.count + 20 })
        for (index, request) in requests.enumerated() {
            let flags: NetlinkFlags = index == requests.count - 1 ? [.request, .acknowledge] : .request
            writer.message(
                request.type, flags: request.flags.union(flags), sequence: first &+ UInt32(index), payload: request.payload)
        }
        if writer.count > 100_000 { try reserveSending(writer.count) }
        try send(writer.bytes, for: requests[0].operation)
        var outcomes = [KernelError?](repeating: nil, count: requests.count)
        while true {
            for message in try receive(for: requests[0].operation) {
                let index = Int(message.sequence &- first)
                guard requests.indices.contains(index) else { continue }
                guard let answer = Acknowledgement(message) else {
                    echo(message)
                    continue
                }
                outcomes[index] = answer.error(for: requests[index].operation)
                if index == requests.count - 1 { return outcomes }
            }
        }
    }

    /// Asks for one object and returns the answer's message.
    public func get(_ request: NetlinkRequest) throws(KernelError) -> Message {
        let sequence = sequences(1)
        var writer = MessageWriter()
        writer.message(request.type, flags: request.flags.union(.request), sequence: sequence, payload: request.payload)
        try send(writer.bytes, for: request.operation)
        while true {
            for message in try receive(for: request.operation) where message.sequence == sequence {
                guard let answer = Acknowledgement(message) else { return message }
                throw answer.error(for: request.operation) ?? KernelError(.noSuchObject, request.operation)
            }
        }
    }

    /// Lists a collection, calling `body` for each message. A dump that was interrupted by a change (`NLM_F_DUMP_INTR`) may have
    /// missed or repeated entries: it is repeated, and `restart` is called before each repetition so that the caller forgets.
    public func dump(
        _ request: NetlinkRequest, restart: () -> Void, _ body: (Message) -> Void
    ) throws(KernelError) {
        for attempt in 0..<32 {
            if attempt > 0 { restart() }
            if try dumpOnce(request, body) { return }
        }
        throw KernelError(.busy, request.operation, explanation: "the collection changed during each of 32 dumps")
    }

    /// Lists a collection.
    public func dump(_ request: NetlinkRequest) throws(KernelError) -> [Message] {
        var messages: [Message] = []
        try dump(request, restart: { messages.removeAll() }) { messages.append($0) }
        return messages
    }

    private func dumpOnce(_ request: NetlinkRequest, _ body: (Message) -> Void) throws(KernelError) -> Bool {
        let sequence = sequences(1)
        var writer = MessageWriter()
        writer.message(
            request.type, flags: request.flags.union([.request, .dump]), sequence: sequence, payload: request.payload)
        try send(writer.bytes, for: request.operation)
        var isWhole = true
        while true {
            for message in try receive(for: request.operation) where message.sequence == sequence {
                if message.flags.contains(.dumpInterrupted) { isWhole = false }
                if let answer = Acknowledgement(message) {
                    if let error = answer.error(for: request.operation) {
                        // nf_tables says EINTR where rtnetlink sets the flag.
                        if error.code == .interrupted { return false }
                        throw error
                    }
                    return isWhole
                }
                body(message)
            }
        }
    }
}
