import CLinux
import Glibc
import KubeAPI
import NIOPosix
import Synchronization
import Testing

@testable import Lab

@Suite("the control socket of a lab", .timeLimit(.minutes(5)))
struct ControlSocketTests {
    /// Serves while the body asks.
    private func serving(
        _ answer: @escaping @Sendable (ControlSocket.Question) async -> JSONValue,
        _ body: @escaping @Sendable (LabDirectory) async throws -> Void
    ) async throws {
        let scratch = try Scratch()
        let directory = LabDirectory(scratch.path)
        let socket = try ControlSocket(path: directory.control)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await socket.serve(answer) }
            defer { group.cancelAll() }
            try await body(directory)
        }
    }

    @Test("a question gets its answer, however long it is") func answers() async throws {
        let long = String(repeating: "ä", count: 300_000)
        try await serving({ ["heard": $0.tree, "long": .string(long)] }) { directory in
            let answer = try await onThread { try LabControl(directory).ask(["do": "speak"]) }
            #expect(answer["heard"] == ["do": "speak"])
            #expect(answer["long"]?.string == long)
        }
    }

    @Test("descriptors that come with a question can be written to") func descriptors() async throws {
        let answer: @Sendable (ControlSocket.Question) async -> JSONValue = { question in
            for (number, descriptor) in question.descriptors.enumerated() { dprint("to \(number)\n", descriptor) }
            return ["count": JSONValue(question.descriptors.count)]
        }
        try await serving(answer) { directory in
            let files = (0..<3).map { clinux_memory_file("said \($0)") }
            defer { for file in files { close(file) } }
            let answer = try await onThread { try LabControl(directory).ask(["do": "write"], descriptors: files) }
            #expect(answer["count"] == 3)
            for (number, file) in files.enumerated() {
                var buffer = [UInt8](repeating: 0, count: 64)
                let count = pread(file, &buffer, buffer.count, 0)
                #expect(String(decoding: buffer.prefix(max(0, count)), as: UTF8.self) == "to \(number)\n")
            }
        }
    }

    // With no descriptor left one thread turned without a pause, and no process's end was heard of.
    @Test("when there is no descriptor left for a question it waits until there is one") func noDescriptor() async throws {
        let scratch = try Scratch()
        let directory = LabDirectory(scratch.path)
        let (pauses, paused) = AsyncStream<Void>.makeStream()
        let refusals = Mutex(3)
        let socket = try ControlSocket(path: directory.control) { listening in
            let isRefused = refusals.withLock { left in
                defer { left = max(0, left - 1) }
                return left > 0
            }
            guard isRefused else { return clinux_unix_accept(listening) }
            errno = EMFILE
            return -1
        } pause: {
            paused.yield()
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await socket.serve { _ in ["heard": true] } }
            defer { group.cancelAll() }
            let answer = try await onThread { try LabControl(directory).ask([:]) }
            #expect(answer["heard"] == true)
        }
        paused.finish()
        var count = 0
        for await _ in pauses { count += 1 }
        #expect(count == 3)
    }

    @Test("a descriptor that cannot be watched is told") func unwatched() throws {
        let scratch = try Scratch()
        // The kernel watches no files (EPERM).
        let file = open(scratch.path + "/file", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        defer { close(file) }
        #expect(throws: LabError.self) {
            try DescriptorWatch.shared.watch(file) {
                true
            } finish: {
            }
        }
    }

    @Test("an error comes back as one, with its code") func errors() async throws {
        try await serving({ ["error": "no", "code": $0.tree["code"] ?? .null] }) { directory in
            let cases: [(JSONValue, LabError.Code)] = [
                ([:], .processFailed), (["code": "unknown"], .unknown), (["code": "settingsRefused"], .settingsRefused),
                (["code": "of tomorrow"], .processFailed),
            ]
            for (question, code) in cases {
                let error = await #expect(throws: LabError.self) {
                    try await onThread { try LabControl(directory).ask(question) }
                }
                #expect(error?.code == code && error?.message == "no")
            }
        }
    }

    @Test("the work for an asker who has gone is cancelled") func hangUp() async throws {
        let (begun, begin) = AsyncStream<Void>.makeStream()
        let (cancelled, cancel) = AsyncStream<Void>.makeStream()
        let answer: @Sendable (ControlSocket.Question) async -> JSONValue = { _ in
            begin.yield()
            // Ends with the cancellation alone.
            for await _ in AsyncStream<Never>(unfolding: { await Task.endless() }) {}
            cancel.yield()
            return [:]
        }
        try await serving(answer) { directory in
            let socket = clinux_unix_socket()
            try #require(clinux_unix_connect(socket, directory.control) == 0)
            dprint("{}\n", socket)
            for await _ in begun { break }
            close(socket)
            for await _ in cancelled { break }
        }
    }

    @Test("what came with a question is open until the work for it has ended, also when its asker has gone") func lateWrites()
        async throws
    {
        let (begun, begin) = AsyncStream<Void>.makeStream()
        let (ended, end) = AsyncStream<Bool>.makeStream()
        let answer: @Sendable (ControlSocket.Question) async -> JSONValue = { question in
            let descriptors = question.descriptors
            begin.yield()
            for await _ in AsyncStream<Never>(unfolding: { await Task.endless() }) {}
            end.yield(descriptors.count == 1 && fcntl(descriptors[0], F_GETFD) >= 0)
            return [:]
        }
        try await serving(answer) { directory in
            let (socket, file) = (clinux_unix_socket(), clinux_memory_file("said"))
            try #require(clinux_unix_connect(socket, directory.control) == 0)
            try #require(clinux_send_with_descriptor(socket, [0], 1, file) == 1)
            dprint("{}\n", socket)
            for await _ in begun { break }
            close(socket)
            close(file)
            for await isOpen in ended {
                #expect(isOpen)
                break
            }
        }
    }

    @Test("what is no question is hung up upon", arguments: ["nonsense\n", "{\"a\":\n", "\u{0}{]\n"]) func garbage(_ text: String)
        async throws
    {
        try await serving({ _ in [:] }) { directory in
            let count = try await onThread { () -> Int in
                let socket = clinux_unix_socket()
                defer { close(socket) }
                guard clinux_unix_connect(socket, directory.control) == 0 else { return -2 }
                dprint(text, socket)
                var byte: UInt8 = 0
                return read(socket, &byte, 1)
            }
            #expect(count == 0)
        }
    }

    @Test("where nobody listens, it is said that no lab is up") func nobody() throws {
        let scratch = try Scratch()
        let error = #expect(throws: LabError.self) { try LabControl(LabDirectory(scratch.path)).ask([:]) }
        #expect(error?.code == .notUp)
    }
}

/// Askers block, and those who answer need the threads that all share.
private let askers = NIOThreadPool(numberOfThreads: 8)

private func onThread<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
    askers.start()
    return try await askers.runIfActive(work)
}

/// Writes a text to a descriptor.
private func dprint(_ text: String, _ descriptor: CInt) {
    let bytes = Array(text.utf8)
    _ = write(descriptor, bytes, bytes.count)
}

extension Task where Success == Never, Failure == Never {
    /// Returns `nil` when the task is cancelled.
    fileprivate static func endless() async -> Never? {
        let (stream, feed) = AsyncStream<Never>.makeStream()
        defer { withExtendedLifetime(feed) {} }
        for await _ in stream {}
        return nil
    }
}
