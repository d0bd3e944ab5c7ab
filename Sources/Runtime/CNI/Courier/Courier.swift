import Glibc

/// The way from the runtime to the agent of its node, over a unix socket.
public struct Courier: Hashable, Sendable {
    public var socket: String
    /// How long to wait for the answer. The agent may itself wait 5 s for an address to become free.
    public var patience: Duration

    public init(socket: String, patience: Duration = .seconds(60)) {
        self.socket = socket
        self.patience = patience
    }

    /// Carries one request and waits for its answer.
    public func carry(_ request: CourierRequest) throws(CourierFailure) -> CourierResponse {
        let frame: [UInt8]
        do { frame = try request.frame() } catch { throw CourierFailure(.unsendable, socket, cause: .malformation(error)) }

        let stream = try open()
        let header: [UInt8]
        let output: [UInt8]
        let answer: CourierFrame.Header
        do {
            try stream.write(frame, with: request.namespace)
            header = try stream.read(CourierFrame.headerSize)
        } catch {
            throw CourierFailure(error.errno == EAGAIN ? .late : .lost, socket, cause: .system(error))
        }
        do {
            answer = try CourierFrame.header(header, awaiting: .response)
        } catch {
            if case .version = error { throw CourierFailure(.otherRelease, socket, cause: .malformation(error)) }
            throw CourierFailure(.lost, socket, cause: .malformation(error))
        }
        do { output = try stream.read(answer.second) } catch { throw CourierFailure(.lost, socket, cause: .system(error)) }
        guard output.count == answer.second else { throw CourierFailure(.lost, socket, cause: .malformation(.short)) }
        return CourierResponse(status: UInt8(answer.first), output: output)
    }

    private func open() throws(CourierFailure) -> CourierStream {
        do {
            let stream = try CourierStream(path: socket)
            // Writing waits less: an agent that is alive takes our few kilobytes at once.
            try stream.limit(reading: patience, writing: min(patience, .seconds(10)))
            try stream.connect()
            return stream
        } catch {
            throw CourierFailure(error.errno == ENAMETOOLONG ? .pathTooLong : .away, socket, cause: .system(error))
        }
    }
}

/// Why a courier came back without an answer.
public struct CourierFailure: Error, Hashable, Sendable {
    public var code: Code
    public var socket: String
    public var cause: Cause

    init(_ code: Code, _ socket: String, cause: Cause) {
        self.code = code
        self.socket = socket
        self.cause = cause
    }

    public enum Code: Hashable, Sendable {
        /// Nobody listens there, or we may not enter: nothing was done.
        case away
        /// The answer did not come in time: the agent may still be doing it.
        case late
        /// The connection ended before the answer: the agent may have done it.
        case lost
        /// The agent speaks another version of the protocol: nothing was done.
        case otherRelease
        /// The path of the socket is longer than a unix address.
        case pathTooLong
        /// The request is larger than the agent would take.
        case unsendable
    }

    public enum Cause: Hashable, Sendable {
        case system(SystemFailure)
        case malformation(CourierMalformation)
    }
}

extension CourierFailure {
    /// A sentence for the runtime's log.
    public var message: String {
        switch code {
        case .away: "the tulle agent does not listen on \(socket); is it running on this node?"
        case .late: "the tulle agent took the call on \(socket) and did not answer in time"
        case .lost: "the tulle agent on \(socket) went away before it answered"
        case .otherRelease: "the tulle agent on \(socket) is of another release than this tulle-cni"
        case .pathTooLong: "agentSocket \(socket) is longer than the 107 bytes of a unix address"
        case .unsendable: "the call is larger than the tulle agent takes"
        }
    }

    /// What the kernel answered, or what was wrong with what came.
    public var details: String {
        switch cause {
        case .system(let failure): failure.description
        case .malformation(.version(let found)): "it speaks protocol \(found), we speak \(CourierFrame.version)"
        case .malformation(.short): "the answer is incomplete"
        case .malformation(.tooLarge(let count)): "\(count) bytes"
        case .malformation: "the answer is no answer of an agent"
        }
    }
}
