import Glibc
import Synchronization
import Testing

@testable import APIServer

@Suite("durability")
struct DurabilityTests {
    @Test("every write that was acknowledged before kill -9 is there after it", arguments: [40, 137, 400])
    func killed(acknowledgements: Int) async throws {
        let directory = try TemporaryDirectory()
        let (path, log) = (directory.store, directory.acknowledged)
        await #expect(processExitsWith: .signal(SIGKILL)) {
            [path = path as String, log = log as String, acknowledgements = acknowledgements as Int] in
            try await writeUntilKilled(path, log, after: acknowledgements)
        }
        let acknowledged = try acknowledgedNames(log)
        #expect(acknowledged.count >= acknowledgements)
        let store = try Store(path: path)
        let kept = Set(try await store.list(Selection(resource: "pods")).objects.map(\.key.name))
        #expect(acknowledged.filter { !kept.contains($0) } == [])
        // The next revision is new to everybody: nothing acknowledged had it.
        let next = try await store.create(pod("next"), Body(text: ""))
        #expect(Int(next.revision.rawValue) == kept.count + 1)
    }
}

/// Eight writers at once; each writes down what it was told is written, and after so many the process kills itself, in the
/// middle of whatever the others and SQLite's thread are doing.
private func writeUntilKilled(_ path: String, _ log: String, after limit: Int) async throws {
    let store = try Store(path: path)
    let descriptor = open(log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    try #require(descriptor >= 0)
    let counter = Counter()
    try await withThrowingTaskGroup(of: Void.self) { group in
        for writer in 0..<8 {
            group.addTask {
                for number in 0... {
                    let name = "w\(writer)-\(number)"
                    _ = try await store.create(pod(name), Body(text: String(repeating: "x", count: 500)))
                    let line = Array("\(name)\n".utf8)
                    guard write(descriptor, line, line.count) == line.count else { return }
                    if counter.next() >= limit { kill(getpid(), SIGKILL) }
                }
            }
        }
        try await group.waitForAll()
    }
}

private final class Counter: Sendable {
    private let value = Atomic(0)

    func next() -> Int { value.add(1, ordering: .relaxed).newValue }
}

private func acknowledgedNames(_ path: String) throws -> [String] {
    let descriptor = open(path, O_RDONLY)
    try #require(descriptor >= 0)
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65536)
    while true {
        let count = read(descriptor, &buffer, buffer.count)
        guard count > 0 else { break }
        bytes += buffer[..<count]
    }
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
}
