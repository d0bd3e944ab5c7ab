import CLinux
import Glibc
public import KubeAPI
import NIOPosix
import Synchronization

/// Where the supervisor of a lab is asked: one question and one answer a connection, both a line of JSON. Descriptors come before
/// the question, one with each byte.
final class ControlSocket: Sendable {
    private let listening: CInt
    private let questions: AsyncStream<Question>
    private let feed: AsyncStream<Question>.Continuation
    private let accept: @Sendable (CInt) -> CInt
    private let pause: @Sendable () async -> Void
    private let isOver = Mutex(false)

    /// - Parameters:
    ///   - accept: takes the next connection; -1 and `errno`.
    ///   - pause: before it is tried again when this process has no descriptor left.
    init(
        path: String, accept: @escaping @Sendable (CInt) -> CInt = { clinux_unix_accept($0) },
        pause: @escaping @Sendable () async -> Void = { try? await Task.sleep(for: .milliseconds(100)) }
    ) throws(LabError) {
        (self.accept, self.pause) = (accept, pause)
        unlink(path)
        listening = clinux_unix_socket()
        guard listening >= 0, clinux_unix_bind(listening, path) == 0, chmod(path, 0o600) == 0, listen(listening, 64) == 0 else {
            throw LabError(.stateUnusable, "listen on \(path): \(String(cString: strerror(errno)))")
        }
        (questions, feed) = AsyncStream.makeStream()
    }

    /// Answers until the task is cancelled. A question whose asker has gone is cancelled.
    func serve(_ answer: @escaping @Sendable (Question) async -> JSONValue) async {
        attend()
        defer { isOver.withLock { $0 = true } }
        await withDiscardingTaskGroup { group in
            for await question in questions {
                group.addTask { await Self.settle(question, answer) }
            }
            group.cancelAll()
        }
    }

    private func attend() {
        isOver.withLock { isOver in
            guard !isOver else { return }
            let (listening, feed, accept) = (listening, feed, accept)
            do throws(LabError) {
                try DescriptorWatch.shared.watch(listening) {
                    let accepted = accept(listening)
                    if accepted >= 0 {
                        Question(accepted).begin { feed.yield($0) }
                        return false
                    }
                    // The connection stays where it is, and would be told of again at once.
                    return [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(errno)
                } finish: { [weak self] in
                    self?.attendLater()
                }
            } catch {
                attendLater()
            }
        }
    }

    private func attendLater() {
        Task { [pause] in
            await pause()
            self.attend()
        }
    }

    private static func settle(_ question: Question, _ answer: @escaping @Sendable (Question) async -> JSONValue) async {
        await withTaskGroup(of: JSONValue?.self) { group in
            group.addTask { await answer(question) }
            group.addTask {
                for await _ in question.hangUp {}
                return nil
            }
            let first = await group.next() ?? nil
            group.cancelAll()
            await group.waitForAll()
            await question.close(with: first)
        }
    }

    deinit { close(listening) }
}

extension ControlSocket {
    final class Question: Sendable {
        private let socket: CInt
        private let state = Mutex(State())
        /// Ends when the asker goes.
        let hangUp: AsyncStream<Never>
        private let hungUp: AsyncStream<Never>.Continuation

        private struct State {
            var bytes: [UInt8] = []
            var descriptors: [CInt] = []
            var tree: JSONValue?
        }

        private static let longest = 1 << 20

        fileprivate init(_ socket: CInt) {
            self.socket = socket
            (hangUp, hungUp) = AsyncStream.makeStream()
            _ = clinux_socket_send_timeout(socket, 5000)
        }

        /// The question; its asker's descriptors belong to this value, and are open as long as it is there.
        var tree: JSONValue { state.withLock { $0.tree ?? .null } }
        var descriptors: [CInt] { state.withLock { $0.descriptors } }

        fileprivate func begin(_ isWhole: @escaping @Sendable (Question) -> Void) {
            // One that cannot be watched is closed with this value.
            try? DescriptorWatch.shared.watch(socket) {
                self.read(isWhole)
            } finish: {
                // Whoever still answers uses what came along: it is closed with this value.
                self.hungUp.finish()
            }
        }

