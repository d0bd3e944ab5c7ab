internal import CLinux
import Glibc
import Synchronization

/// The workers of an endpoint and what they share.
final class Reception: Sendable {
    private let listener: CourierListener
    private let patience: Duration
    private let incident: @Sendable (CourierIncident) -> Void
    private let handler: @Sendable (CourierRequest) -> CourierResponse
    private let state = Mutex(State())

    private struct State {
        var isClosed = false
        var workers: [pthread_t] = []
        /// Connections whose request is still being read: closing does not wait for them.
        var reading: Set<Int32> = []
    }

    init(
        listener: CourierListener, patience: Duration, incident: @escaping @Sendable (CourierIncident) -> Void,
        handler: @escaping @Sendable (CourierRequest) -> CourierResponse
    ) {
        self.listener = listener
        self.patience = patience
        self.incident = incident
        self.handler = handler
    }

    /// Starts one more worker.
    func hire() throws(SystemFailure) {
        var thread = pthread_t()
        // Safe: the one reference is taken back by the thread, or released below when there is no thread.
        let reference = Unmanaged.passRetained(self)
        let error = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                // Safe: the pointer is the one that was retained for this thread, and nobody else takes it back.
                Unmanaged<Reception>.fromOpaque(argument).takeRetainedValue().work()
                return nil
            }, reference.toOpaque())
        guard error == 0 else {
            reference.release()
            throw SystemFailure("pthread_create", "a worker", errno: error)
        }
        state.withLock { $0.workers.append(thread) }
    }

    func close() {
        listener.remove()
        let workers = state.withLock { state in
            state.isClosed = true
            for descriptor in state.reading { shutdown(descriptor, Int32(SHUT_RDWR)) }
            return state.workers
        }
        // Wakes every worker that waits in accept(2), now and later, with EINVAL.
        listener.shut()
        for worker in workers { pthread_join(worker, nil) }
    }
}

// MARK: - A worker's day

extension Reception {
    private func work() {
        while let descriptor = accept() {
            let stream = CourierStream(owning: descriptor, path: listener.path)
            do {
                try serve(stream)
            } catch {
                incident(error.incident)
            }
        }
    }

    /// The next connection; `nil` when the endpoint closes.
    private func accept() -> Int32? {
        while true {
            let descriptor = clinux_unix_accept(listener.descriptor)
            if descriptor >= 0 { return descriptor }
            let error = errno
            if state.withLock({ $0.isClosed }) { return nil }
            switch error {
            case EINTR, ECONNABORTED: continue
            default:
                // Out of descriptors or memory: the peers wait in the backlog until there are some again.
                incident(.system(SystemFailure("accept", listener.path, errno: error)))
                poll(nil, 0, 100)
            }
        }
    }

    private func serve(_ stream: borrowing CourierStream) throws(Obstacle) {
        guard let request = try receive(stream) else { return }
        let response = handler(request)
        try attempt { () throws(SystemFailure) in try stream.write(response.frame()) }
    }

    /// The request; `nil` when the peer went away without a word, as a probe does.
    private func receive(_ stream: borrowing CourierStream) throws(Obstacle) -> CourierRequest? {
        let isOpen = state.withLock { state in
            if !state.isClosed { state.reading.insert(stream.descriptor) }
            return !state.isClosed
        }
        guard isOpen else { return nil }
        defer { _ = state.withLock { $0.reading.remove(stream.descriptor) } }

        let user = try attempt { () throws(SystemFailure) in try stream.peerUser }
        guard user == 0 || user == geteuid() else { throw Obstacle(.refused(user: user)) }
        try attempt { () throws(SystemFailure) in try stream.limit(reading: patience, writing: patience) }

        let (head, companion) = try attempt { () throws(SystemFailure) in
            try stream.readWithDescriptor(CourierFrame.headerSize)
        }
        let namespace = companion.map(NamespaceDescriptor.init(owning:))
        if head.isEmpty { return nil }
        if let namespace, !NamespaceDescriptor.isNetworkNamespace(namespace.rawValue) { throw Obstacle(.notANamespace) }
        do throws(CourierMalformation) {
            let header = try CourierFrame.header(head, awaiting: .request)
            let body = (try? stream.read(header.first + header.second)) ?? []
            return try CourierRequest(header, body: body, namespace: namespace)
        } catch {
            // Our header tells a courier of another release which version we speak.
            try? stream.write(CourierResponse.failure(Failure(.inputOutput, "the agent cannot read the call"), .latest).frame())
            throw Obstacle(.malformed(error))
        }
    }

    @discardableResult
    private func attempt<Value>(_ body: () throws(SystemFailure) -> Value) throws(Obstacle) -> Value {
        do { return try body() } catch { throw Obstacle(.system(error)) }
    }
}

/// What ended a connection early.
private struct Obstacle: Error {
    var incident: CourierIncident

    init(_ incident: CourierIncident) { self.incident = incident }
}