        deinit {
            Glibc.close(socket)
            state.withLock { for descriptor in $0.descriptors { Glibc.close(descriptor) } }
        }

        private func read(_ isWhole: (Question) -> Void) -> Bool {
            var buffer = [UInt8](repeating: 0, count: 65536)
            var descriptor: CInt = -1
            let count = clinux_receive_with_descriptor(socket, &buffer, buffer.count, &descriptor)
            guard count > 0 else { return true }
            let (isOver, isNew) = state.withLock { state -> (Bool, Bool) in
                if descriptor >= 0 { state.descriptors.append(descriptor) }
                guard state.tree == nil else { return (false, false) }
                state.bytes += buffer[..<count]
                guard state.bytes.count <= Self.longest, state.descriptors.count <= 3 else { return (true, false) }
                guard let end = state.bytes.firstIndex(of: UInt8(ascii: "\n")) else { return (false, false) }
                let text = state.bytes[..<end].drop { $0 == 0 }
                guard let tree = try? JSONReader().value(Array(text)) else { return (true, false) }
                state.tree = tree
                return (false, true)
            }
            if isNew { isWhole(self) }
            return isOver
        }

        fileprivate func close(with answer: JSONValue?) async {
            let socket = socket
            let bytes = answer.map { Array(($0.description + "\n").utf8) } ?? []
            _ = try? await NIOThreadPool.singleton.runIfActive {
                var rest = bytes[...]
                while !rest.isEmpty {
                    let count = rest.withUnsafeBytes { send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
                    guard count > 0 else { break }
                    rest = rest.dropFirst(count)
                }
                // The watch sees the end, and closes.
                shutdown(socket, Int32(SHUT_RDWR))
            }
        }
    }
}

/// Asks the supervisor of a lab. Blocks.
public struct LabControl: Sendable {
    private let directory: LabDirectory

    public init(_ directory: LabDirectory) { self.directory = directory }

    /// - Parameters:
    ///   - descriptors: at most three, for a command's standard input, output and error.
    ///   - wait: called until the answer can be read; it may do other things meanwhile, and gets the descriptor to wait for.
    public func ask(
        _ question: JSONValue, descriptors: [CInt] = [], wait: ((CInt) -> Void)? = nil
    ) throws(LabError) -> JSONValue {
        let socket = clinux_unix_socket()
        defer { close(socket) }
        guard socket >= 0, clinux_unix_connect(socket, directory.control) == 0 else {
            throw directory.isUp
                ? LabError(
                    .processFailed, "the lab's supervisor does not answer: \(String(cString: strerror(errno)))",
                    remedy: "it may just be started again; its log is \(directory.supervisorLog)")
                : Self.notUp(directory)
        }
        var sent = true
        for descriptor in descriptors { sent = sent && clinux_send_with_descriptor(socket, [0], 1, descriptor) == 1 }
        var rest = Array((question.description + "\n").utf8)[...]
        while sent, !rest.isEmpty {
            let count = rest.withUnsafeBytes { send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            sent = count > 0
            rest = rest.dropFirst(max(0, count))
        }
        wait?(socket)
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while sent {
            let count = read(socket, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            bytes += buffer[..<count]
        }
        guard let tree = try? JSONReader().value(bytes) else {
            throw LabError(
                .processFailed, "the lab's supervisor ended before it answered", remedy: "its log is \(directory.supervisorLog)")
        }
        if let message = tree["error"]?.string {
            throw LabError((tree["code"]?.string).flatMap(LabError.Code.init) ?? .processFailed, message)
        }
        return tree
    }

    public static func notUp(_ directory: LabDirectory) -> LabError {
        let others = LabDirectory.namesUp
        let hint = others.isEmpty ? "" : "; up are: \(others.joined(separator: ", ")); see --name"
        return LabError(
            .notUp, "no lab is up in \(directory.path)", remedy: "start one: tulle lab up\(directory.options)\(hint)")
    }
}
